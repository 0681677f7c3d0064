"""The file of the review secret."""

from pathlib import Path

from facebatch.errors import ConfigError
from facebatch.review.secret import ReviewSecret, read_secret
from facebatch.storage.files import disk_faults

_OTHERS = 0o077


def open_secret(path: Path) -> ReviewSecret:
    """The secret in a file. ConfigError when it holds none, or when others than its owner can read it."""
    with disk_faults(str(path)):
        data, mode = path.read_bytes(), path.stat().st_mode
    if mode & _OTHERS:
        raise ConfigError(
            f"{path}: others than its owner can read this secret, and whoever has it can tell decoys and make sheets; "
            "chmod 600 it"
        )
    return read_secret(data.decode(errors="replace"), origin=str(path))
