"""The history of a gallery: its snapshots, newest first, each beside the one it came from."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from facebatch.gallery import snapshots
from facebatch.gallery.figures import GateFigure
from facebatch.gallery.pins import read_pins
from facebatch.gallery.snapshots import Snapshot
from facebatch.gallery.verdicts import Verdict, verdict_of
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore

READ_AT_ONCE = 16
"""Snapshots read side by side."""


@dataclass(frozen=True, slots=True)
class ShardChanges:
    """Shards of a snapshot against those of its parent, by source and shard URI."""

    added: int
    changed: int
    """Its templates lie in another part."""
    removed: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One snapshot in the log."""

    seq: int
    is_head: bool
    pins: tuple[str, ...]
    """Names under which it is pinned."""
    run_id: str
    created_at: datetime
    """Aware UTC."""
    parent: int | None
    model_name: str
    model: str
    """Fingerprint."""
    images: int
    templates: int
    """Live ones."""
    templates_change: int | None
    """Against the parent; None when that is gone. A first snapshot is compared with nothing."""
    shards: int
    shard_changes: ShardChanges | None
    segments: int
    is_indexed: bool
    tombstones: int
    """Erased templates that are still in their parts."""
    restates: int | None
    reason: str | None
    verdict: Verdict | None
    """Of the last evaluation of its model; None where there is none."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the gates of one snapshot measured."""

    seq: int
    at: datetime
    """Aware UTC."""
    gates: tuple[GateFigure, ...]


def numbers(store: ObjectStore) -> list[int]:
    """Numbers of all snapshots, ascending."""
    return [layout.snapshot_seq(info.key) for info in store.list(layout.SNAPSHOTS)]


def require_numbers(store: ObjectStore) -> list[int]:
    """The same; NotFoundError saying what to run first when there is none."""
    found = numbers(store)
    if not found:
        raise snapshots.no_snapshot(store)
    return found


def require_gallery(store: ObjectStore) -> None:
    """The same NotFoundError where there is neither a snapshot nor anything of an audit chain."""
    if next(iter(store.list(layout.AUDIT)), None) is None:
        require_numbers(store)


def measured(store: ObjectStore, last: int, most: int) -> list[Measured]:
    """Figures of the latest `most` snapshots up to number `last`, oldest first; rollbacks, which restate figures, are
    left out. Fetches these documents whole and keeps little of them.
    """
    latest = [seq for seq in numbers(store) if seq <= last][-most:]
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        found = list(pool.map(lambda seq: _measured(store, seq), latest))
    return [night for night in found if night is not None]


def _measured(store: ObjectStore, seq: int) -> Measured | None:
    snapshot = snapshots.read_figures(store, seq)
    return Measured(seq, snapshot.created_at, snapshot.gates) if snapshot.restates is None else None


def log(store: ObjectStore, limit: int) -> Iterator[Entry]:
    """The newest `limit` snapshots, newest first, all where `limit` is 0. Reads each document once."""
    stored = require_numbers(store)
    pins: dict[int, list[str]] = {}
    for pin in read_pins(store):
        pins.setdefault(pin.snapshot, []).append(pin.name)
    parent: Snapshot | None = None
    for seq in reversed(stored[-limit:] if limit else stored):
        snapshot = parent if parent is not None and parent.seq == seq else snapshots.read(store, seq)
        parent = snapshots.read(store, snapshot.parent) if snapshot.parent in stored else None
        yield describe(snapshot, parent, is_head=seq == stored[-1], pins=pins.get(seq, ()))


def describe(snapshot: Snapshot, parent: Snapshot | None, *, is_head: bool, pins: Sequence[str]) -> Entry:
    """A snapshot beside its parent, None where there is none or it was deleted. Pure."""
    is_known = parent is not None or snapshot.parent is None
    return Entry(
        seq=snapshot.seq,
        is_head=is_head,
        pins=tuple(pins),
        run_id=snapshot.run_id,
        created_at=snapshot.created_at,
        parent=snapshot.parent,
        model_name=snapshot.model_name,
        model=snapshot.model,
        images=snapshot.images,
        templates=snapshot.templates,
        templates_change=snapshot.templates - (parent.templates if parent else 0) if is_known else None,
        shards=len(snapshot.shards),
        shard_changes=compare_shards(parent, snapshot) if is_known else None,
        segments=len(snapshot.segments),
        is_indexed=bool(snapshot.segments) and snapshot.indexed,
        tombstones=sum(part.rows for part in snapshot.tombstones),
        restates=snapshot.restates,
        reason=snapshot.reason,
        verdict=verdict_of(snapshot, parent),
    )


def compare_shards(older: Snapshot | None, newer: Snapshot) -> ShardChanges:
    """Which shards came, went, and were embedded anew. Pure."""
    before = {(s.source, s.shard_uri): s.templates.sha256 for s in older.shards} if older else {}
    after = {(s.source, s.shard_uri): s.templates.sha256 for s in newer.shards}
    return ShardChanges(
        added=len(after.keys() - before.keys()),
        changed=sum(before[name] != after[name] for name in before.keys() & after.keys()),
        removed=len(before.keys() - after.keys()),
    )
