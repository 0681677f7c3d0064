"""Tombstones and standing orders over template parts in memory: carried on, never lost, never counted twice."""

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

from facebatch.errors import CorruptError, StopError
from facebatch.gallery import snapshots, template_ids
from facebatch.gallery.commits import PartFile, put_part
from facebatch.gallery.contents import content_ids
from facebatch.gallery.orders import Order, Orders, put_orders, read_orders, with_orders
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.gallery.template_ids import TemplateIds
from facebatch.gallery.tombstones import after_embed, expired, joined, ordered, put_table, read_tables
from facebatch.storage.documents import dump
from facebatch.storage.memory import MemoryStore
from facebatch.storage.parquet import write_table
from synthetic import template_table, unit

DAY = date(2026, 3, 1)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> MemoryStore:
    return MemoryStore(request.node.name)


def order(kind: str, name: str, reason: str = "r") -> Order:
    return Order.model_validate({"kind": kind, "id": name, "reason": reason, "authority": "a", "ordered": DAY})


def part(store: MemoryStore, name: str, subjects: list[str | None], *, expires: datetime | None = None) -> PartFile:
    table = template_table(unit(np.random.default_rng(1).normal(size=(len(subjects), 4))), subjects, prefix=name)
    if expires is not None:
        column = pa.array([expires, *[None] * (len(subjects) - 1)], pa.timestamp("us", "UTC"))
        table = table.set_column(table.schema.get_field_index("expires_at"), "expires_at", column)
    return put_part(
        store,
        f"templates/{name}{len(subjects)}.parquet",
        write_table(table, kind="templates", model="m"),
        len(subjects),
    )


def shard(name: str, templates: PartFile) -> ShardEntry:
    ledger = PartFile(key=name, sha256=name, size=1, rows=1)
    return ShardEntry(
        shard_key=name, shard_uri=name, source="s", images=1, outcomes={}, templates=templates, ledger=ledger
    )


def snapshot(*shards: ShardEntry, **fields: object) -> Snapshot:
    base = {"seq": 1, "parent": None, "run_id": "r", "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
    return Snapshot.model_validate({**base, "model": "m", "model_name": "m", "dim": 4, "shards": shards, **fields})


def erased(store: MemoryStore, tombstones: tuple[PartFile, ...]) -> list[str]:
    return joined(read_tables(store, tombstones))["template_id"].to_pylist()


def test_an_order_names_templates_and_subjects(store: MemoryStore) -> None:
    table = TemplateIds(store).of(part(store, "a", ["x", "y", "x", None]))
    rows = ordered(table, Orders(orders=(order("subject", "x"), order("template", "a000001", "other")))).to_pylist()
    assert {row["template_id"]: row["reason"] for row in rows} == {"a000000": "r", "a000001": "other", "a000002": "r"}
    assert {row["erased_at"] for row in rows} == {datetime(2026, 3, 1, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("expires", "count"),
    [
        (datetime(2026, 3, 1, 23, 59, 59, 999999, UTC), 1),
        (datetime(2026, 3, 2, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, tzinfo=UTC), 1),
    ],
)
def test_a_template_expires_by_the_end_of_its_day(store: MemoryStore, expires: datetime, count: int) -> None:
    rows = expired(TemplateIds(store).of(part(store, "a", ["x", "y"], expires=expires)), DAY)
    assert rows.num_rows == count
    assert rows["authority"].to_pylist() == ["retention"] * count


def test_equal_tombstones_are_one_file(store: MemoryStore) -> None:
    table = TemplateIds(store).of(part(store, "a", ["x", "y", "x"]))
    rows = ordered(table, Orders(orders=(order("subject", "x"),)))
    assert put_table(store, rows) == put_table(store, rows.take([1, 0]))
    assert put_table(store, rows.slice(0, 0)) is None


def test_what_left_takes_its_tombstones_along_and_what_stayed_keeps_its_file(store: MemoryStore) -> None:
    a, b = part(store, "a", ["x", "y"]), part(store, "b", ["x", "z"])
    rows = [ordered(TemplateIds(store).of(p), Orders(orders=(order("subject", "x"),))) for p in (a, b)]
    tables = tuple(found for found in (put_table(store, table) for table in rows) if found)
    head = snapshot(shard("a", a), shard("b", b), tombstones=tables)
    after, _ = after_embed(store, head, [shard("b", b)])
    assert after == (tables[1],)
    assert erased(store, after) == ["b000000"]


def test_a_table_of_which_a_part_left_is_written_anew(store: MemoryStore) -> None:
    a, b = part(store, "a", ["x", "y"]), part(store, "b", ["x", "z"])
    rows = joined([ordered(TemplateIds(store).of(p), Orders(orders=(order("subject", "x"),))) for p in (a, b)])
    table = put_table(store, rows)
    assert table is not None
    after, _ = after_embed(store, snapshot(shard("a", a), shard("b", b), tombstones=(table,)), [shard("b", b)])
    assert erased(store, after) == ["b000000"]


def test_an_erased_template_in_a_shard_that_changed_stays_erased(store: MemoryStore) -> None:
    """Its neighbour changed: the part is another, the template the same."""
    old, new = part(store, "a", ["x", "y"]), part(store, "a", ["x", "y", "w"])
    table = put_table(store, ordered(TemplateIds(store).of(old), Orders(orders=(order("template", "a000000"),))))
    assert table is not None
    after, _ = after_embed(store, snapshot(shard("a", old), tombstones=(table,)), [shard("b", new)])
    assert erased(store, after) == ["a000000"]


def test_a_standing_order_meets_templates_that_come_later(store: MemoryStore) -> None:
    orders = put_orders(store, Orders(orders=(order("subject", "x"),)))
    head = snapshot(shard("a", part(store, "a", ["y"])), orders=orders)
    after, carried = after_embed(store, head, [*head.shards, shard("b", part(store, "b", ["x", "y"]))])
    assert erased(store, after) == ["b000000"]
    assert carried == orders


def test_without_deletions_nothing_is_read(store: MemoryStore) -> None:
    gone = PartFile(key="templates/none", sha256="0", size=1, rows=1)
    assert after_embed(store, snapshot(shard("a", gone)), []) == ((), None)
    assert after_embed(store, None, [shard("a", gone)]) == ((), None)


def test_orders_are_kept_once_and_the_first_stands(store: MemoryStore) -> None:
    first = with_orders(Orders(), [order("subject", "x"), order("template", "t")], "f1")
    both = with_orders(first, [order("subject", "x", "later"), order("subject", "a")], "f2")
    assert [(o.kind, o.id, o.reason) for o in both.orders] == [
        ("subject", "a", "r"),
        ("subject", "x", "r"),
        ("template", "t", "r"),
    ]
    assert both.requests == ("f1", "f2")
    assert read_orders(store, put_orders(store, both)) == both
    assert put_orders(store, Orders()) is None
    assert read_orders(store, None) == Orders()


def test_altered_orders_are_refused(store: MemoryStore) -> None:
    stored = put_orders(store, Orders(requests=("f",)))
    assert stored is not None
    store.put(stored.key, b"{}")
    with pytest.raises(CorruptError, match="orders/"):
        read_orders(store, stored)


def test_another_model_is_refused_where_deletions_name_templates(store: MemoryStore) -> None:
    orders = put_orders(store, Orders(orders=(order("template", "t"),)))
    with pytest.raises(StopError, match="deletions"):
        snapshots.check_one_model(snapshot(orders=orders), "s", "other", "other")


def test_an_order_holds_for_what_it_named_under_another_name(store: MemoryStore) -> None:
    named, other = (TemplateIds(store).of(part(store, name, ["x", "y"])) for name in ("a", "b"))
    renamed = other.set_column(4, "image_sha256", named["image_sha256"])
    contents = tuple(content_ids(named)[:1])
    orders = Orders(orders=(order("template", "a000000").model_copy(update={"contents": contents}),))
    assert ordered(named, orders)["template_id"].to_pylist() == ["a000000"]
    assert ordered(renamed, orders)["template_id"].to_pylist() == ["b000000"]
    assert ordered(other, orders).num_rows == 0
    relabelled = renamed.set_column(1, "subject_id", pa.array(["z", "y"]))
    assert ordered(relabelled, orders).num_rows == 0


def test_what_later_orders_know_of_a_template_is_added_to_the_one_that_stands(store: MemoryStore) -> None:
    first = with_orders(Orders(), [order("template", "t")], "f1", [2, 5])
    again = order("template", "t", "later").model_copy(update={"contents": ("c2", "c1")})
    both = with_orders(with_orders(first, [again], "f2", []), [again], "f3", [0])
    (stands,) = both.orders
    assert (stands.reason, stands.contents) == ("r", ("c1", "c2"))
    assert both.unknown == {"f1": (2, 5), "f3": (0,)}
    assert both.by_content() == {"c1": stands, "c2": stands}
    assert read_orders(store, put_orders(store, both)) == both


def test_orders_without_contents_are_the_bytes_of_earlier_releases() -> None:
    assert dump(with_orders(Orders(), [order("subject", "x")], "f")) == (
        b'{"format_version":1,"orders":[{"authority":"a","id":"x","kind":"subject","ordered":"2026-03-01","reason":"r"}],'
        b'"requests":["f"]}'
    )


def test_parts_beyond_the_room_are_read_again(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [part(store, name, ["x"] * 50) for name in ("a", "b")]
    monkeypatch.setattr(template_ids, "ROOM", TemplateIds(store).of(parts[0]).nbytes)
    ids = TemplateIds(store)
    first = [ids.of(part) for part in parts]
    assert ids.of(parts[0]) is first[0]
    assert ids.of(parts[1]) is not first[1]
    assert ids.of(parts[1]) == first[1]
