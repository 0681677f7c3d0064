"""gallery show: one snapshot, what is in it and what it takes. Reads the manifests of its segments, and parts only to
tell whose the tombstones are.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.gallery import history, snapshots
from facebatch.gallery.commits import PartFile, read_part
from facebatch.gallery.history import Entry
from facebatch.gallery.pins import read_pins
from facebatch.gallery.references import parts_of
from facebatch.gallery.snapshots import SegmentEntry, ShardEntry, Snapshot
from facebatch.gallery.tombstones import joined, read_tables
from facebatch.index.segment import read_manifest
from facebatch.storage.parquet import read_table
from facebatch.storage.store import ObjectStore

READ_AT_ONCE = 8
"""Template parts in memory at a time."""


@dataclass(frozen=True, slots=True)
class SourceShare:
    """What one source contributes."""

    source: str
    shards: int
    images: int
    templates: int
    """Live ones."""
    tombstones: int
    """Its templates that are erased and not purged yet."""


@dataclass(frozen=True, slots=True)
class SegmentShare:
    """One segment."""

    segment_id: str
    kind: str
    rows: int
    live_rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One snapshot."""

    entry: Entry
    content_sha256: str
    dim: int
    outcomes: dict[str, int]
    """Images by outcome."""
    sources: tuple[SourceShare, ...]
    segments: tuple[SegmentShare, ...]
    bytes: dict[str, int]
    """By kind, of what the snapshot and its segments' manifests name; commits and timings are not counted."""


def run(store: ObjectStore, seq: int | None) -> Shown:
    """Show a snapshot, the head where no number is given. NotFoundError when there is none."""
    stored = history.require_numbers(store)
    snapshot = snapshots.read(store, stored[-1] if seq is None else seq)
    parent = snapshots.read(store, snapshot.parent) if snapshot.parent in stored else None
    pins = [pin.name for pin in read_pins(store) if pin.snapshot == snapshot.seq]
    files = {segment: list(parts_of(read_manifest(store, segment))) for segment in snapshot.segments}
    return Shown(
        entry=history.describe(snapshot, parent, is_head=snapshot.seq == stored[-1], pins=pins),
        content_sha256=snapshot.content_sha256,
        dim=snapshot.dim,
        outcomes=_outcomes(snapshot),
        sources=_sources(snapshot, _erased(store, snapshot)),
        segments=tuple(_share(segment, parts) for segment, parts in files.items()),
        bytes=_bytes([*parts_of(snapshot), *(part for parts in files.values() for part in parts)]),
    )


def _outcomes(snapshot: Snapshot) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for shard in snapshot.shards:
        counts.update(shard.outcomes)
    return dict(sorted(counts.items()))


def _erased(store: ObjectStore, snapshot: Snapshot) -> dict[str, int]:
    """Tombstones by source, without sources that have none. Those of a single source are all its own; of several, the
    template parts of all but the largest are read, smallest source first, until the owner of each is known.
    """
    parts: dict[str, list[PartFile]] = {}
    for shard in snapshot.shards:
        parts.setdefault(shard.source, []).append(shard.templates)
    by_size = sorted(parts, key=lambda source: sum(part.rows for part in parts[source]))
    tables = read_tables(store, snapshot.tombstones) if len(parts) > 1 else []
    names = joined(tables)["template_id"].combine_chunks()
    left = sum(part.rows for part in snapshot.tombstones)
    found: dict[str, int] = {}
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        for source in by_size:
            if left:
                is_last = source == by_size[-1]
                count = left if is_last else sum(pool.map(lambda part: _among(store, part, names), parts[source]))
                left -= count
                found[source] = count
    return {source: count for source, count in found.items() if count}


def _among(store: ObjectStore, part: PartFile, template_ids: pa.Array) -> int:
    """How many templates of a part have one of these ids."""
    ids = read_table(read_part(store, part), kind="templates", origin=part.key)["template_id"]
    return int(pc.sum(pc.is_in(ids, value_set=template_ids)).as_py() or 0)


def _sources(snapshot: Snapshot, erased: Mapping[str, int]) -> tuple[SourceShare, ...]:
    own: dict[str, list[ShardEntry]] = {}
    for shard in snapshot.shards:
        own.setdefault(shard.source, []).append(shard)
    return tuple(
        SourceShare(
            source=source,
            shards=len(shards),
            images=sum(shard.images for shard in shards),
            templates=sum(shard.templates.rows for shard in shards) - erased.get(source, 0),
            tombstones=erased.get(source, 0),
        )
        for source, shards in own.items()
    )


def _share(segment: SegmentEntry, parts: Iterable[PartFile]) -> SegmentShare:
    size = sum(part.size for part in parts)
    return SegmentShare(segment.segment_id, segment.kind, segment.rows, segment.live_rows, size)


def _bytes(parts: Iterable[PartFile]) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    for part in parts:
        sizes[part.key.partition("/")[0]] += part.size
    return dict(sorted(sizes.items()))
