"""Deletions and expiry in a reindex: which templates of the next snapshot's parts no longer count, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.errors import ConfigError, StopError
from facebatch.gallery.commits import PartFile
from facebatch.gallery.deletions import KINDS, Deletion, DeletionRequest
from facebatch.gallery.earlier_ids import erased_images, inherited, models_before
from facebatch.gallery.orders import Order, Orders, read_orders, with_orders
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
    """One line per deletion of the request that names nothing in the gallery."""

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
    present = _present(request, parts, ids)
    orders = with_orders(before, _named(present, request, wanted.as_of), request.sha256 if request else None)
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
        unknown=_unknown(request, present, before, joined(tables)),
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


def outstanding(request: DeletionRequest | None, before: Orders, *, thorough: bool) -> DeletionRequest | None:
    """What of a request is to be carried out, given the orders that stand; None where nothing is.

    Of one that was carried out before nothing, or if it is to be `thorough` its templates and subjects: some may have
    been enrolled since. Its images stand for the templates that they had, for which there are orders. Pure.
    """
    if request is None or request.sha256 not in before.requests:
        return request
    again = tuple(deletion for deletion in request.deletions if deletion.kind != "image") if thorough else ()
    return replace(request, deletions=again) if again else None


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


def _named(present: Mapping[str, Mapping[str, list[str]]], request: DeletionRequest | None, day: date) -> list[Order]:
    """The request as standing orders. An image stands for the templates it has now."""
    if request is None:
        return []
    orders = []
    for deletion in request.deletions:
        rows = present[deletion.kind].get(deletion.id, ())
        kind = "subject" if deletion.kind == "subject" else "template"
        for name in [deletion.id] if rows and kind == deletion.kind else rows:
            fields = {"reason": deletion.reason, "authority": deletion.authority, "ordered": day}
            orders.append(Order.model_validate({"kind": kind, "id": name, **fields}))
    return orders


def _present(
    request: DeletionRequest | None, parts: Iterable[PartFile], ids: TemplateIds
) -> Mapping[str, Mapping[str, list[str]]]:
    """By kind and id: the templates in these parts that the request names."""
    found: dict[str, dict[str, list[str]]] = {kind: {} for kind in KINDS}
    deletions = request.deletions if request else ()
    wanted = {kind: pa.array([d.id for d in deletions if d.kind == kind], pa.string()) for kind in KINDS}
    for _, table in ids.each(parts):
        for kind in KINDS:
            hits = table.filter(pc.is_in(table[f"{kind}_id"], value_set=wanted[kind]))
            for name, template in zip(hits[f"{kind}_id"].to_pylist(), hits["template_id"].to_pylist(), strict=True):
                found[kind].setdefault(name, []).append(template)
        if ids.models and len(wanted["template"]):
            for row, name in erased_images(table, frozenset(wanted["template"].to_pylist()), ids.models):
                found["template"].setdefault(name, []).append(table["template_id"][row].as_py())
    return found


def _unknown(
    request: DeletionRequest | None, present: Mapping[str, Mapping[str, list[str]]], before: Orders, erased: pa.Table
) -> tuple[str, ...]:
    """Lines that name nothing: neither in the parts, nor erased or ordered before."""
    known = {kind: {*before.of(kind), *erased[f"{kind}_id"].to_pylist(), *present[kind]} for kind in KINDS}
    return tuple(
        f"{deletion.where}: nothing in the gallery has this {deletion.kind} id; check it"
        for deletion in (request.deletions if request else ())
        if deletion.id not in known[deletion.kind]
    )


def with_next_expiry(shard: ShardEntry, ids: TemplateIds, as_of: date, erased: pa.Array) -> ShardEntry:
    """The shard with the earliest expiry after the day of a template that is not erased."""
    if shard.templates.rows == 0:
        return shard.model_copy(update={"next_expiry": None})
    table = ids.of(shard.templates)
    times = table["expires_at"].filter(pc.invert(pc.is_in(table["template_id"], value_set=erased)))
    later = times.filter(pc.greater_equal(times, pa.scalar(end_of(as_of), pa.timestamp("us", "UTC"))))
    return shard.model_copy(update={"next_expiry": pc.min(later).as_py()})
