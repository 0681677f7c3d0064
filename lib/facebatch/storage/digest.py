"""Digests of stored bytes: sha256 in lower-case hex for what we record, md5 only where S3 speaks it."""

import errno
import hashlib
import mmap
import os
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Literal

from facebatch.errors import CorruptError, StopError

Algorithm = Literal["sha256", "md5"]

BLOCK_BYTES = 128 << 20
"""A block of a file. Each one waits for the interpreter, up to 5 ms when another thread runs Python."""
READ_BYTES = 1 << 20
"""A block where it has to be copied."""
_NOT_HERE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSOCK})


def digest(data: bytes, algorithm: Algorithm = "sha256") -> str:
    """Digest of `data` in lower-case hex: 64 digits for sha256, 32 for md5."""
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


def file_digest(path: Path, algorithm: Algorithm = "sha256") -> str:
    """Digest of a file's content in lower-case hex; the file is read in blocks."""
    with path.open("rb") as file:
        return stream_digest(file, algorithm)


def stream_digest(file: BufferedReader, algorithm: Algorithm = "sha256") -> str:
    """Digest of the whole of an open file in lower-case hex, block by block; OSError when it cannot be read.

    Blocks are not copied: they are called up by a transfer to nowhere, which reports a fault of the disk where touching
    a mapping would end the process, and then hashed where they lie. Systems without such a transfer read them.
    """
    found = hashlib.new(algorithm, usedforsecurity=False)
    try:
        _hash_in_place(file.fileno(), found.update)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        found = hashlib.new(algorithm, usedforsecurity=False)
        file.seek(0)
        while block := file.read(READ_BYTES):
            found.update(block)
    return found.hexdigest()


def _hash_in_place(descriptor: int, update: Callable[[mmap.mmap], None]) -> None:
    size = os.fstat(descriptor).st_size
    with open(os.devnull, "wb", buffering=0) as nowhere:
        for begin in range(0, size, BLOCK_BYTES):
            end = begin
            while count := os.sendfile(nowhere.fileno(), descriptor, end, min(begin + BLOCK_BYTES, size) - end):
                end += count
            if end > begin:  # else the file is shorter by now, and its digest another
                with mmap.mmap(descriptor, end - begin, access=mmap.ACCESS_READ, offset=begin) as block:
                    update(block)


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
