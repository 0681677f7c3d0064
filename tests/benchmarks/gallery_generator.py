"""Galleries of any size without a photo: parts, ledgers, commits and a snapshot, as `embed` leaves them.

`cd tests && python -m benchmarks.gallery_generator FOLDER --templates 10000000 --shards 10000 --segment-rows 1000000`

The same arguments give the same bytes; segments are built by the job `index`. Takes the memory of some 50 000 templates
while they are drawn and of one shard, and 4 kB a shard for the snapshot.
"""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.drawn_shards import MODEL, GalleryShape, draw_shards, extract, put_shard
from benchmarks.population import gather
from facebatch.config import IndexConfig
from facebatch.gallery import snapshots
from facebatch.gallery.commits import ShardCommit
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.index.spec import IndexSpec
from facebatch.pipelines import index
from facebatch.runtime.executor import RunSpec
from facebatch.storage.local import LocalStore
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import Progress, open_progress

PUBLISHED = datetime(2026, 1, 1, tzinfo=UTC)


class Vectors:
    """Those of a whole population, as many at a time as are asked for."""

    def __init__(self, shape: GalleryShape) -> None:
        self._crowds = gather(shape.templates, shape.dim, shape.seed).crowds()
        self._left = np.empty((0, shape.dim), np.float16)

    def take(self, rows: int) -> npt.NDArray[np.float16]:
        """The next rows."""
        found = [self._left]
        while sum(map(len, found)) < rows:
            found.append(next(self._crowds).templates)
        whole = np.concatenate(found)
        self._left = whole[rows:]
        return whole[:rows]


def write_shards(store: ObjectStore, shape: GalleryShape) -> Iterator[ShardCommit]:
    """Write and commit the shards, in order."""
    vectors = Vectors(shape)
    for shard in draw_shards(shape):
        tables = extract(shard, vectors.take(shard.rows))
        yield put_shard(store, shard.key, shard.listed.uri, shape.source, tables)


def write_gallery(store: ObjectStore, shape: GalleryShape, progress: Progress) -> Snapshot:
    """Everything but segments."""
    entries = []
    with progress.stage("draw", total=shape.shards, unit="shards") as stage:
        for commit in write_shards(store, shape):
            entries.append(snapshots.entry(commit))
            stage.advance()
    return snapshots.publish(store, first_snapshot(shape, tuple(entries)))


def first_snapshot(shape: GalleryShape, shards: tuple[ShardEntry, ...], **changes: Any) -> Snapshot:
    """The snapshot that lists these shards."""
    whole = Snapshot(
        seq=1,
        parent=None,
        run_id=f"{shape.seed:032x}",
        created_at=PUBLISHED,
        model=MODEL,
        model_name="drawn",
        dim=shape.dim,
        shards=snapshots.in_order(shards),
    )
    return whole.model_copy(update=changes)


def build_segments(gallery: str, segment_rows: int, progress: Progress) -> None:
    """Run the job `index`."""
    spec = IndexSpec(segment_rows=segment_rows)
    index.run(IndexConfig(gallery=gallery, index=spec, run=RunSpec(executor="local")), progress)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--templates", type=int, default=100_000)
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--segment-rows", type=int, help="also build segments, of at most so many templates")
    arguments = parser.parse_args()
    shape = GalleryShape(arguments.templates, arguments.shards, arguments.dim, arguments.seed)
    progress, started = open_progress("auto"), time.perf_counter()
    snapshot = write_gallery(LocalStore(arguments.folder), shape, progress)
    if arguments.segment_rows:
        build_segments(str(arguments.folder), arguments.segment_rows, progress)
    print(f"{snapshot.templates} templates in {shape.shards} shards, {time.perf_counter() - started:.1f} s")
    print(f"content {snapshot.content_sha256}")


if __name__ == "__main__":
    main()
