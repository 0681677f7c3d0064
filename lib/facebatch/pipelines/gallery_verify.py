"""gallery verify: read all that snapshots refer to, each object once, and tell every fault."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from facebatch.errors import NotFoundError
from facebatch.gallery import coverage, snapshots, verify
from facebatch.gallery.coverage import SegmentRows
from facebatch.gallery.history import require_numbers
from facebatch.gallery.masks import read_live
from facebatch.gallery.orders import read_orders
from facebatch.gallery.pins import read_pins
from facebatch.gallery.row_digests import RowDigests, digest_ids
from facebatch.gallery.snapshots import SegmentEntry, ShardEntry, Snapshot
from facebatch.gallery.verify import Fault, Faults
from facebatch.pipelines.gallery_segments import check_segment
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import Progress

READ_AT_ONCE = 8
"""Shards verified side by side; each takes the memory of one template part."""


Rows = Mapping[str, RowDigests | None]


@dataclass(frozen=True, slots=True)
class Verification:
    """What was verified, and what is wrong with it."""

    snapshots: tuple[int, ...]
    shards: int
    """Distinct ones; what several snapshots share is read once."""
    segments: int
    templates: int
    """In these shards."""
    faults: tuple[Fault, ...]
    not_compared: tuple[int, ...]
    """Snapshots whose segments were not compared with their templates, because one of these cannot be read."""


def run(store: ObjectStore, seqs: Sequence[int], progress: Progress) -> Verification:
    """Verify these snapshots; the newest one where none is named. Takes 16 bytes of memory per template and row.

    NotFoundError for a number that was never there; an unavailable store is raised too. All else is a fault.
    """
    stored = require_numbers(store)
    absent = sorted(set(seqs) - set(stored))
    if absent:
        raise NotFoundError(f"{store.uri} has no snapshot {absent[0]}; `facebatch gallery log` lists those it has")
    faults = Faults(store.uri)
    _check_pins(store, faults, stored)
    chosen = list(_readable(store, faults, seqs or stored[-1:]))
    shards = _check_shards(store, faults, chosen, progress)
    segments = _check_segments(store, faults, chosen, progress)
    compared = [snapshot.seq for snapshot in chosen if _compare(store, faults, snapshot, shards, segments)]
    return Verification(
        snapshots=tuple(seqs or stored[-1:]),
        shards=len(shards),
        segments=len(segments),
        templates=sum(len(rows.ids) for rows in shards.values() if rows is not None),
        faults=tuple(dict.fromkeys(faults.found)),
        not_compared=tuple(snapshot.seq for snapshot in chosen if snapshot.seq not in compared),
    )


def _check_pins(store: ObjectStore, faults: Faults, stored: Sequence[int]) -> None:
    with faults.noting(layout.PINS):
        for pin in read_pins(store):
            remedy = f"run `facebatch gallery unpin {pin.name}`"
            faults.require(
                pin.snapshot in stored, layout.pin(pin.name), f"pins snapshot {pin.snapshot}, which is gone; {remedy}"
            )


def _readable(store: ObjectStore, faults: Faults, seqs: Sequence[int]) -> Iterator[Snapshot]:
    for seq in seqs:
        key = layout.snapshot(seq)
        with faults.noting(key):
            snapshot = snapshots.read(store, seq)
            faults.require(snapshot.seq == seq, key, f"says that it is snapshot {snapshot.seq}; restore it")
            yield snapshot


def _check_shards(
    store: ObjectStore, faults: Faults, chosen: Sequence[Snapshot], progress: Progress
) -> dict[str, RowDigests | None]:
    """Rows of each distinct shard, by its line in the snapshot; None where they cannot be read."""
    first: dict[str, tuple[Snapshot, ShardEntry]] = {}
    for snapshot in chosen:
        for shard in snapshot.shards:
            first.setdefault(_line(snapshot, shard), (snapshot, shard))
    found = {}
    with (
        ThreadPoolExecutor(READ_AT_ONCE) as pool,
        progress.stage("verify", total=len(first), unit="shards") as stage,
    ):
        checks = pool.map(lambda pair: verify.check_shard(store, *pair), first.values())
        for line, checked in zip(first, checks, strict=True):
            faults.found += checked.faults
            found[line] = checked.rows
            stage.advance()
    return found


def _check_segments(
    store: ObjectStore, faults: Faults, chosen: Sequence[Snapshot], progress: Progress
) -> dict[str, RowDigests | None]:
    """All rows of each distinct segment, by its manifest's digest; None where they cannot be read."""
    first: dict[str, tuple[Snapshot, SegmentEntry]] = {}
    for snapshot in chosen:
        for segment in snapshot.segments:
            first.setdefault(segment.manifest_sha256, (snapshot, segment))
    found = {}
    if first:
        with progress.stage("verify", total=len(first), unit="segments") as stage:
            for sha256, pair in first.items():
                problems, found[sha256] = check_segment(store, *pair)
                faults.found += problems
                stage.advance()
    return found


def _compare(store: ObjectStore, faults: Faults, snapshot: Snapshot, shards: Rows, segments: Rows) -> bool:
    """Whether templates, tombstones and segments of a snapshot could all be read; what differs is noted."""
    if snapshot.orders is not None:
        with faults.noting(snapshot.orders.key):
            read_orders(store, snapshot.orders)
    erased = verify.check_tombstones(store, faults, snapshot.tombstones)
    parts = {shard.templates.key: shards[_line(snapshot, shard)] for shard in snapshot.shards}
    rows = [_live_rows(store, faults, segment, segments[segment.manifest_sha256]) for segment in snapshot.segments]
    known = {key: part for key, part in parts.items() if part is not None}
    readable = [segment for segment in rows if segment is not None]
    if erased is None or len(known) < len(parts) or len(readable) < len(rows):
        return False
    live = coverage.check_templates(faults, snapshot, known, digest_ids(erased["template_id"]))
    if snapshot.segments:
        coverage.check_segments(faults, snapshot, live, readable)
    return True


def _live_rows(
    store: ObjectStore, faults: Faults, segment: SegmentEntry, rows: RowDigests | None
) -> SegmentRows | None:
    key = segment.dead.key if segment.dead else layout.segment_manifest(segment.segment_id)
    with faults.noting(key):
        live = read_live(store, segment)
        if rows is None:
            return None
        if live is None:
            return SegmentRows(segment.segment_id, rows)
        return SegmentRows(segment.segment_id, RowDigests(rows.ids[live], rows.vectors[live]))
    return None


def _line(snapshot: Snapshot, shard: ShardEntry) -> str:
    """What a shard was verified against, as one string."""
    return f"{snapshot.model} {shard.model_dump_json()}"
