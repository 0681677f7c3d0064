"""An object store inside the simulation: consistent objects in a dict, reached over a network that a seed decides."""

import os
import sys
import weakref
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

from facebatch.errors import NotFoundError, RetryableError
from facebatch.storage.digest import digest, require_digest, require_size
from facebatch.storage.files import disk_faults, scratch_file
from facebatch.storage.keys import checked_key, checked_prefix, checked_range
from facebatch.storage.store import ObjectInfo
from simulation.processes import running
from simulation.scheduler import UnansweredError

ValueT = TypeVar("ValueT")

ATTEMPTS = 5
"""Of one request, before it is given up with a RetryableError."""
PAGE = 1000
_LAST = chr(sys.maxunicode)

_STORES: weakref.WeakValueDictionary[str, "SimulatedStore"] = weakref.WeakValueDictionary()


class Stored:
    """An object."""

    __slots__ = ("_sha256", "data", "info")

    def __init__(self, data: bytes, info: ObjectInfo) -> None:
        self.data = data
        self.info = info
        self._sha256: str | None = None

    @property
    def sha256(self) -> str:
        """Of the data; nobody asks for that of most objects."""
        if self._sha256 is None:
            self._sha256 = digest(self.data)
        return self._sha256


Observer = Callable[[str, Stored | None, Stored | None], None]
"""Called with key, object before and object after, whenever an object is put, replaced or deleted."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _unobserved(key: str, before: Stored | None, after: Stored | None) -> None:
    """Nobody looks on."""


class SimulatedStore:
    """An ObjectStore. Each request of a simulated process is one step of the schedule; others are carried out at once.

    The client's side repeats unanswered requests, and asks after a refused condition whether the object is its own, as
    `storage.s3` does. Lists come in pages, between which objects come and go.
    """

    def __init__(
        self,
        name: str,
        page: int = PAGE,
        clock: Callable[[], datetime] = _utc_now,
        observe: Observer = _unobserved,
    ) -> None:
        self.objects: dict[str, Stored] = {}
        self._keys: list[str] = []
        """Sorted."""
        self._puts = 0
        self.uri = f"simulated://{name}"
        self._name = name
        self._page = page
        self._clock = clock
        self._observe = observe
        _STORES[name] = self

    def __reduce__(self) -> tuple[Callable[[str], "SimulatedStore"], tuple[str]]:
        return _found, (self._name,)

    def adopt(self, other: "SimulatedStore") -> None:
        """Hold what the other one holds, and nothing else."""
        self.objects.clear()
        self.objects.update(other.objects)
        self._keys[:] = other._keys
        self._puts = other._puts

    def leave(self) -> None:
        """Tell nobody any more, and ask nobody for the time."""
        self._clock, self._observe = _utc_now, _unobserved

    def get(self, key: str, *, sha256: str | None = None, max_bytes: int | None = None) -> bytes:
        """See ObjectStore."""
        stored = self._read("get", key)
        if max_bytes is not None or sha256 is not None:
            require_size(f"{self.uri}/{key}", len(stored.data), max_bytes)
            require_digest(f"{self.uri}/{key}", stored.sha256, sha256)
        return stored.data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See ObjectStore."""
        checked_range(self.uri, key, start, length)
        return self._read("get", key).data[start : start + length]

    def get_file(self, key: str, path: Path, *, sha256: str | None = None) -> None:
        """See ObjectStore. The folder of `path` must exist."""
        data = self.get(key, sha256=sha256)
        with disk_faults(str(path)), scratch_file(path.parent) as scratch:
            scratch.write_bytes(data)
            os.replace(scratch, path)

    def local_path(self, key: str) -> Path | None:
        """See ObjectStore."""
        _checked_key(self.uri, key)
        return None

    def head(self, key: str) -> ObjectInfo:
        """See ObjectStore."""
        return self._read("head", key).info

    def put(self, key: str, data: bytes) -> None:
        """See ObjectStore."""
        _checked_key(self.uri, key)
        self._ask("put", key, partial(self._set, key, bytes(data)))

    def put_file(self, key: str, path: Path) -> None:
        """See ObjectStore."""
        with disk_faults(str(path)):
            data = path.read_bytes()
        self.put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See ObjectStore."""
        _checked_key(self.uri, key)
        while True:
            if self._ask("put-if-absent", key, partial(self._create, key, bytes(data))):
                return True
            with suppress(NotFoundError):  # refused, then removed: ask again
                return self.get(key) == data

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ObjectStore."""
        return self._pages(_checked_prefix(self.uri, prefix))

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        _checked_key(self.uri, key)
        self._ask("delete", key, partial(self._remove, key))

    def _pages(self, prefix: str) -> Iterator[ObjectInfo]:
        after = ""
        while True:
            page = self._ask("list", prefix, partial(self._list, prefix, after))
            yield from page
            if len(page) < self._page:
                return
            after = page[-1].key

    def _read(self, operation: str, key: str) -> Stored:
        _checked_key(self.uri, key)
        stored = self._ask(operation, key, partial(self.objects.get, key))
        if stored is None:
            raise NotFoundError(f"{self.uri}/{key}: there is no such object")
        return stored

    def _ask(self, operation: str, key: str, effect: Callable[[], ValueT]) -> ValueT:
        actor = running()
        if actor is None:
            return effect()
        for _ in range(ATTEMPTS):
            try:
                return actor.scheduler.request(actor, operation, key, effect)
            except UnansweredError:
                continue
        raise RetryableError(f"{self.uri}/{key}: {ATTEMPTS} requests were not answered; rerun when the store is well")

    def _set(self, key: str, data: bytes) -> None:
        before, after = self.objects.get(key), self._stamped(key, data)
        self.objects[key] = after
        if before is None:
            insort(self._keys, key)
        self._observe(key, before, after)

    def _create(self, key: str, data: bytes) -> bool:
        if key in self.objects:
            return False
        after = self._stamped(key, data)
        if self.objects.setdefault(key, after) is not after:  # a thread was faster
            return False
        insort(self._keys, key)
        self._observe(key, None, after)
        return True

    def _remove(self, key: str) -> None:
        before = self.objects.pop(key, None)
        if before is not None:
            self._keys.remove(key)
            self._observe(key, before, None)

    def _list(self, prefix: str, after: str) -> Sequence[ObjectInfo]:
        start = bisect_right(self._keys, after) if after else bisect_left(self._keys, prefix)
        behind = _behind(prefix)
        end = bisect_left(self._keys, behind, start) if behind else len(self._keys)
        objects = self.objects
        return [objects[key].info for key in self._keys[start : min(end, start + self._page)]]

    def _stamped(self, key: str, data: bytes) -> Stored:
        self._puts += 1
        return Stored(data, ObjectInfo(key, len(data), str(self._puts), self._clock()))


def _found(name: str) -> SimulatedStore:
    return _STORES[name]


@lru_cache(maxsize=1024)
def _behind(prefix: str) -> str:
    """The first key behind all that begin with `prefix`; empty where all keys may."""
    stem = prefix.rstrip(_LAST)
    return stem[:-1] + chr(ord(stem[-1]) + 1) if stem else ""


# The same keys and bytes come again in every schedule.
_checked_key = lru_cache(maxsize=65536)(checked_key)
_checked_prefix = lru_cache(maxsize=1024)(checked_prefix)
