"""Objects in this process: for tests and trials. Stores of one name share their objects."""

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from facebatch.errors import NotFoundError
from facebatch.storage.digest import digest, require_digest, require_size
from facebatch.storage.files import disk_faults, scratch_file
from facebatch.storage.keys import checked_key, checked_prefix, checked_range
from facebatch.storage.store import ObjectInfo

_LOCK = threading.Lock()
_STORES: dict[str, dict[str, "_Object"]] = {}


class _Object(NamedTuple):
    data: bytes
    modified: datetime


class MemoryStore:
    """An ObjectStore whose objects live as long as the process. Pickled, it finds the same objects in the same process.

    The etag is the sha256 of the content.
    """

    def __init__(self, name: str, prefix: str = "") -> None:
        self._name = name
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @property
    def uri(self) -> str:
        """`memory://name/prefix`."""
        return f"memory://{self._name}/{self._prefix}".rstrip("/")

    def get(self, key: str, *, sha256: str | None = None, max_bytes: int | None = None) -> bytes:
        """See ObjectStore."""
        data = self._find(key).data
        require_size(f"{self.uri}/{key}", len(data), max_bytes)
        if sha256 is not None:
            require_digest(f"{self.uri}/{key}", digest(data), sha256)
        return data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See ObjectStore."""
        checked_range(self.uri, key, start, length)
        return self.get(key)[start : start + length]

    def get_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """See ObjectStore. The folder of `path` must exist."""
        data = self.get(key, sha256=sha256)
        with disk_faults(str(path)), scratch_file(path.parent) as scratch:
            scratch.write_bytes(data)
            os.replace(scratch, path)

    def local_path(self, key: str) -> Path | None:
        """See ObjectStore."""
        checked_key(self.uri, key)
        return None

    def head(self, key: str) -> ObjectInfo:
        """See ObjectStore."""
        return _info(key, self._find(key))

    def put(self, key: str, data: bytes) -> None:
        """See ObjectStore."""
        checked_key(self.uri, key)
        with _LOCK:
            self._objects()[self._prefix + key] = _new(data)

    def put_file(self, key: str, path: Path) -> None:
        """See ObjectStore."""
        with disk_faults(str(path)):
            data = path.read_bytes()
        self.put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See ObjectStore."""
        checked_key(self.uri, key)
        with _LOCK:
            return self._objects().setdefault(self._prefix + key, _new(data)).data == data

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore."""
        start = self._prefix + checked_prefix(self.uri, prefix)
        with _LOCK:
            found = sorted((key, stored) for key, stored in self._objects().items() if key.startswith(start))
        return (_info(key.removeprefix(self._prefix), stored) for key, stored in found)

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        checked_key(self.uri, key)
        with _LOCK:
            self._objects().pop(self._prefix + key, None)

    def _find(self, key: str) -> _Object:
        checked_key(self.uri, key)
        with _LOCK:
            found = self._objects().get(self._prefix + key)
        if found is None:
            raise NotFoundError(f"{self.uri}/{key}: there is no such object")
        return found

    def _objects(self) -> dict[str, _Object]:
        return _STORES.setdefault(self._name, {})


def _new(data: bytes) -> _Object:
    return _Object(bytes(data), datetime.now(UTC))


def _info(key: str, stored: _Object) -> ObjectInfo:
    return ObjectInfo(key, len(stored.data), digest(stored.data), stored.modified)
