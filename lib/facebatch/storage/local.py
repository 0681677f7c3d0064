"""Objects as files below a folder; also reads folders that we never write to, such as a user's photos."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from facebatch.errors import RetryableError, StopError, UnsafeStoreError
from facebatch.storage.digest import digest, file_digest, require_digest, require_size
from facebatch.storage.files import disk_faults, flush_folder, flush_stamped, scratch_file, sweep, write_durably
from facebatch.storage.keys import SCRATCH, checked_key, checked_prefix, checked_range
from facebatch.storage.store import ObjectInfo

_STALE_S = 24 * 3600.0
"""A scratch file this old belongs to a writer that was killed."""
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK})


class LocalStore:
    """An ObjectStore on one file system.

    A key is a path below the root. `list` shows regular files; a symlink to a folder inside the root is not entered
    (its files have keys of their own), and any symlink that leads out of the root is refused. A missing root lists
    as empty and is made by the first write. The etag is "<size>-<mtime in ns>".
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.abspath(root))
        self._swept = False

    @property
    def uri(self) -> str:
        """The root's absolute path."""
        return str(self._root)

    def get(self, key: str, *, sha256: str | None = None, max_bytes: int | None = None) -> bytes:
        """See ObjectStore."""
        with self._opened(key) as file:
            size = os.fstat(file.fileno()).st_size
            require_size(self._origin(key), size, max_bytes)
            data = file.read()
        if len(data) != size:
            raise RetryableError(f"{self._origin(key)}: changed while it was read; read it again")
        if sha256 is not None:
            require_digest(self._origin(key), digest(data), sha256)
        return data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See ObjectStore."""
        checked_range(self.uri, key, start, length)
        with self._opened(key) as file:
            file.seek(start)
            return file.read(length)

    def get_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """See ObjectStore. The folder of `path` must exist."""
        with self._opened(key) as source, disk_faults(str(path)), scratch_file(path.parent) as scratch:
            with scratch.open("xb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            if sha256 is not None:
                require_digest(self._origin(key), file_digest(scratch), sha256)
            os.replace(scratch, path)

    def local_path(self, key: str) -> Path | None:
        """See ObjectStore."""
        return self._path(key)

    def head(self, key: str) -> ObjectInfo:
        """See ObjectStore."""
        with self._opened(key) as file:
            return _info(key, os.fstat(file.fileno()))

    def put(self, key: str, data: bytes) -> None:
        """See ObjectStore."""
        path = self._path(key)
        with disk_faults(self._origin(key)), scratch_file(self._scratch()) as scratch:
            write_durably(scratch, data)
            self._publish(scratch, path)

    def put_file(self, key: str, path: Path) -> None:
        """See ObjectStore."""
        target = self._path(key)
        with disk_faults(str(path)):
            source = path.open("rb")
        with source, disk_faults(self._origin(key)), scratch_file(self._scratch()) as scratch:
            with scratch.open("xb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
                copy.flush()
                flush_stamped(copy.fileno())
            self._publish(scratch, target)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See ObjectStore. The finished file is hard-linked to its name, which the system lets only one writer do."""
        path = self._path(key)
        with disk_faults(self._origin(key)), scratch_file(self._scratch()) as scratch:
            write_durably(scratch, data)
            self._make_folder(key, path)
            try:
                os.link(scratch, path)
            except FileExistsError:
                return self._holds(key, path, data)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                raise UnsafeStoreError(
                    f"{self._origin(key)}: the file system has no hard links, so of two writers both could win; "
                    "keep the store on another file system"
                ) from error
            flush_folder(path.parent)
            return True

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore."""
        checked_prefix(self.uri, prefix)
        folder = prefix[: prefix.rfind("/") + 1]
        if folder:
            self._path(folder.removesuffix("/"))
        return self._walk(folder, prefix)

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        path = self._path(key)
        with disk_faults(self._origin(key)):
            if path.is_file():
                path.unlink(missing_ok=True)

    def _origin(self, key: str) -> str:
        return f"{self.uri}/{key}"

    def _path(self, key: str) -> Path:
        path = self._root / checked_key(self.uri, key)
        self._require_inside(path)
        return path

    def _require_inside(self, path: Path) -> None:
        real_root = os.path.realpath(self._root)
        if os.path.commonpath([os.path.realpath(path), real_root]) != real_root:
            raise StopError(
                f"{path}: is or passes a symlink that leads out of {self._root}; copy the files there instead"
            )

    @contextmanager
    def _opened(self, key: str) -> Iterator[BinaryIO]:
        path = self._path(key)
        with disk_faults(self._origin(key)), path.open("rb") as file:
            yield file

    def _scratch(self) -> Path:
        folder = self._root / SCRATCH
        folder.mkdir(parents=True, exist_ok=True)
        if not self._swept:
            sweep(folder, _STALE_S)
            self._swept = True
        return folder

    def _publish(self, scratch: Path, path: Path) -> None:
        self._make_folder(path.relative_to(self._root).as_posix(), path)
        if path.is_dir():
            raise StopError(f"{path}: is a folder, so it cannot be written as an object; choose another key")
        os.replace(scratch, path)
        flush_folder(path.parent)

    def _make_folder(self, key: str, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise StopError(
                f"{self._origin(key)}: a part of this key is an object already; choose another key"
            ) from error

    def _holds(self, key: str, path: Path, data: bytes) -> bool:
        try:
            return path.read_bytes() == data
        except FileNotFoundError as error:
            raise RetryableError(f"{self._origin(key)}: was removed while it was written; write it again") from error
        except IsADirectoryError as error:
            raise StopError(f"{path}: is a folder, so it cannot be written as an object; choose another key") from error

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectInfo]:
        for name in self._names(folder):
            key = folder + name
            if name.endswith("/"):
                if key.startswith(prefix) or prefix.startswith(key):
                    yield from self._walk(key, prefix)
            elif key.startswith(prefix):
                yield from self._listed(checked_key(self.uri, key))

    def _names(self, folder: str) -> tuple[str, ...]:
        """Names in a folder, those of folders with a slash at the end: sorted like this they are in order of key."""
        try:
            entries = [*os.scandir(self._root / folder)]
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise StopError(
                f"{self._origin(folder)}: cannot be listed ({error.strerror}); check permissions"
            ) from error
        names = (entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in entries if entry.name != SCRATCH)
        return tuple(sorted(names))

    def _listed(self, key: str) -> Iterator[ObjectInfo]:
        path = self._root / key
        is_link = path.is_symlink()
        if is_link:
            self._require_inside(path)
            if not path.exists():
                raise StopError(f"{path}: is a symlink to nothing; remove it, or restore what it points to")
        try:
            status = path.stat()
        except FileNotFoundError:
            return
        if path.is_file():
            yield _info(key, status)


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return ObjectInfo(key, status.st_size, f"{status.st_size}-{status.st_mtime_ns}", modified)
