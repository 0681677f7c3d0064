"""What lies at the edges of the pipelines, replaced besides clocks and threads: images, networks, FAISS, file formats.

Parts are Arrow files instead of Parquet, and a segment's index is a digest of its vectors. Everything between, from
the listing of a source to the snapshot, is the code of the package.
"""

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path

import pyarrow as pa
import pytest

from facebatch.faces.directions import Directions
from facebatch.faces.extract import Extractor
from facebatch.faces.open import open_models
from facebatch.faces.packs import find_pack, load_card
from facebatch.faces.rows import Extraction
from facebatch.gallery.deletions import DeletionRequest, read_request
from facebatch.images.read import read_shard
from facebatch.images.records import ImageShard
from facebatch.images.shards import list_shards
from facebatch.images.source import SourceSpec
from facebatch.index import build
from facebatch.pipelines import index
from facebatch.pipelines.planned_centroid import planned_centroid
from facebatch.runtime.open import open_executor
from facebatch.storage.arrow import open_arrow, write_arrow
from facebatch.storage.digest import digest
from facebatch.storage.open import open_store
from facebatch.storage.parquet import read_table, read_templates, write_table
from facebatch.storage.store import ObjectStore
from simulation import edges
from simulation.whole.executor import SimulatedExecutor
from simulation.whole.images import extraction
from simulation.whole.world import CARD, WholeWorld
from simulation.world import GALLERY, Stage


def install(patch: pytest.MonkeyPatch, stage: Stage[WholeWorld], folders: "Folders") -> None:
    """Let the pipelines run in whatever world is on the stage, until `patch` is undone."""
    edges.install(patch, stage, memory=100_000)
    swaps: list[tuple[object, object]] = [
        (open_store, partial(_store, stage)),
        (open_executor, lambda spec: SimulatedExecutor(stage.world.scheduler, spec)),
        (find_pack, lambda model: None),
        (load_card, lambda pack: CARD),
        (planned_centroid, lambda *settings: None),
        (list_shards, partial(_list_shards, stage)),
        (read_request, partial(_read_request, stage)),
        (open_models, lambda *settings: (CARD, None, None)),
        (Extractor, lambda *parts, **named: Networks(stage.world)),
        (read_shard, lambda shard, *where: shard),
        (tempfile, folders),
        (write_table, partial(_write_table, stage)),
        (read_table, _read_table),
        (read_templates, lambda data, origin: _read_table(data, kind="templates", origin=origin)),
        (open_arrow, lambda data, *, kind, origin: _read_table(data.tobytes(), kind=kind, origin=origin)),
        (write_arrow, _write_arrow),
    ]
    edges.replace(patch, swaps)
    patch.setattr(build, "_index", lambda vectors, spec: digest(vectors.tobytes()).encode())
    patch.setattr(index, "pack_bytes", lambda vectors: b"codes")


def _store(stage: Stage[WholeWorld], uri: str, s3: object = None) -> ObjectStore:
    return stage.world.store if uri == GALLERY else open_store(uri)


def _list_shards(stage: Stage[WholeWorld], source: SourceSpec, s3: object) -> list[ImageShard]:
    revisions = stage.world.sources[source.uri].revisions
    return list(revisions[stage.world.revision(source.uri, revisions)])


def _read_request(stage: Stage[WholeWorld], uri: str, s3: object) -> DeletionRequest:
    return stage.world.requests[uri]


class Networks:
    """Stands for the extractor. In a mixed fleet a shard's rows depend on the machine that embedded it."""

    def __init__(self, world: WholeWorld) -> None:
        self._machine = int(world.shape.mixed_fleet and world.scheduler.chance(0.5))

    def extract(self, images: ImageShard, shard_uri: str, directions: Directions) -> Extraction:
        """Rows of one shard."""
        return extraction(images, self._machine)


def _write_table(stage: Stage[WholeWorld], table: pa.Table, *, kind: str, model: str | None) -> bytes:
    """Timings differ from attempt to attempt, and nobody reads them."""
    data = _write_arrow(table, kind=kind, model=model)
    return data + stage.world.name().encode() if kind == "timings" else data


_written: dict[tuple[int, str], tuple[pa.Table, bytes]] = {}
_MOST = 4096


def _write_arrow(table: pa.Table, *, kind: str, model: str | None) -> bytes:
    """`write_arrow`, which is pure, with a memory for tables that are written again and again."""
    known = _written.get((id(table), kind))
    if known is None:
        if len(_written) >= _MOST:
            _written.clear()
        known = _written[id(table), kind] = (table, write_arrow(table, kind=kind, model=model))
    return known[1]


@lru_cache(maxsize=4096)
def _read_table(data: bytes, *, kind: str, origin: str) -> pa.Table:
    return open_arrow(data, kind=kind, origin=origin)


class Folders:
    """Stands for `tempfile`: folders in memory where there is such a place, used again and again.

    To make and remove files on a disk takes longer than all the rest.
    """

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        self._root = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self._free: list[Path] = []
        self._made = itertools.count()

    def __enter__(self) -> "Folders":
        return self

    def __exit__(self, *exc: object) -> None:
        self._root.cleanup()

    @contextmanager
    def TemporaryDirectory(self, *, prefix: str) -> Iterator[str]:
        """`tempfile.TemporaryDirectory`, not emptied."""
        folder = self._free.pop() if self._free else Path(self._root.name) / f"{prefix}{next(self._made)}"
        folder.mkdir(exist_ok=True)
        try:
            yield str(folder)
        finally:
            self._free.append(folder)
