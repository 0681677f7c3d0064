"""Which names are those of images, and how a name is shown."""

from pathlib import PurePosixPath

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
"""Formats that are read. In a folder, files with another suffix are no images."""

SHARD_IMAGE_SUFFIXES = IMAGE_SUFFIXES | {
    *(".jpe", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".ico"),
}
"""In a tar shard these too are images with a ledger row each; the decoder says which it does not read."""


def suffix(name: str) -> str:
    """`.jpg` of `a/b.C.JPG`; empty where there is none."""
    return PurePosixPath(name).suffix.lower()


def printable(name: str) -> str:
    """The name with control characters, line ends and undecodable bytes escaped, so that it fits any log or table."""
    return name if name.isprintable() else name.encode("unicode_escape", "backslashreplace").decode("ascii")
