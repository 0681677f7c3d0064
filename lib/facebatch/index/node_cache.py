"""Files of segments on the local disk of a machine, fetched once for all its processes and gone with their last user.

A finished file lies in the cache's folder under the sha256 of its content. Locks are `flock`s, which the kernel drops
when a process ends, however it ends:

- who uses a file holds a shared lock on it; who takes the last one away, removes the file;
- who fetches a file holds an exclusive lock on a folder `<sha256>.fetch`, works in it, and moves the finished and
  verified file out of it, its own shared lock already taken; others wait for that lock and then find the file;
- `sweep` removes what nobody has locked: left by processes that were killed.

A lock counts only while the name still leads to what was locked; otherwise somebody removed it, and one begins anew.
"""

import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facebatch.errors import StopError
from facebatch.runtime.memory import GIB
from facebatch.storage.files import disk_faults

FETCHING = ".fetch"
"""Suffix of the folder in which a file is fetched."""
_ENTRY = re.compile(rf"[0-9a-f]{{64}}({re.escape(FETCHING)})?")


def default_folder() -> Path:
    """The cache of this user on this machine, below the folder for temporary files (TMPDIR)."""
    return Path(tempfile.gettempdir()) / f"facebatch-segments-{os.getuid()}"


def hold(folder: Path, sha256: str, size: int, fetch: Callable[[Path], object]) -> int:
    """A descriptor of the file of this digest, open for reading, with a shared lock; give it to `let_go` afterwards.

    `fetch` is called where no process of this machine has the file: it writes it to the path it is given, verified.
    StopError when there is no room for `size` bytes, or the folder is not this user's alone. What `fetch` raises
    passes through, and nothing is left behind.
    """
    with disk_faults(str(folder)):
        require_private(folder)
        path = folder / sha256
        while True:
            held = _share(path)
            if held is not None:
                return held
            with _fetcher_of(path) as scratch:
                if scratch is not None and not path.exists():
                    _require_room(folder, size)
                    fetch(scratch / sha256)
                    return _publish(scratch / sha256, path)


def let_go(descriptor: int, path: Path) -> None:
    """Give up the lock of `hold`, and remove the file when it was the last one; an open mapping stays valid."""
    try:
        _remove_if_free(descriptor, path)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove files nobody uses and fetches nobody is at; a missing folder is no error."""
    with disk_faults(str(folder)):
        for name in os.listdir(folder) if folder.exists() else ():
            if _ENTRY.fullmatch(name):
                with suppress(FileNotFoundError):
                    let_go(os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW), folder / name)


def require_private(folder: Path) -> None:
    """Make the folder with mode 0700; StopError when there is one that others could write to or put there."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise StopError(
            f"{folder}: is not a folder of this user alone (mode 0700), so others could change what is kept in it; "
            "remove it, or set TMPDIR to another folder"
        )


def _share(path: Path) -> int | None:
    """A descriptor with a shared lock on the file that has this name; None when there is none."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        with _closed_on_error(descriptor):
            if _locked(descriptor, path, fcntl.LOCK_SH):
                return descriptor
        os.close(descriptor)


def _locked(descriptor: int, path: Path, kind: int) -> bool:
    """Wait for the lock; False when the name meanwhile leads to something else, or, with LOCK_NB, when it is taken."""
    try:
        fcntl.flock(descriptor, kind)
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except (BlockingIOError, FileNotFoundError):
        return False


@contextmanager
def _closed_on_error(descriptor: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.close(descriptor)
        raise


@contextmanager
def _fetcher_of(path: Path) -> Iterator[Path | None]:
    """An empty folder beside the file, once nobody else is in it; None when another one removed it meanwhile."""
    scratch = path.with_name(path.name + FETCHING)
    with suppress(FileExistsError):
        scratch.mkdir(mode=0o700)
    try:
        descriptor = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield None
        return
    try:
        if not _locked(descriptor, scratch, fcntl.LOCK_EX):
            yield None
            return
        for left in scratch.iterdir():
            left.unlink()
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch)
    finally:
        os.close(descriptor)


def _publish(finished: Path, path: Path) -> int:
    """Take the shared lock, then let the file be seen."""
    descriptor = os.open(finished, os.O_RDONLY)
    with _closed_on_error(descriptor):
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        os.rename(finished, path)
    return descriptor


def _remove_if_free(descriptor: int, path: Path) -> None:
    try:
        if _locked(descriptor, path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if path.name.endswith(FETCHING):
                shutil.rmtree(path)
            else:
                path.unlink()
    finally:
        # Not left to `close`: a mapping keeps a duplicate of the descriptor, and with it the lock.
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _require_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        sweep(folder)
        free = shutil.disk_usage(folder).free
    if size > free:
        raise StopError(
            f"{folder}: a file of a segment needs {size / GIB:.2f} GiB and {free / GIB:.2f} GiB are free; free disk "
            "space there, or set TMPDIR to a folder on a larger disk"
        )
