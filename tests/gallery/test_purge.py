"""purge: the erased rows are nowhere in the new parts, everything else is as it was."""

import numpy as np
import pyarrow as pa
import pytest

from facebatch.gallery.commits import PartFile, put_part, read_part
from facebatch.gallery.purge import purge
from facebatch.gallery.snapshots import ShardEntry
from facebatch.schemas import LEDGER
from facebatch.storage.memory import MemoryStore
from facebatch.storage.parquet import read_table, read_templates, write_table
from synthetic import template_table, unit


@pytest.fixture
def store(request: pytest.FixtureRequest) -> MemoryStore:
    return MemoryStore(request.node.name)


def shard(store: MemoryStore, images: list[str]) -> ShardEntry:
    """One template per entry; equal entries are faces of one image."""
    table = template_table(unit(np.random.default_rng(2).normal(size=(len(images), 4))), [None] * len(images))
    table = table.set_column(table.schema.get_field_index("image_id"), table.schema.field("image_id"), [images])
    rows = [
        {
            "image_id": image,
            "member": f"{image}.jpg",
            "image_sha256": "0" * 64,
            "outcome": "ok",
            "reason": None,
            "faces_found": 3,
            "faces_kept": images.count(image),
            "rejected": [{"box": [0.0, 0.0, 9.0, 9.0], "reason": "too_small"}],
            "width": 640,
            "height": 480,
        }
        for image in sorted(set(images))
    ]

    def put(kind: str, content: pa.Table) -> PartFile:
        data = write_table(content, kind=kind, model="m")
        return put_part(store, f"{kind}/k-first.parquet", data, content.num_rows)

    templates, ledger = put("templates", table), put("ledger", pa.Table.from_pylist(rows, schema=LEDGER))
    return ShardEntry(
        shard_key="k",
        shard_uri="u",
        source="s",
        images=len(rows),
        outcomes={"ok": len(rows)},
        templates=templates,
        ledger=ledger,
    )


def ledger(store: MemoryStore, entry: ShardEntry) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = read_table(read_part(store, entry.ledger), kind="ledger", origin="l").to_pylist()
    return rows


def test_the_rows_are_gone_and_the_others_are_the_same_bytes(store: MemoryStore) -> None:
    before = shard(store, ["a", "b", "b", "c"])
    after = purge(store, before, pa.array(["t000000", "t000001"]), "m")
    old, new = (read_templates(read_part(store, e.templates), "t") for e in (before, after))
    assert new.equals(old.slice(2))
    assert after.templates.rows == 2
    assert (after.images, after.outcomes, after.shard_key) == (before.images, before.outcomes, before.shard_key)


def test_the_ledger_keeps_counts_and_loses_the_image(store: MemoryStore) -> None:
    before = shard(store, ["a", "b", "b", "c"])
    after = purge(store, before, pa.array(["t000000", "t000001"]), "m")
    first, *others = ledger(store, after)
    assert others == ledger(store, before)[1:]
    assert first == {
        "image_id": "",
        "member": "",
        "image_sha256": None,
        "outcome": "ok",
        "reason": "erased",
        "faces_found": 3,
        "faces_kept": 1,
        "rejected": [],
        "width": None,
        "height": None,
    }


def test_purging_again_writes_the_same_objects(store: MemoryStore) -> None:
    before = shard(store, ["a", "b"])
    ids = pa.array(["t000001"])
    assert purge(store, before, ids, "m") == purge(store, before, ids, "m")
    assert purge(store, before, pa.array(["elsewhere"]), "m") is before


def test_a_shard_may_lose_all(store: MemoryStore) -> None:
    after = purge(store, shard(store, ["a"]), pa.array(["t000000"]), "m")
    assert after.templates.rows == 0
    assert [row["image_id"] for row in ledger(store, after)] == [""]


def test_what_expires_next_is_of_the_rows_that_are_left(store: MemoryStore) -> None:
    before = shard(store, ["a", "b"])
    assert before.next_expiry is not None
    assert purge(store, before, pa.array(["t000000"]), "m").next_expiry is None
