"""expire --verify: scan what is stored for templates that must be gone, and write nothing.

Must be gone: what a tombstone, a standing order or the given request names, and what has expired; but not what the head
lists again without a tombstone, as an image that came back with a later day, unless an order or the request names it.
Tombstones and orders hold ids as the record of that, and timings those of images; they are no finds. Results of
searches are looked at by `expire_searches`, for what is due there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.errors import NotFoundError
from facebatch.gallery import snapshots
from facebatch.gallery.deletions import DeletionRequest
from facebatch.gallery.history import numbers
from facebatch.gallery.snapshots import Snapshot
from facebatch.pipelines.expire_finds import (
    ExpireVerification,
    Loose,
    OlderSnapshot,
    of_ledgers,
    of_segments,
    of_templates,
    remedies,
)
from facebatch.pipelines.expire_scan import (
    Gone,
    SegmentScan,
    ShardScan,
    read_gone,
    scan_members,
    scan_part,
    scan_segment,
    scan_shard,
)
from facebatch.pipelines.gallery_collect import held_snapshots
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import Progress

READ_AT_ONCE = 4
"""Files in memory at a time: a template part with its ledger, or the members of a segment."""

ItemT = TypeVar("ItemT")
ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class PartScans:
    """What was found in all template parts that are stored."""

    shards: Sequence[ShardScan]
    """Of the head."""
    rows: Mapping[str, int]
    """Rows that must be gone, by key of the part."""
    ids: pa.Array
    """Their templates, and those that are named."""


@dataclass(frozen=True, slots=True)
class SegmentScans:
    """What was found in all segments that are stored."""

    live: Sequence[SegmentScan]
    """Of the head."""
    rows: Mapping[str, int]
    """Rows that must be gone, by segment id."""
    unfinished: int


def run(store: ObjectStore, request: DeletionRequest | None, as_of: date, progress: Progress) -> ExpireVerification:
    """Read every template part that is stored, the head's ledgers, and the members of every segment.

    Takes the memory of READ_AT_ONCE files, and the ids of what is found. NotFoundError for a gallery without a
    snapshot, CorruptError for a file that cannot be read: what it holds is unknown then.
    """
    head = snapshots.require_head(store)
    gone = read_gone(store, head, request, as_of)
    parts = _scan_parts(store, head, gone, progress)
    segments = _scan_segments(store, head, parts.ids, gone, progress)
    older, loose = _elsewhere(store, head, parts, segments)
    templates, ledgers = of_templates(store.uri, parts.shards), of_ledgers(store.uri, parts.shards)
    members = of_segments(store.uri, segments.live)
    found = (templates, ledgers, members)
    replaced = sum(scan.others for scan in segments.live)
    waiting = templates[0].waiting + members[0].waiting + replaced
    return ExpireVerification(
        snapshot=head.seq,
        as_of=as_of,
        named=gone.named,
        templates=templates[0],
        ledgers=ledgers[0],
        segments=members[0],
        replaced_rows=replaced,
        leftovers=tuple(leftover for _, leftovers in found for leftover in leftovers),
        older=older,
        loose=loose,
        remedies=remedies(head, waiting, older, loose),
    )


def _scan_parts(store: ObjectStore, head: Snapshot, gone: Gone, progress: Progress) -> PartScans:
    """Other files than the head's first: what has expired there, or was erased once, may be live again in the head."""
    own = {shard.templates.key for shard in head.shards}
    others = [info.key for info in store.list(layout.TEMPLATES) if info.key not in own]
    found = _each(lambda key: scan_part(store, key, gone), others, "older template parts", progress)
    doubtful = _union([gone.once, *found])
    shards = _each(lambda shard: scan_shard(store, shard, gone, doubtful), head.shards, "shards", progress)
    excused = _union(scan.excused for scan in shards)
    rows = {key: len(_without(ids, excused)) for key, ids in zip(others, found, strict=True)}
    rows.update((scan.shard.templates.key, len(scan.ids)) for scan in shards)
    ids = _union([gone.templates, _without(doubtful, excused), *(scan.ids for scan in shards)])
    return PartScans(shards, rows, ids)


def _scan_segments(store: ObjectStore, head: Snapshot, ids: pa.Array, gone: Gone, progress: Progress) -> SegmentScans:
    live = _each(lambda segment: scan_segment(store, segment, ids, gone), head.segments, "segments", progress)
    rows = {scan.segment_id: scan.searchable + scan.waiting for scan in live}
    keys = {info.key for info in store.list(layout.SEGMENTS)}
    others = sorted({layout.segment_id(key) for key in keys} - rows.keys())
    whole = [segment_id for segment_id in others if layout.segment_manifest(segment_id) in keys]
    found = _each(lambda segment_id: scan_members(store, segment_id, ids, gone), whole, "older segments", progress)
    rows.update(zip(whole, found, strict=True))
    return SegmentScans(live, rows, len(others) - len(whole))


def _each(scan: Callable[[ItemT], ValueT], items: Sequence[ItemT], unit: str, progress: Progress) -> list[ValueT]:
    """What a scan says of each item, in their order."""
    found: list[ValueT] = []
    if not items:
        return found
    with (
        ThreadPoolExecutor(READ_AT_ONCE, thread_name_prefix="verify") as pool,
        progress.stage("verify", total=len(items), unit=unit) as stage,
    ):
        for value in pool.map(scan, items):
            found.append(value)
            stage.advance()
    return found


def _elsewhere(
    store: ObjectStore, head: Snapshot, parts: PartScans, segments: SegmentScans
) -> tuple[tuple[OlderSnapshot, ...], Loose]:
    """The snapshots before the head whose files hold finds, and the finds that no snapshot refers to."""
    held = held_snapshots(store)
    named_parts: set[str] = set()
    named_segments: set[str] = set()
    older = []
    for seq in numbers(store):
        snapshot = _read(store, seq)
        if snapshot is None:
            continue
        own_parts = {shard.templates.key for shard in snapshot.shards}
        own_segments = {segment.segment_id for segment in snapshot.segments}
        named_parts |= own_parts
        named_segments |= own_segments
        rows = (_sum(parts.rows, own_parts), _sum(segments.rows, own_segments))
        if seq < head.seq and any(rows):
            older.append(OlderSnapshot(seq, snapshot.created_at, *rows, held.get(seq)))
    loose = Loose(
        template_rows=_sum(parts.rows, parts.rows.keys() - named_parts),
        segment_rows=_sum(segments.rows, segments.rows.keys() - named_segments),
        unfinished=segments.unfinished,
    )
    return tuple(older), loose


def _read(store: ObjectStore, seq: int) -> Snapshot | None:
    """A snapshot; None when it was just collected."""
    try:
        return snapshots.read(store, seq)
    except NotFoundError:
        return None


def _sum(rows: Mapping[str, int], keys: Iterable[str]) -> int:
    return sum(rows.get(key, 0) for key in keys)


def _union(ids: Iterable[pa.Array]) -> pa.Array:
    return pc.unique(pa.concat_arrays([pa.array([], pa.string()), *ids]))


def _without(ids: pa.Array, others: pa.Array) -> pa.Array:
    return ids.filter(pc.invert(pc.is_in(ids, value_set=others)))
