"""Deletions and expiry in a reindex: which templates of the next snapshot's parts no longer count, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.errors import ConfigError, StopError
from facebatch.gallery.commits import PartFile
from facebatch.gallery.deletions import Deletion, DeletionRequest
from facebatch.gallery.earlier_ids import inherited, models_before
from facebatch.gallery.orders import Orders, read_orders
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.gallery.template_ids import TemplateIds
from facebatch.gallery.tombstones import (
    carry,
    end_of,
    expired,
    joined,
    ordered,
    part_change,
    read_tables,
    without,
)
from facebatch.index.segment import read_manifest
from facebatch.pipelines.masking import read_members
from facebatch.pipelines.reindex_request import find_named, known_ids, outstanding, unknown_lines, with_request
from facebatch.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be erased besides what was erased before."""

    request: DeletionRequest | None
    as_of: date
    model: str
    """Fingerprint of the run's pack."""
    thorough: bool = False
    """Look into every part, also for what was ordered before; else only where something new can concern it."""
    skew: timedelta | None = None
    """By how much the clock that `as_of` was read from is ahead of the store's; None: not known."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What no search of the next snapshot may find."""

    shards: tuple[ShardEntry, ...]
    """With their next expiry brought up to date."""
    tables: tuple[pa.Table, ...]
    """`schemas.TOMBSTONES`: the head's, without what left, and what is erased now. Not stored yet."""
    orders: Orders
    """Standing ones, those of the request among them. Not stored yet."""
    model: str
    """Fingerprint."""
    fresh: frozenset[str]
    """sha256 of the parts with templates that were not erased in the head, or may not be masked there."""
    deleted: int
    """Templates erased now by a request or a standing order."""
    expired: int
    """Templates erased now because their time is over."""
    unknown: tuple[str, ...]
    """One line per deletion of the request that names nothing in the gallery, or named nothing when it was carried
    out."""

    @property
    def template_ids(self) -> pa.Array:
        """Of all tombstones."""
        return joined(self.tables)["template_id"].combine_chunks()

    @property
    def erased_now(self) -> pa.Table:
        """Tombstones that the head does not have."""
        return self.tables[-1]


def day_of(as_of: date | None) -> date:
    """The day by whose end templates expire. ConfigError for one to come: what is erased does not come back."""
    today = datetime.now(UTC).date()
    if as_of is not None and as_of > today:
        raise ConfigError(f"as_of: {as_of} is after today, {today}; templates would be erased before their time")
    return as_of or today


def erase(
    store: ObjectStore, head: Snapshot | None, shards: Sequence[ShardEntry], wanted: Wanted, ids: TemplateIds
) -> Erasure:
    """Carry the head's tombstones on and add what is due now. Writes nothing; unless it is to be thorough, each part is
    read only where a new order, an order on a new part, or an expiry can concern it.
    """
    before = read_orders(store, head.orders if head else None)
    request = outstanding(wanted.request, before, thorough=wanted.thorough)
    tables = _carried(store, head, shards, wanted, ids)
    known = joined(tables)["template_id"].combine_chunks()
    parts = _to_examine(store, head, shards, request, before, wanted)
    present = find_named(request, parts, ids)
    unknown = unknown_lines(wanted.request, request, before, known_ids(present, before, joined(tables)))
    orders = with_request(before, request, present, wanted.as_of, [number for number, _ in unknown])
    by_order, by_expiry, fresh = [], [], set()
    for part, table in ids.each(parts):
        asked = without(ordered(table, orders, ids.models), known)
        due = without(without(expired(table, wanted.as_of), known), asked["template_id"].combine_chunks())
        by_order.append(asked)
        by_expiry.append(due)
        was_erased = wanted.thorough and pc.any(pc.is_in(table["template_id"], value_set=known)).as_py()
        if asked.num_rows or due.num_rows or was_erased:
            fresh.add(part.sha256)
    after = (*tables, joined([*by_order, *by_expiry]))
    erased = joined(after)["template_id"].combine_chunks()
    return Erasure(
        shards=tuple(
            with_next_expiry(shard, ids, wanted.as_of, erased)
            if is_due(shard, wanted.as_of) or shard.templates.sha256 in fresh
            else shard
            for shard in shards
        ),
        tables=after,
        orders=orders,
        model=wanted.model,
        fresh=frozenset(fresh),
        deleted=sum(table.num_rows for table in by_order),
        expired=sum(table.num_rows for table in by_expiry),
        unknown=tuple(line for _, line in unknown),
    )


def _carried(
    store: ObjectStore, head: Snapshot | None, shards: Sequence[ShardEntry], wanted: Wanted, ids: TemplateIds
) -> list[pa.Table]:
    """The head's tombstones as they hold for these shards. Where they are of another model, all parts are read to tell
    whose images they are of.
    """
    if head is None or head.model == wanted.model:
        return carry(store, head, part_change(head, shards), ids) if head else []
    erased = joined(read_tables(store, head.tombstones))
    parts = [shard.templates for shard in shards if shard.templates.rows and erased.num_rows]
    return [joined([inherited(table, erased, ids.models) for _, table in ids.each(parts)])]


def require_known(unknown: Sequence[str], *, planned: bool = False) -> None:
    """StopError with a line per deletion that named nothing, after all others were carried out, or only `planned`."""
    if unknown:
        count = f"{len(unknown)} deletions name" if len(unknown) > 1 else "1 deletion names"
        others = "would be" if planned else "are"
        raise StopError("\n".join([f"{count} nothing; the others {others} carried out:", *unknown]))


def is_due(shard: ShardEntry, as_of: date) -> bool:
    """Whether a template of the shard may expire by the end of that day and has no tombstone yet."""
    return shard.next_expiry is not None and shard.next_expiry < end_of(as_of)


def _to_examine(
    store: ObjectStore,
    head: Snapshot | None,
    shards: Sequence[ShardEntry],
    request: DeletionRequest | None,
    before: Orders,
    wanted: Wanted,
) -> tuple[PartFile, ...]:
    live = {shard.templates.sha256: shard.templates for shard in shards if shard.templates.rows}
    if wanted.thorough:
        return tuple(live.values())
    due = {shard.templates.sha256 for shard in shards if is_due(shard, wanted.as_of)}
    new = {part.sha256 for part in part_change(head, shards).new} if before.orders or request else set()
    named = _parts_of(store, head, request.deletions, frozenset(live)) if request else frozenset()
    return tuple(part for sha256, part in live.items() if sha256 in due | new | named)


def _parts_of(
    store: ObjectStore, head: Snapshot | None, deletions: Sequence[Deletion], live: frozenset[str]
) -> frozenset[str]:
    """Parts that may hold what a request names: all of them for images, and for templates where these may be of an
    earlier model; else those of the segments that do.
    """
    if head is None or not head.indexed:
        return live
    unlisted = {"image", "template"} if models_before(head, head.model) else {"image"}
    if any(deletion.kind in unlisted for deletion in deletions):
        return live
    found: set[str] = set()
    for segment in head.segments:
        members = read_members(store, segment)
        for kind in ("template", "subject"):
            wanted = pa.array([deletion.id for deletion in deletions if deletion.kind == kind], pa.string())
            if pc.any(pc.is_in(members[f"{kind}_id"], value_set=wanted)).as_py():
                found.update(read_manifest(store, segment).parts)
    return frozenset(found) & live


def with_next_expiry(shard: ShardEntry, ids: TemplateIds, as_of: date, erased: pa.Array) -> ShardEntry:
    """The shard with the earliest expiry after the day of a template that is not erased."""
    if shard.templates.rows == 0:
        return shard.model_copy(update={"next_expiry": None})
    table = ids.of(shard.templates)
    times = table["expires_at"].filter(pc.invert(pc.is_in(table["template_id"], value_set=erased)))
    later = times.filter(pc.greater_equal(times, pa.scalar(end_of(as_of), pa.timestamp("us", "UTC"))))
    return shard.model_copy(update={"next_expiry": pc.min(later).as_py()})
