"""Tombstones: which templates of a snapshot's parts no longer count, carried from one snapshot to the next."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.gallery.commits import PartFile, read_part
from facebatch.gallery.contents import content_ids
from facebatch.gallery.earlier_ids import erased_images, models_before
from facebatch.gallery.orders import Order, Orders, read_orders
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.gallery.template_ids import TemplateIds
from facebatch.schemas import TOMBSTONES
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.parquet import read_table, write_table
from facebatch.storage.store import ObjectStore

EXPIRED = "expired"
RETENTION = "retention"
"""Reason and authority of a tombstone that no one ordered."""


@dataclass(frozen=True, slots=True)
class PartChange:
    """Parts with rows that leave and come between two snapshots."""

    left: tuple[PartFile, ...]
    new: tuple[PartFile, ...]


def part_change(head: Snapshot | None, shards: Iterable[ShardEntry]) -> PartChange:
    """From the head's parts to those of `shards`. Pure."""
    before = {shard.templates.sha256: shard.templates for shard in head.shards if shard.templates.rows} if head else {}
    after = {shard.templates.sha256: shard.templates for shard in shards if shard.templates.rows}
    left = tuple(part for sha256, part in before.items() if sha256 not in after)
    return PartChange(left, tuple(part for sha256, part in after.items() if sha256 not in before))


def put_table(store: ObjectStore, table: pa.Table) -> PartFile | None:
    """Store tombstones, in any order, under a name that follows from them. None where there are none."""
    if table.num_rows == 0:
        return None
    data = write_table(table.sort_by("template_id"), kind="tombstones", model=None)
    key = layout.tombstones(digest(data))
    store.put_if_absent(key, data)
    return PartFile(key=key, sha256=digest(data), size=len(data), rows=table.num_rows)


def read_tables(store: ObjectStore, parts: Iterable[PartFile]) -> list[pa.Table]:
    """The stored tables, verified, one per part."""
    return [read_table(read_part(store, part), kind="tombstones", origin=part.key) for part in parts]


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """All rows; empty where there is no table."""
    return pa.concat_tables([TOMBSTONES.empty_table(), *[table.cast(TOMBSTONES) for table in tables]])


def without(table: pa.Table, template_ids: pa.Array) -> pa.Table:
    """The tombstones of other templates."""
    return table.filter(pc.invert(pc.is_in(table["template_id"], value_set=template_ids)))


def carry(store: ObjectStore, head: Snapshot, change: PartChange, ids: TemplateIds) -> list[pa.Table]:
    """The head's tables without the templates that leave; a template that is in a new part as well stays erased."""
    tables = read_tables(store, head.tombstones)
    if not tables or not change.left:
        return tables
    left, new = ids.templates(change.left), ids.templates(change.new)
    gone = left.filter(pc.invert(pc.is_in(left, value_set=new)))
    return [without(table, gone) for table in tables]


def ordered(table: pa.Table, orders: Orders, models: Sequence[str] = ()) -> pa.Table:
    """Tombstones of the templates in `table` (`template_ids.COLUMNS`) that an order names: by id, by subject, by what
    it was made of, or by an id that its image had under one of the other `models`. Pure.
    """
    found: dict[str, tuple[dict[str, str], Order]] = {}
    for row, order in _by_image(table, orders, models):
        (told,) = table.select(["template_id", "subject_id", "image_id"]).slice(row, 1).to_pylist()
        found[told["template_id"]] = (told, order)
    for kind in ("subject", "template"):
        wanted = orders.of(kind)
        if not wanted:
            continue
        column = f"{kind}_id"
        hits = table.filter(pc.is_in(table[column], value_set=pa.array(list(wanted), pa.string())))
        for row in hits.select(["template_id", "subject_id", "image_id"]).to_pylist():
            found[row["template_id"]] = (row, wanted[row[column]])
    rows = [_row(row, order.reason, order.authority, order.at) for row, order in found.values()]
    return pa.Table.from_pylist(rows, schema=TOMBSTONES)


def _by_image(table: pa.Table, orders: Orders, models: Sequence[str]) -> Iterator[tuple[int, Order]]:
    if models and (named := orders.of("template")):
        yield from ((row, named[name]) for row, name in erased_images(table, named, models))
    if same := orders.by_content():
        yield from ((row, same[name]) for row, name in enumerate(content_ids(table)) if name in same)


def expired(table: pa.Table, as_of: date) -> pa.Table:
    """Tombstones of the templates in `table` whose `expires_at` lies before the end of the day `as_of`, UTC. Pure."""
    due = table.filter(pc.less(table["expires_at"], pa.scalar(end_of(as_of), pa.timestamp("us", "UTC"))))
    rows = due.select(["template_id", "subject_id", "image_id"]).to_pylist()
    return pa.Table.from_pylist([_row(row, EXPIRED, RETENTION, start_of(as_of)) for row in rows], schema=TOMBSTONES)


def _row(row: Mapping[str, str], reason: str, authority: str, at: datetime) -> dict[str, object]:
    return {**row, "reason": reason, "authority": authority, "erased_at": at}


def start_of(day: date) -> datetime:
    """00:00 UTC of a day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def end_of(day: date) -> datetime:
    """00:00 UTC of the next day."""
    return start_of(day) + timedelta(days=1)


def put_tables(store: ObjectStore, before: Snapshot | None, tables: Sequence[pa.Table]) -> tuple[PartFile, ...]:
    """Store each table that has rows. One that is as the head has it keeps its file and costs no write."""
    standing = {part.sha256: part for part in before.tombstones} if before else {}
    parts = []
    for table in tables:
        if table.num_rows == 0:
            continue
        data = write_table(table.sort_by("template_id"), kind="tombstones", model=None)
        parts.append(standing.get(digest(data)) or put_table(store, table))
    return tuple(part for part in parts if part is not None)


def after_embed(
    store: ObjectStore, head: Snapshot | None, shards: Sequence[ShardEntry]
) -> tuple[tuple[PartFile, ...], PartFile | None]:
    """Tombstones and orders of the snapshot that follows `head` with these shards, when nothing new is ordered.

    Reads parts only where the head has tombstones or orders, and then only those that leave or come.
    """
    if head is None or not (head.tombstones or head.orders):
        return (), None
    ids = TemplateIds(store, models_before(head, head.model))
    change = part_change(head, shards)
    tables = carry(store, head, change, ids)
    orders = read_orders(store, head.orders)
    known = joined(tables)["template_id"].combine_chunks()
    fresh = [without(ordered(table, orders, ids.models), known) for _, table in ids.each(change.new)]
    return put_tables(store, head, [*tables, joined(fresh)]), head.orders
