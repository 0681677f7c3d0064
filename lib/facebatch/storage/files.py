"""Files that appear whole or not at all, and the operating system's errors as ours."""

import errno
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facebatch.errors import AccessDeniedError, NotFoundError, StopError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_ENTRY = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def disk_faults(origin: str) -> Iterator[None]:
    """Turn an OSError of the block into one of our errors that names `origin`.

    NotFoundError: no such file, or a folder in its place. AccessDeniedError: not permitted. StopError: the rest,
    above all a full disk.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StopError(f"{origin}: no room to write it ({error.strerror}); free disk space, then rerun") from error
        if error.errno in _NO_ENTRY:
            raise NotFoundError(f"{origin}: there is no such file ({error.strerror})") from error
        if error.errno in _REFUSED:
            raise AccessDeniedError(f"{origin}: {error.strerror}; check owner and permissions") from error
        raise StopError(f"{origin}: {error.strerror or error}") from error


@contextmanager
def scratch_file(folder: Path) -> Iterator[Path]:
    """A path for a new file in `folder`; what was written there and not moved away is removed at the end."""
    path = folder / f".{uuid.uuid4().hex}.part"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def write_durably(path: Path, data: bytes) -> None:
    """Write a new file and flush it to disk.

    Its mtime is set from the nanosecond clock: file systems stamp by the tick of some milliseconds, in which two
    writes of equal size would get the same etag.
    """
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        flush_stamped(file.fileno())


def flush_stamped(descriptor: int) -> None:
    """Stamp an open file with the nanosecond clock and flush it to disk."""
    now = time.time_ns()
    os.utime(descriptor, ns=(now, now))
    os.fsync(descriptor)


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a new name survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path, older_than_s: float) -> None:
    """Remove files of `folder` that were last written more than `older_than_s` seconds ago: left by killed writers."""
    before = time.time() - older_than_s
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            if entry.stat(follow_symlinks=False).st_mtime < before:
                os.unlink(entry.path)
