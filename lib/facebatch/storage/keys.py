"""Which keys a store takes. One rule for all stores, so that a key good on a laptop is good in a bucket."""

from facebatch.errors import StopError

SCRATCH = ".facebatch-tmp"
"""Folder of unfinished writes in a local store; never part of a key, so `list` never shows what is in it."""

_FORBIDDEN = frozenset({"", ".", "..", SCRATCH})


def checked_key(uri: str, key: str) -> str:
    """`key` itself. StopError when it is absolute, has an empty, `.` or `..` part, a NUL, or is not valid Unicode."""
    if not _storable(key) or not _FORBIDDEN.isdisjoint(key.split("/")):
        raise StopError(
            f"{uri}: {key!r} cannot be a key; use parts joined by single slashes, none of them empty, '.', '..' "
            f"or {SCRATCH!r}, in valid Unicode without NUL"
        )
    return key


def checked_prefix(uri: str, prefix: str) -> str:
    """`prefix` itself. StopError when no key can start with it; its last part may be cut anywhere, or be empty."""
    folder = prefix.rpartition("/")[0]
    if not _storable(prefix) or prefix.startswith("/") or (folder and not _FORBIDDEN.isdisjoint(folder.split("/"))):
        raise StopError(f"{uri}: no key can start with {prefix!r}; use whole parts joined by single slashes")
    return prefix


def checked_range(uri: str, key: str, start: int, length: int) -> None:
    """StopError when a range of bytes has a negative start or length."""
    if start < 0 or length < 0:
        raise StopError(f"{uri}/{key}: bytes [{start}, {start} + {length}) are no range; both numbers must be >= 0")


def _storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
