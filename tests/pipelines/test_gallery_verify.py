"""gallery verify: a sound gallery has no fault; one byte changed in, cut from or missing of any object is named."""

import functools
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest

from facebatch.errors import NotFoundError, RetryableError
from facebatch.gallery import snapshots
from facebatch.gallery.commits import put_part
from facebatch.gallery.history import numbers
from facebatch.gallery.masks import put_dead
from facebatch.gallery.pins import Pin, pin
from facebatch.gallery.snapshots import Snapshot
from facebatch.pipelines import gallery_verify
from facebatch.pipelines.gallery_verify import Verification
from facebatch.storage import layout
from facebatch.storage.documents import dump
from facebatch.storage.local import LocalStore
from facebatch.storage.memory import MemoryStore
from facebatch.storage.parquet import read_table, write_table
from facebatch.storage.store import ObjectStore
from gallery.small import QUIET, Shard, SmallGallery, objects


@functools.cache
def built() -> SmallGallery:
    """Four shards, two segments, both with dead rows, tombstones, orders."""
    gallery = SmallGallery()
    gallery.embed(Shard("a"), Shard("b"), Shard("c", 4))
    gallery.embed(Shard("d", 2), source="s3://other")
    gallery.erase("a000001", "c000000", subjects=["a-0"])
    return gallery


def build(store: ObjectStore | None = None) -> SmallGallery:
    """A copy of it to change at will."""
    return built().copy(store)


def verify(gallery: SmallGallery, *seqs: int) -> Verification:
    return gallery_verify.run(gallery.store, seqs, QUIET)


GOLDEN = Path(__file__).parent.parent / "golden"
KINDS = {
    "snapshot": "snapshots/000000000005.json",
    "commit": "commits/",
    "templates": "templates/",
    "ledger": "ledger/",
    "timings": "timings/",
    "manifest": "segments/*/manifest",
    "index": "segments/*/index",
    "vectors": "segments/*/vectors",
    "members": "segments/*/members",
    "codes": "segments/*/codes",
    "order": "segments/*/order",
    "mask": "masks/",
    "tombstones": "tombstones/",
    "orders": "orders/",
}


def keys_of(gallery: SmallGallery, kind: str) -> list[str]:
    """Keys of the objects of a kind, those of segments of the head before older ones."""
    head, _, name = KINDS[kind].partition("*/")
    keys = [key for key in objects(gallery.store) if key.startswith(head) and (not name or f"/{name}" in key)]
    live = {segment.segment_id for segment in gallery.head.segments}
    return sorted(keys, key=lambda key: live.isdisjoint(key.split("/")))


def test_a_sound_gallery_has_no_fault_and_every_object_has_a_kind() -> None:
    gallery = build()
    found = verify(gallery, *numbers(gallery.store))
    assert found.faults == ()
    assert found.not_compared == ()
    assert (found.snapshots, found.shards, found.templates) == ((1, 2, 3, 4, 5), 4, 12)
    known = {key for kind in KINDS for key in keys_of(gallery, kind)}
    assert objects(gallery.store).keys() - known == {layout.snapshot(seq) for seq in range(1, 5)}
    assert min(len(keys_of(gallery, kind)) for kind in KINDS) > 0


def flip(position: float) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        at = min(int(len(data) * position), len(data) - 1)
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return change


DAMAGE = {
    "first byte": flip(0),
    "middle byte": flip(0.5),
    "last byte": flip(1),
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "gone": None,
}


ELSEWHERE = {("snapshot", "gone"), ("snapshot", "middle byte"), ("commit", "middle byte")}
"""Told below: the head is another one then, or only other objects show that a value is wrong."""


@pytest.mark.parametrize(
    ("kind", "damage"), [(kind, damage) for kind in KINDS for damage in DAMAGE if (kind, damage) not in ELSEWHERE]
)
def test_damage_to_an_object_is_told_by_its_name_with_a_remedy(kind: str, damage: str) -> None:
    gallery = build()
    key = keys_of(gallery, kind)[0]
    change = DAMAGE[damage]
    data = gallery.store.get(key)
    gallery.store.delete(key)
    if change is not None:
        gallery.store.put(key, change(data))
    found = verify(gallery, 5)
    named = [fault for fault in found.faults if fault.key == key]
    assert named, found.faults
    for fault in named:
        assert key in fault.problem
        assert "\n" not in fault.problem
        assert any(word in fault.problem for word in ("restore", "rebuild", "again", "index", "upgrade"))


def test_all_faults_are_told_at_once() -> None:
    gallery = build()
    older = {entry.segment_id for entry in snapshots.read(gallery.store, 2).segments}
    older -= {entry.segment_id for entry in snapshots.read(gallery.store, 5).segments}
    live = {kind: [key for key in keys_of(gallery, kind) if not older & set(key.split("/"))] for kind in KINDS}
    broken = [live[kind][-1] for kind in KINDS if kind not in {"snapshot", "manifest", "timings"}]
    broken += keys_of(gallery, "timings")[:1]  # of a shard whose commit, which names it, can still be read
    for key in broken:
        gallery.store.put(key, b"{}")
    found = verify(gallery)
    assert {fault.key for fault in found.faults} == set(broken)
    assert found.not_compared == (5,)


@pytest.mark.parametrize("field", ["images", "model", "shard_key", "outcomes"])
def test_a_commit_that_tells_otherwise_than_the_snapshot_is_named(field: str) -> None:
    gallery = build()
    key = keys_of(gallery, "commit")[0]
    commit = snapshots.ShardCommit.model_validate_json(gallery.store.get(key))
    other = {"images": 99, "model": "1" * 64, "shard_key": "f" * 40, "outcomes": {"ok": 99}}
    gallery.store.put(key, dump(commit.model_copy(update={field: other[field]})))
    assert {fault.key for fault in verify(gallery).faults} == {key}


def test_a_wrong_digest_in_a_snapshot_shows_at_the_part() -> None:
    gallery = build()
    head = gallery.head
    shard = head.shards[0]
    part = shard.templates.model_copy(update={"sha256": "0" * 64})
    altered = head.model_copy(update={"shards": (shard.model_copy(update={"templates": part}), *head.shards[1:])})
    gallery.store.put(layout.snapshot(5), dump(altered))
    assert part.key in {fault.key for fault in verify(gallery).faults}


def republish(gallery: SmallGallery, **changes: object) -> Snapshot:
    head = gallery.head
    return gallery.publish(head.model_copy(update={"seq": head.seq + 1, "parent": head.seq, **changes}))


def rewritten(gallery: SmallGallery, change: Callable[[pa.Table], pa.Table]) -> SmallGallery:
    """The head with another content of its first shard's templates, digest and all."""
    shard = gallery.head.shards[0]
    table = change(read_table(gallery.store.get(shard.templates.key), kind="templates", origin=""))
    part = put_part(
        gallery.store, shard.templates.key, write_table(table, kind="templates", model="0" * 64), len(table)
    )
    commit = snapshots.ShardCommit.model_validate_json(gallery.store.get(layout.commit(shard.shard_key)))
    gallery.store.put(layout.commit(shard.shard_key), dump(commit.model_copy(update={"templates": part})))
    republish(gallery, shards=(shard.model_copy(update={"templates": part}), *gallery.head.shards[1:]))
    return gallery


def test_a_vector_that_is_not_that_of_its_template_is_noticed_although_all_digests_agree() -> None:
    def swap(table: pa.Table) -> pa.Table:
        column = table["embedding"].combine_chunks().take(pa.array([1, 0, 2]))
        return table.set_column(table.schema.get_field_index("embedding"), table.schema.field("embedding"), column)

    found = verify(rewritten(build(), swap))
    assert ["vectors differ" in fault.problem for fault in found.faults] == [True]
    assert found.faults[0].key.startswith("segments/")


@pytest.mark.parametrize("value", [np.nan, 0.5])
def test_a_template_without_unit_norm_is_noticed_although_all_digests_agree(value: float) -> None:
    def scale(table: pa.Table) -> pa.Table:
        flat = table["embedding"].combine_chunks().flatten().to_numpy().copy()
        flat[:8] *= np.float16(value)
        column = pa.FixedSizeListArray.from_arrays(pa.array(flat), 8)
        return table.set_column(table.schema.get_field_index("embedding"), table.schema.field("embedding"), column)

    found = verify(rewritten(build(), scale))
    assert ["the embedding in row 0" in fault.problem for fault in found.faults] == [True]


def test_a_template_in_two_parts_is_noticed() -> None:
    gallery = build()
    gallery.embed(Shard("a", 3, version=1), source="s3://twice", index=False)
    assert any("3 template ids occur twice" in fault.problem for fault in verify(gallery).faults)


def test_an_erased_template_that_is_live_in_a_segment_is_noticed() -> None:
    gallery = build()
    whole = tuple(segment.model_copy(update={"dead": None}) for segment in gallery.head.segments)
    republish(gallery, segments=whole)
    problems = [fault.problem for fault in verify(gallery).faults]
    assert len(problems) == 2
    assert all("1 live rows are of templates that snapshot 6 has erased" in problem for problem in problems)


def test_a_live_template_that_no_segment_holds_is_noticed() -> None:
    gallery = build()
    republish(gallery, segments=gallery.head.segments[1:])
    assert any("live templates are in no segment" in fault.problem for fault in verify(gallery).faults)
    first = gallery.head.segments[0]
    dead = put_dead(gallery.store, first.segment_id, np.arange(first.rows - 1))
    republish(gallery, segments=(first.model_copy(update={"dead": dead}), *gallery.head.segments[1:]))
    assert any("live templates are in no segment" in fault.problem for fault in verify(gallery).faults)


def test_a_template_that_is_live_in_two_segments_is_noticed() -> None:
    gallery = build()
    first = gallery.head.segments[0]
    republish(gallery, segments=(first, *gallery.head.segments))
    assert any("are live rows of two segments" in fault.problem for fault in verify(gallery).faults)


def test_tombstones_of_templates_that_are_nowhere_are_noticed() -> None:
    gallery = build()
    gallery.erase("z000000")
    assert any("1 of its tombstones are of templates" in fault.problem for fault in verify(gallery).faults)


def test_a_file_of_another_attempt_in_a_manifests_folder_is_no_fault() -> None:
    gallery = build()
    gallery.store.put(f"segments/{gallery.head.segments[0].segment_id}/index-lost.faiss", b"unread")
    assert verify(gallery).faults == ()


def test_a_shard_whose_rows_were_purged_is_sound_while_its_commit_still_names_whole_parts() -> None:
    gallery = build()
    shard = next(shard for shard in gallery.head.shards if shard.shard_uri.endswith("/a"))
    table = read_table(gallery.store.get(shard.templates.key), kind="templates", origin="").slice(1)
    key = layout.part(layout.TEMPLATES, shard.shard_key, "purged")
    part = put_part(gallery.store, key, write_table(table, kind="templates", model="0" * 64), 2)
    others = [other for other in gallery.head.shards if other != shard]
    purged = shard.model_copy(update={"templates": part})
    republish(gallery, shards=snapshots.in_order([*others, purged]), segments=(), tombstones=())
    assert verify(gallery).faults == ()
    gallery.store.delete(shard.templates.key)
    assert [fault.key for fault in verify(gallery).faults] == [shard.templates.key]


def test_a_pin_of_a_snapshot_that_is_gone_is_noticed() -> None:
    gallery = build()
    pin(gallery.store, Pin(name="old", snapshot=1, at=gallery.head.created_at))
    gallery.store.delete(layout.snapshot(1))
    assert [fault.key for fault in verify(gallery).faults] == ["pins/old.json"]


def test_only_the_chosen_snapshots_are_read() -> None:
    gallery = build()
    gallery.store.delete(keys_of(gallery, "tombstones")[0])
    assert verify(gallery, 1, 2).faults == ()
    assert len(verify(gallery).faults) == 1


def test_no_object_is_read_twice() -> None:
    reads = []

    class Counting(MemoryStore):
        def get(self, key: str, **checks: object) -> bytes:
            reads.append(key)
            return super().get(key, **checks)

    gallery = build(Counting(uuid4().hex))
    reads.clear()
    verify(gallery, *numbers(gallery.store))
    data = [key for key in reads if not key.startswith(("masks/", "tombstones/", "orders/"))]
    assert sorted(data) == sorted(set(data))
    assert {key for key in objects(gallery.store) if key.startswith("templates/")} <= set(data)


def test_an_unknown_number_an_empty_gallery_and_an_unavailable_store_are_no_faults(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="facebatch embed"):
        gallery_verify.run(LocalStore(tmp_path), (), QUIET)
    with pytest.raises(NotFoundError, match="no snapshot 9"):
        verify(build(), 9)

    class Down(MemoryStore):
        def get(self, key: str, **checks: object) -> bytes:
            if key.startswith("templates/"):
                raise RetryableError(f"{self.uri}/{key}: unavailable")
            return super().get(key, **checks)

    gallery = build()
    down = Down(gallery.store.uri.removeprefix("memory://"))
    with pytest.raises(RetryableError, match="unavailable"):
        gallery_verify.run(down, (), QUIET)


@pytest.mark.parametrize("version", sorted(GOLDEN.glob("v*")), ids=lambda path: path.name)
def test_a_gallery_of_an_older_release_has_no_fault(version: Path) -> None:
    store = LocalStore(version)
    found = gallery_verify.run(store, numbers(store), QUIET)
    assert (found.faults, found.not_compared, found.templates) == ((), (), 12)


def test_a_gallery_on_local_disk_is_verified_in_place(tmp_path: Path) -> None:
    gallery = build(LocalStore(tmp_path))
    assert verify(gallery, *numbers(gallery.store)).faults == ()
    vectors = next(tmp_path.glob("segments/*/vectors-*"))
    data = bytearray(vectors.read_bytes())
    data[5] ^= 0x10
    vectors.write_bytes(bytes(data))
    assert [fault.key for fault in verify(gallery).faults] == [vectors.relative_to(tmp_path).as_posix()]
