"""diff: which templates came, went and were embedded anew, read from the parts that differ and no others."""

from uuid import uuid4

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.gallery import snapshots
from facebatch.gallery.changes import Changes, compare
from facebatch.gallery.commits import put_part
from facebatch.gallery.history import ShardChanges
from facebatch.gallery.snapshots import Snapshot
from facebatch.storage.memory import MemoryStore
from facebatch.storage.parquet import read_table, write_table
from gallery.small import Shard, SmallGallery


def changes(gallery: SmallGallery, older: int, newer: int) -> Changes:
    return compare(gallery.store, snapshots.read(gallery.store, older), snapshots.read(gallery.store, newer))


def embed(gallery: SmallGallery, *shards: Shard) -> Snapshot:
    return gallery.embed(*shards, index=False)


def test_shards_that_came_and_went_are_templates_that_came_and_went() -> None:
    gallery = SmallGallery()
    embed(gallery, Shard("a"), Shard("b", 2))
    embed(gallery, Shard("b", 2), Shard("c", 4))
    found = changes(gallery, 1, 2)
    assert (found.added, found.removed, found.re_embedded, found.unchanged) == (4, 3, 0, 2)
    assert found.shards == ShardChanges(added=1, changed=0, removed=1)
    assert found.ids.added == tuple(Shard("c", 4).template_ids)
    assert found.ids.removed == tuple(Shard("a").template_ids)
    back = changes(gallery, 2, 1)
    assert (back.ids.added, back.ids.removed) == (found.ids.removed, found.ids.added)


def test_parts_that_both_list_are_not_read() -> None:
    read: list[str] = []

    class Counting(MemoryStore):
        def get(self, key: str, **checks: object) -> bytes:
            read.append(key)
            return super().get(key, **checks)

    gallery = SmallGallery(Counting(uuid4().hex))
    embed(gallery, *(Shard(name) for name in "abcdefgh"))
    embed(gallery, *(Shard(name) for name in "abcdefg"), Shard("h", version=1))
    older, newer = snapshots.read(gallery.store, 1), snapshots.read(gallery.store, 2)
    read.clear()
    found = compare(gallery.store, older, newer)
    assert (found.parts_read, found.parts) == (2, 9)
    assert sorted(read) == sorted([older.shards[-1].templates.key, newer.shards[-1].templates.key])


def test_the_same_id_with_another_vector_is_re_embedded_and_with_the_same_one_unchanged() -> None:
    gallery = SmallGallery()
    embed(gallery, Shard("a", 3))
    embed(gallery, Shard("a", 4, version=1))
    found = changes(gallery, 1, 2)
    assert (found.added, found.removed, found.re_embedded, found.unchanged) == (1, 0, 3, 0)
    assert found.ids.added == ("a000003",)
    assert found.ids.re_embedded == tuple(Shard("a", 3).template_ids)
    assert found.shards.changed == 1
    embed(gallery, Shard("a", 5, version=1))
    grown = changes(gallery, 2, 3)
    assert (grown.added, grown.re_embedded, grown.unchanged) == (1, 0, 4)


def test_another_id_for_the_same_face_of_the_same_image_is_re_embedded() -> None:
    gallery = SmallGallery()
    embed(gallery, Shard("a"))
    head = gallery.head
    shard = head.shards[0]
    table = read_table(gallery.store.get(shard.templates.key), kind="templates", origin="")
    ids = pa.array(["new0", "new1", "a000002"], pa.string())
    table = table.set_column(0, table.schema.field(0), ids)
    part = put_part(gallery.store, "templates/x-y.parquet", write_table(table, kind="templates", model="0" * 64), 3)
    gallery.publish(head.model_copy(update={"seq": 2, "shards": (shard.model_copy(update={"templates": part}),)}))
    found = changes(gallery, 1, 2)
    assert (found.added, found.removed, found.unchanged) == (0, 0, 1)
    assert found.ids.re_embedded == ("new0", "new1")


def test_tombstones_remove_and_their_end_brings_back_without_reading_parts() -> None:
    gallery = SmallGallery()
    embed(gallery, Shard("a"), Shard("b"))
    gallery.erase("a000001", "b000000")
    erased = changes(gallery, 1, 2)
    assert (erased.removed, erased.erased, erased.parts_read) == (2, 2, 0)
    assert erased.ids.removed == ("a000001", "b000000")
    back = changes(gallery, 2, 1)
    assert (back.added, back.removed, back.ids.added) == (2, 0, ("a000001", "b000000"))


def test_a_template_that_is_purged_after_its_tombstone_is_gone_once() -> None:
    gallery = SmallGallery()
    embed(gallery, Shard("a"), Shard("b"))
    gallery.erase("b000000")
    gallery.publish(
        gallery.head.model_copy(update={"seq": 3, "tombstones": (), "shards": gallery.head.shards[:1]}),
    )
    assert changes(gallery, 1, 2).removed == 1
    purged = changes(gallery, 2, 3)
    assert purged.ids.removed == ("b000001", "b000002")
    assert changes(gallery, 1, 3).removed == 3


def test_another_model_is_told() -> None:
    gallery = SmallGallery()
    embed(gallery, Shard("a"))
    embed(gallery, Shard("a", version=1, model="1" * 64))
    found = changes(gallery, 1, 2)
    assert (found.same_model, found.re_embedded) == (False, 3)
    assert changes(gallery, 1, 1).same_model


SHARDS = st.dictionaries(st.sampled_from("abc"), st.tuples(st.integers(1, 3), st.integers(0, 1)), min_size=1)


@settings(max_examples=40, deadline=None)
@given(SHARDS, SHARDS, st.sets(st.sampled_from(["a000000", "b000001", "c000002"])))
def test_it_agrees_with_comparing_all_templates(before: dict, after: dict, erased: set[str]) -> None:
    gallery = SmallGallery()
    embed(gallery, *(Shard(name, *shape) for name, shape in before.items()))
    embed(gallery, *(Shard(name, *shape) for name, shape in after.items()))
    alive = _templates(after)
    gone = sorted(erased & alive.keys())
    if gone:
        gallery.erase(*gone)
    alive = {name: vector for name, vector in alive.items() if name not in erased}
    old = _templates(before)
    found = compare(gallery.store, snapshots.read(gallery.store, 1), gallery.head)
    same = old.keys() & alive.keys()
    assert set(found.ids.added) == alive.keys() - old.keys()
    assert set(found.ids.removed) == old.keys() - alive.keys()
    assert set(found.ids.re_embedded) == {name for name in same if old[name] != alive[name]}
    assert found.unchanged == sum(old[name] == alive[name] for name in same)


def _templates(shards: dict[str, tuple[int, int]]) -> dict[str, bytes]:
    found = {}
    for name, shape in shards.items():
        table = Shard(name, *shape).table()
        vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
        found |= {key: row.tobytes() for key, row in zip(table["template_id"].to_pylist(), vectors, strict=True)}
    return found
