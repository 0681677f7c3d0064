"""Digests of stored bytes: sha256 in lower-case hex for what we record, md5 only where S3 speaks it."""

import hashlib
from io import BufferedReader
from pathlib import Path
from typing import Literal

from facebatch.errors import CorruptError, StopError

Algorithm = Literal["sha256", "md5"]


def digest(data: bytes, algorithm: Algorithm = "sha256") -> str:
    """Digest of `data` in lower-case hex: 64 digits for sha256, 32 for md5."""
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


def file_digest(path: Path, algorithm: Algorithm = "sha256") -> str:
    """Digest of a file's content in lower-case hex; the file is read in blocks."""
    with path.open("rb") as file:
        return stream_digest(file, algorithm)


def stream_digest(file: BufferedReader, algorithm: Algorithm = "sha256") -> str:
    """Digest of what an open file still holds, in lower-case hex; it is read in blocks."""
    return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def require_digest(origin: str, found: str, expected: str | None) -> None:
    """CorruptError naming `origin` when `found` is not `expected`; None expects nothing."""
    if expected is not None and found != expected:
        raise CorruptError(
            f"{origin}: sha256 is {found}, recorded is {expected}; restore the object, or remove what refers to it"
        )


def require_size(origin: str, size: int, max_bytes: int | None) -> None:
    """StopError naming `origin` when `size` is above `max_bytes`; None is no limit."""
    if max_bytes is not None and size > max_bytes:
        raise StopError(
            f"{origin}: has {size} bytes, more than the limit of {max_bytes}; raise the limit or leave it out"
        )
