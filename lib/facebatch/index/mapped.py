"""A segment's files as memory: mapped where they lie on a local disk, else from the cache of the machine; verified."""

import functools
import mmap
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facebatch.errors import CorruptError
from facebatch.gallery.commits import PartFile
from facebatch.gallery.snapshots import SegmentEntry
from facebatch.index import node_cache, order
from facebatch.index.order import Order, order_of
from facebatch.index.segment import SegmentManifest, members_of, read_manifest, vectors_of
from facebatch.storage.digest import require_digest, stream_digest
from facebatch.storage.files import disk_faults
from facebatch.storage.store import ObjectStore


class MappedFile:
    """One verified file. Its pages are the system's, shared by all processes that map it."""

    def __init__(self, file: BufferedReader, let_go: Callable[[], object]) -> None:
        """Map an open file; `let_go` is called once, by `close` or when nobody refers to this any more."""
        empty = os.fstat(file.fileno()).st_size == 0
        mapping = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data: npt.NDArray[np.uint8] = np.frombuffer(mapping, dtype=np.uint8)
        """The whole file, read-only."""
        self._let_go = weakref.finalize(self, let_go)

    def close(self) -> None:
        """Give the file up; arrays over it stay valid."""
        self._let_go()


@dataclass(frozen=True, slots=True)
class MappedSegment:
    """A segment as far as a scan needs it."""

    manifest: SegmentManifest
    vectors: npt.NDArray[np.float16]
    """(rows, dim)."""
    members: pa.Table
    """`schemas.ROWS`."""
    order: Order
    codes: npt.NDArray[np.uint8] | None
    """The file of `match.codes`; None in a segment built before there were any."""
    close: Callable[[], None]
    """Give the files up; the arrays stay valid."""


def map_segment(store: ObjectStore, entry: SegmentEntry, folder: Path) -> MappedSegment:
    """Verify and map, all files at once; `folder` is the machine's cache, used where the store has no local files.

    CorruptError naming the file when a digest, a size or a content is wrong.
    """
    return map_files(store, read_manifest(store, entry), folder)


def map_files(store: ObjectStore, manifest: SegmentManifest, folder: Path) -> MappedSegment:
    """The segment of a manifest that was read, as `map_segment` gives it."""
    with ExitStack() as files:

        def mapped(part: PartFile) -> tuple[PartFile, npt.NDArray[np.uint8]]:
            file = map_file(store, part, folder)
            files.callback(file.close)
            return part, file.data

        parts = [part for part in (manifest.vectors, manifest.members, manifest.codes, manifest.order) if part]
        with ThreadPoolExecutor(len(parts)) as pool:
            data = {part.key: content for part, content in pool.map(mapped, parts)}
        members = members_of(data[manifest.members.key], manifest)
        if manifest.order is None:
            rows = order_of(members)
        else:
            rows = order.from_buffer(data[manifest.order.key], manifest.rows, manifest.order.key)
        return MappedSegment(
            manifest=manifest,
            vectors=vectors_of(data[manifest.vectors.key], manifest),
            members=members,
            order=rows,
            codes=None if manifest.codes is None else data[manifest.codes.key],
            close=files.pop_all().close,
        )


def map_file(store: ObjectStore, part: PartFile, folder: Path) -> MappedFile:
    """One file: in place after its digest was checked once in this process, else fetched and checked once a machine."""
    path = store.local_path(part.key)
    if path is not None:
        origin = f"{store.uri}/{part.key}"
        with disk_faults(origin), path.open("rb") as file:
            _require_size(origin, os.fstat(file.fileno()).st_size, part)
            require_digest(origin, _DIGESTS.of(file, path), part.sha256)
            return MappedFile(file, _nothing)
    path = folder / part.sha256
    descriptor = node_cache.hold(
        folder, part.sha256, part.size, functools.partial(store.get_file, part.key, sha256=part.sha256)
    )
    with ExitStack() as held:
        held.callback(node_cache.let_go, descriptor, path)
        with disk_faults(str(path)), open(descriptor, "rb", closefd=False) as file:
            _require_size(str(path), os.fstat(descriptor).st_size, part)
            return MappedFile(file, held.pop_all().close)


class Digests:
    """Digests of files as they are now, each computed once in this process, whichever threads ask for it."""

    def __init__(self, compute: Callable[[BufferedReader], str] = stream_digest) -> None:
        self._compute = compute
        self._lock = threading.Lock()
        self._found: dict[tuple[str | int, ...], Future[str]] = {}

    def of(self, file: BufferedReader, path: Path) -> str:
        """sha256 of an open file; a file that was written to or replaced since is read again."""
        status = os.fstat(file.fileno())
        identity = (str(path), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        with self._lock:
            is_first = identity not in self._found
            found = self._found.setdefault(identity, Future())
        if is_first:
            try:
                found.set_result(self._compute(file))
            except BaseException as error:
                with self._lock:
                    del self._found[identity]
                found.set_exception(error)
        return found.result()


_DIGESTS = Digests()


def _require_size(origin: str, size: int, part: PartFile) -> None:
    if size != part.size:
        raise CorruptError(f"{origin}: has {size} bytes, recorded are {part.size}; restore it, or index again")


def _nothing() -> None:
    return None
