"""A gallery of documents alone: snapshot, commits and manifests are real, the files that they name are empty objects.

Enough for everything that plans, lists, publishes and collects, and a gallery of 1e8 templates fits into memory.
"""

from datetime import UTC, datetime

from benchmarks.drawn_shards import ATTEMPT, MODEL, DrawnShard, GalleryShape, draw_shards
from benchmarks.gallery_generator import first_snapshot
from facebatch.gallery import snapshots
from facebatch.gallery.capture_times import CaptureTimes
from facebatch.gallery.commits import PartFile, ShardCommit, put_first
from facebatch.gallery.snapshots import SegmentEntry, Snapshot
from facebatch.index.segment import SegmentManifest, SegmentPlan, plan_segments
from facebatch.index.spec import IndexSpec
from facebatch.pipelines.index import segment_entry
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.store import ObjectStore

EXPIRY = datetime(2035, 1, 1, tzinfo=UTC)
CAPTURED = CaptureTimes(latest=datetime(2025, 1, 1, tzinfo=UTC), too_early=0, after_expiry=0)
LEDGER_BYTES = 40
"""Per image."""


def write_hollow(store: ObjectStore, shape: GalleryShape, segment_rows: int) -> Snapshot:
    """Embedded and indexed, as far as documents tell."""
    shards = tuple(snapshots.entry(_commit(store, shard, shape)) for shard in draw_shards(shape))
    plans = plan_segments(shards, IndexSpec(segment_rows=segment_rows), model=MODEL, dim=shape.dim)
    segments = tuple(_segment(store, plan) for plan in plans)
    return snapshots.publish(store, first_snapshot(shape, shards, segments=segments))


def _commit(store: ObjectStore, shard: DrawnShard, shape: GalleryShape) -> ShardCommit:
    claimed = {
        "templates": (layout.TEMPLATES, shard.rows, shard.rows * shape.dim * 2),
        "ledger": (layout.LEDGER, shard.images, shard.images * LEDGER_BYTES),
        "timings": (layout.TIMINGS, shard.images, shard.images * LEDGER_BYTES),
    }
    parts = {
        kind: _claim(store, layout.part(folder, shard.key, ATTEMPT), rows, size)
        for kind, (folder, rows, size) in claimed.items()
    }
    commit = ShardCommit(
        shard_key=shard.key,
        shard_uri=shard.listed.uri,
        source=shape.source,
        attempt=ATTEMPT,
        model=MODEL,
        images=shard.images,
        outcomes=shard.outcomes,
        seconds={},
        next_expiry=EXPIRY,
        captured=CAPTURED,
        **parts,
    )
    return put_first(store, layout.commit(shard.key), commit)[0]


def _segment(store: ObjectStore, plan: SegmentPlan) -> SegmentEntry:
    sizes = {"index.faiss": plan.dim, "vectors.f16": 2 * plan.dim, "members.arrow": 80}
    names = {name: layout.segment_file(plan.segment_id, name, ATTEMPT) for name in sizes}
    files = {name.partition(".")[0]: _claim(store, names[name], plan.rows, plan.rows * sizes[name]) for name in sizes}
    parts = tuple(part.sha256 for part in plan.parts)
    facts = {"segment_id": plan.segment_id, "kind": plan.spec.kind, "model": MODEL, "dim": plan.dim, "rows": plan.rows}
    manifest = SegmentManifest(parts=parts, **facts, **files)
    put_first(store, layout.segment_manifest(plan.segment_id), manifest)
    return segment_entry(store, plan)


def _claim(store: ObjectStore, key: str, rows: int, size: int) -> PartFile:
    """A file that a document describes, and an empty object in its place."""
    store.put(key, b"")
    return PartFile(key=key, sha256=digest(key.encode()), size=size, rows=rows)
