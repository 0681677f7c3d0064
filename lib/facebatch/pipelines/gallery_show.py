"""gallery show: one snapshot, what is in it and what it takes. Reads the manifests of its segments, and no part."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from facebatch.gallery import history, snapshots
from facebatch.gallery.commits import PartFile
from facebatch.gallery.history import Entry
from facebatch.gallery.pins import read_pins
from facebatch.gallery.references import parts_of
from facebatch.gallery.snapshots import SegmentEntry, Snapshot
from facebatch.index.segment import read_manifest
from facebatch.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class SourceShare:
    """What one source contributes."""

    source: str
    shards: int
    images: int
    templates: int
    """In its parts, erased ones too."""


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
        sources=_sources(snapshot),
        segments=tuple(_share(segment, parts) for segment, parts in files.items()),
        bytes=_bytes([*parts_of(snapshot), *(part for parts in files.values() for part in parts)]),
    )


def _outcomes(snapshot: Snapshot) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for shard in snapshot.shards:
        counts.update(shard.outcomes)
    return dict(sorted(counts.items()))


def _sources(snapshot: Snapshot) -> tuple[SourceShare, ...]:
    found: dict[str, SourceShare] = {}
    for shard in snapshot.shards:
        before = found.get(shard.source, SourceShare(shard.source, 0, 0, 0))
        found[shard.source] = SourceShare(
            source=shard.source,
            shards=before.shards + 1,
            images=before.images + shard.images,
            templates=before.templates + shard.templates.rows,
        )
    return tuple(found.values())


def _share(segment: SegmentEntry, parts: Iterable[PartFile]) -> SegmentShare:
    size = sum(part.size for part in parts)
    return SegmentShare(segment.segment_id, segment.kind, segment.rows, segment.live_rows, size)


def _bytes(parts: Iterable[PartFile]) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    for part in parts:
        sizes[part.key.partition("/")[0]] += part.size
    return dict(sorted(sizes.items()))
