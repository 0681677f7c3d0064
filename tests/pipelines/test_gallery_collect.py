"""gallery gc: what is kept is whole, what goes is what nothing needs, and no reader or writer loses a file."""

import functools
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from facebatch.errors import CorruptError, NotFoundError, RetryableError
from facebatch.gallery import snapshots
from facebatch.gallery.collect import Dated, RetentionSpec, reason_to_keep
from facebatch.gallery.commits import ShardCommit, find_commit, read_part
from facebatch.gallery.history import numbers
from facebatch.gallery.leases import SKEW, Lease, read_leases, reading, writing
from facebatch.gallery.pins import Pin, pin, unpin
from facebatch.gallery.purge import purge
from facebatch.index.mapped import map_segment
from facebatch.pipelines import gallery_collect, gallery_verify
from facebatch.pipelines.gallery_collect import Collection
from facebatch.storage import layout
from facebatch.storage.documents import dump
from facebatch.storage.local import LocalStore
from facebatch.storage.memory import MemoryStore
from facebatch.storage.parquet import read_table
from facebatch.storage.store import ObjectStore
from gallery.small import QUIET, Shard, SmallGallery, objects

LAST = RetentionSpec(keep_last=1, keep_days=0, grace_hours=0)
"""Keeps the head alone, and nothing for being young."""
LATER = timedelta(days=100)


def collect(gallery: SmallGallery, spec: RetentionSpec = LAST, *, dry_run: bool = False) -> Collection:
    return gallery_collect.run(gallery.store, spec, QUIET, now=datetime.now(UTC) + LATER, dry_run=dry_run)


def pin_it(gallery: SmallGallery, seq: int, name: str = "kept") -> None:
    pin(gallery.store, Pin(name=name, snapshot=seq, at=datetime.now(UTC)))


def faults(gallery: SmallGallery) -> list[str]:
    """Of all snapshots that are left."""
    found = gallery_verify.run(gallery.store, numbers(gallery.store), QUIET)
    return [fault.problem for fault in found.faults]


@functools.cache
def four_nights() -> SmallGallery:
    """Four versions of one shard beside one that stays: snapshots 1 to 8."""
    gallery = SmallGallery()
    for version in range(4):
        gallery.embed(Shard("a", version=version), Shard("b"))
    return gallery


def nights(store: ObjectStore | None = None) -> SmallGallery:
    """A copy of them to change at will."""
    return four_nights().copy(store)


def test_the_head_and_all_it_needs_stay_and_the_rest_goes() -> None:
    gallery = nights()
    gallery.erase("a000000")
    report = collect(gallery)
    assert report.kept == {9: "head"}
    assert report.snapshots == tuple(range(1, 9))
    assert numbers(gallery.store) == [9]
    assert faults(gallery) == []
    head = gallery.head
    left = objects(gallery.store)
    assert {key for key in left if key.startswith("templates/")} == {shard.templates.key for shard in head.shards}
    assert len([key for key in left if key.startswith(("commits/", "ledger/", "timings/"))]) == 3 * len(head.shards)
    assert {layout.segment_id(key) for key in left if key.startswith("segments/")} == {
        segment.segment_id for segment in head.segments
    }
    assert {key.partition("/")[0] for key in left} == {
        *("snapshots", "commits", "templates", "ledger", "timings", "segments", "masks", "tombstones")
    }


def test_the_counts_are_those_of_what_went() -> None:
    gallery = nights()
    before = {info.key: info.size for info in gallery.store.list()}
    report = collect(gallery)
    gone = before.keys() - objects(gallery.store).keys()
    assert {kind: (part.objects, part.bytes) for kind, part in report.deleted.items()} == {
        kind: (
            sum(key.startswith(f"{kind}/") for key in gone),
            sum(before[key] for key in gone if key.startswith(f"{kind}/")),
        )
        for kind in ("commits", "ledger", "segments", "snapshots", "templates", "timings")
    }
    again = collect(gallery)
    assert (again.snapshots, again.deleted) == ((), {})


def test_a_dry_run_tells_the_same_and_deletes_nothing() -> None:
    gallery = nights()
    before = objects(gallery.store)
    planned = collect(gallery, dry_run=True)
    assert objects(gallery.store) == before
    assert collect(gallery) == planned


def test_trial_objects_that_a_killed_run_left_go_when_they_are_old() -> None:
    gallery = nights()
    collect(gallery)
    gallery.store.put(layout.preflight("0" * 32, "alone"), b"first")
    young = gallery_collect.run(gallery.store, RetentionSpec(), QUIET)
    assert (young.deleted, young.waiting) == ({}, 1)
    old = collect(gallery)
    assert {kind: part.objects for kind, part in old.deleted.items()} == {"preflight": 1}
    assert list(gallery.store.list(layout.PREFLIGHT)) == []


@pytest.mark.parametrize(
    ("found", "held", "expected"),
    [
        ((9, 400, 0), {}, "head"),
        ((7, 400, 2), {}, "among the last 3"),
        ((6, 400, 3), {}, None),
        ((6, 31, 3), {}, None),
        ((6, 29, 3), {}, "not older than 30 days"),
        ((6, -5, 3), {}, "not older than 30 days"),
        ((2, 400, 7), {2: "pinned as x"}, "pinned as x"),
        ((2, 400, 7), {3: "pinned as x"}, None),
    ],
)
def test_retention(found: tuple[int, float, int], held: dict[int, str], expected: str | None) -> None:
    seq, days, newer = found
    now = datetime(2026, 6, 1, tzinfo=UTC)
    dated = Dated(seq, now - timedelta(days=days), newer)
    assert reason_to_keep(dated, held, RetentionSpec(keep_last=3, keep_days=30), now) == expected


def test_numbers_go_on_and_are_never_used_again() -> None:
    gallery = nights()
    collect(gallery)
    assert gallery.embed(Shard("c")).seq == 10
    assert numbers(gallery.store) == [8, 9, 10]


def test_what_a_pinned_snapshot_refers_to_stays_until_it_is_unpinned() -> None:
    gallery = nights()
    pin_it(gallery, 2)
    report = collect(gallery)
    assert report.kept == {2: "pinned as kept", 8: "head"}
    assert faults(gallery) == []
    unpin(gallery.store, "kept")
    assert collect(gallery).snapshots == (2,)
    assert faults(gallery) == []


def test_what_a_run_has_written_and_not_published_stays_for_the_grace() -> None:
    gallery = nights()
    commit = gallery.commit(Shard("new"))
    lost = layout.part(layout.TEMPLATES, commit.shard_key, "lost")
    gallery.store.put(lost, b"of an attempt that lost")
    spec = LAST.model_copy(update={"grace_hours": 24})
    young = gallery_collect.run(gallery.store, spec, QUIET, now=datetime.now(UTC) + timedelta(hours=23))
    assert young.waiting > 0
    assert find_commit(gallery.store, commit.shard_key) == commit
    assert lost in objects(gallery.store)
    old = gallery_collect.run(gallery.store, spec, QUIET, now=datetime.now(UTC) + timedelta(hours=25))
    assert old.waiting == 0
    assert find_commit(gallery.store, commit.shard_key) is None
    assert not [key for key in objects(gallery.store) if commit.shard_key in key]
    assert faults(gallery) == []


class Aged(MemoryStore):
    """Objects of some keys were written long ago, by the store's clock."""

    def __init__(self, name: str, is_old: Callable[[str], bool]) -> None:
        super().__init__(name)
        self.is_old = is_old

    def list(self, prefix: str = ""):
        for info in super().list(prefix):
            age = LATER if self.is_old(info.key) else timedelta(0)
            yield type(info)(info.key, info.size, info.etag, info.modified - age)


def at_the_edge(gallery: SmallGallery, is_old: Callable[[str], bool]) -> None:
    aged = Aged(gallery.store.uri.removeprefix("memory://"), is_old)
    gallery_collect.run(aged, LAST.model_copy(update={"grace_hours": 24}), QUIET)


@pytest.mark.parametrize("folder", ["templates/", "ledger/", "timings/"])
def test_a_commit_within_the_grace_keeps_its_older_parts(folder: str) -> None:
    gallery = nights()
    commit = gallery.commit(Shard("new"))
    at_the_edge(gallery, lambda key: key.startswith(folder))
    assert find_commit(gallery.store, commit.shard_key) == commit
    for part in (commit.templates, commit.ledger, commit.timings):
        read_part(gallery.store, part)


@pytest.mark.parametrize("name", ["manifest", "index-", "vectors-", "members-"])
def test_a_segment_with_a_file_within_the_grace_stays_whole(name: str) -> None:
    gallery = nights()
    before = {key for key in objects(gallery.store) if key.startswith("segments/")}
    at_the_edge(gallery, lambda key: key.startswith("snapshots/") or f"/{name}" not in key)
    assert {key for key in objects(gallery.store) if key.startswith("segments/")} == before


def test_the_files_of_a_lost_attempt_go_also_where_the_segment_and_the_shard_stay() -> None:
    gallery = nights()
    segment, shard = gallery.head.segments[0], gallery.head.shards[0]
    lost = [
        layout.segment_file(segment.segment_id, "index.faiss", "lost"),
        *(layout.part(folder, shard.shard_key, "lost") for folder in ("templates/", "ledger/", "timings/")),
    ]
    for key in lost:
        gallery.store.put(key, b"lost")
    collect(gallery)
    assert objects(gallery.store).keys().isdisjoint(lost)
    assert faults(gallery) == []


def test_an_object_of_unknown_age_stays() -> None:
    class Ageless(MemoryStore):
        def list(self, prefix: str = ""):
            return (type(info)(info.key, info.size, info.etag) for info in super().list(prefix))

    gallery = nights(Ageless(uuid4().hex))
    report = collect(gallery)
    assert set(report.deleted) == {"snapshots"}
    assert report.waiting > 0
    assert faults(gallery) == []


def test_tombstones_stay_as_long_as_a_snapshot_from_before_the_erasure() -> None:
    gallery = nights()
    pin_it(gallery, 2)
    erased = gallery.erase("a000000").tombstones[0]
    gallery.embed(Shard("c"))
    purged = gallery.head.model_copy(update={"seq": gallery.head.seq + 1, "tombstones": (), "segments": ()})
    gallery.publish(purged)
    collect(gallery)
    assert erased.key in objects(gallery.store)
    unpin(gallery.store, "kept")
    collect(gallery)
    assert erased.key not in objects(gallery.store)


def test_a_commit_of_purged_rows_names_the_purged_parts_before_the_old_ones_go() -> None:
    gallery = nights()
    head = gallery.head
    shard = head.shards[0]
    purged = purge(gallery.store, shard, pa.array(["a000000"]), head.model)
    changes = {"seq": head.seq + 1, "shards": (purged, *head.shards[1:]), "segments": ()}
    gallery.publish(head.model_copy(update=changes))
    pin_it(gallery, 8)
    assert collect(gallery).commits_renewed == 0
    assert {shard.templates.key, shard.ledger.key} <= objects(gallery.store).keys()
    unpin(gallery.store, "kept")
    assert collect(gallery).commits_renewed == 1
    assert objects(gallery.store).keys().isdisjoint({shard.templates.key, shard.ledger.key})
    commit = find_commit(gallery.store, shard.shard_key)
    assert commit is not None
    assert (commit.templates, commit.ledger) == (purged.templates, purged.ledger)
    read_part(gallery.store, commit.timings)
    assert faults(gallery) == []
    assert collect(gallery).commits_renewed == 0


def test_a_reader_never_loses_a_file_while_its_lease_lasts(tmp_path: Path) -> None:
    gallery = nights(LocalStore(tmp_path / "gallery"))
    snapshot = snapshots.read(gallery.store, 2)
    begun, done = threading.Event(), threading.Event()
    failures: list[Exception] = []
    reads = 0

    def read() -> None:
        nonlocal reads
        try:
            with reading(gallery.store, 2, "test"):
                while not done.is_set():
                    for segment in snapshot.segments:
                        mapped = map_segment(gallery.store, segment, tmp_path)
                        assert_array_equal(mapped.vectors, np.array(mapped.vectors))
                    for shard in snapshot.shards:
                        read_part(gallery.store, shard.templates)
                    reads += 1
                    begun.set()
        except Exception as error:
            failures.append(error)
            begun.set()

    thread = threading.Thread(target=read)
    thread.start()
    begun.wait()
    reports = [collect(gallery) for _ in range(3)]
    done.set()
    thread.join()
    assert failures == []
    assert reads > 0
    assert reports[0].kept[2].startswith("read by test on ")
    assert reports[0].snapshots == (1, 3, 4, 5, 6, 7)
    assert faults(gallery) == []
    assert collect(gallery).snapshots == (2,)


class Interrupting(MemoryStore):
    """Does something just after an object was deleted."""

    def __init__(self, name: str, key: str, then: Callable[[], None]) -> None:
        super().__init__(name)
        self._key, self._then = key, then

    def delete(self, key: str) -> None:
        super().delete(key)
        if key == self._key:
            self._key = ""
            self._then()


def interrupted(gallery: SmallGallery, key: str, then: Callable[[], None]) -> Collection:
    store = Interrupting(gallery.store.uri.removeprefix("memory://"), key, then)
    return gallery_collect.run(store, LAST, QUIET, now=datetime.now(UTC) + LATER)


def test_a_reader_that_begins_while_its_snapshot_is_deleted_keeps_it_or_is_told() -> None:
    gallery = nights()
    before = gallery.store.get(layout.snapshot(2))
    lease = Lease(kind="read", holder="late", snapshot=2, expires_at=datetime.now(UTC))

    def begin() -> None:
        """One reader finds the snapshot gone; another has put its lease and has not looked yet."""
        with pytest.raises(NotFoundError, match="garbage collected"), reading(gallery.store, 2, "too late"):
            pytest.fail("entered")
        gallery.store.put(layout.lease("late"), dump(lease))

    report = interrupted(gallery, layout.snapshot(2), begin)
    assert report.kept == {2: "read by late", 8: "head"}
    assert gallery.store.get(layout.snapshot(2)) == before
    assert faults(gallery) == []
    gallery.store.delete(layout.lease("late"))
    collect(gallery)
    assert not [key for key in objects(gallery.store) if key.startswith(("condemned/", "snapshots/000000000002"))]


def test_a_pinned_snapshot_survives_a_deletion_that_arrives_late() -> None:
    """The client gave the request up and asked again; then the collection saw the pin and put the snapshot back."""
    gallery = nights()
    before = gallery.store.get(layout.snapshot(2))
    pinned = Pin(name="kept", snapshot=2, at=datetime.now(UTC))
    report = interrupted(gallery, layout.snapshot(2), lambda: gallery.store.put(layout.pin("kept"), dump(pinned)))
    assert report.kept == {2: "pinned as kept", 8: "head"}
    gallery.store.delete(layout.snapshot(2))
    collect(gallery)
    assert gallery.store.get(layout.snapshot(2)) == before
    assert faults(gallery) == []


def test_the_copy_of_a_deleted_snapshot_that_arrives_late_brings_nothing_back() -> None:
    gallery = nights()
    copy = gallery.store.get(layout.snapshot(2))
    collect(gallery)
    gallery.store.put(layout.condemned(2), copy)
    collect(gallery)
    assert not [key for key in objects(gallery.store) if key.startswith(("condemned/", "snapshots/000000000002"))]


def test_a_pin_of_a_snapshot_that_was_just_deleted_is_refused() -> None:
    gallery = nights()

    def late() -> None:
        with pytest.raises(NotFoundError, match="no snapshot 2"):
            pin_it(gallery, 2)

    assert interrupted(gallery, layout.snapshot(2), late).kept == {8: "head"}
    assert not [key for key in objects(gallery.store) if key.startswith("pins/")]


def test_nothing_is_deleted_while_a_run_is_writing() -> None:
    gallery = nights()
    before = objects(gallery.store)
    with writing(gallery.store, "embed"), pytest.raises(RetryableError, match="embed on"):
        collect(gallery)
    assert objects(gallery.store) == before
    assert collect(gallery).snapshots


def test_a_run_that_finds_old_commits_and_publishes_them_is_never_left_without_their_parts() -> None:
    """A run of last week was killed; the same command resumes while a collection is due."""
    gallery = nights()
    gallery.commit(Shard("old"))
    with writing(gallery.store, "embed"):
        with pytest.raises(RetryableError, match="gallery gc has to wait"):
            collect(gallery)
        gallery.embed(Shard("old"))
    collect(gallery)
    assert faults(gallery) == []


def test_a_reader_of_a_snapshot_that_is_gone_stops_the_collection() -> None:
    gallery = nights()
    before = objects(gallery.store)
    with reading(gallery.store, 2, "match"):
        gallery.store.delete(layout.snapshot(2))
        with pytest.raises(RetryableError, match="snapshot 2 is gone but is read by match"):
            collect(gallery)
    assert before.keys() - objects(gallery.store).keys() == {layout.snapshot(2)}


def test_a_snapshot_or_manifest_that_cannot_be_read_stops_the_collection() -> None:
    for key in ("snapshots/000000000003.json", "segments/{}/manifest.json"):
        gallery = nights()
        gallery.store.put(key.format(gallery.head.segments[0].segment_id), b"{}")
        before = objects(gallery.store)
        with pytest.raises(CorruptError):
            collect(gallery)
        assert objects(gallery.store) == before


class Killed(Exception):
    """Instead of kill -9: the store has gone."""


class Dying(MemoryStore):
    """The process ends after so many writes and deletions."""

    def __init__(self, name: str, left: int) -> None:
        super().__init__(name)
        self.left = left

    def _count(self, key: str) -> None:
        if key.startswith("leases/"):
            return
        if self.left == 0:
            raise Killed
        self.left -= 1

    def put(self, key: str, data: bytes) -> None:
        self._count(key)
        super().put(key, data)

    def delete(self, key: str) -> None:
        self._count(key)
        super().delete(key)


def test_killed_anywhere_it_leaves_whole_snapshots_and_units_and_the_next_one_finishes() -> None:
    whole = nights()
    whole.commit(Shard("never published"))
    finished = whole.copy()
    collect(finished)
    steps = 0
    while True:
        gallery = whole.copy()
        store = Dying(gallery.store.uri.removeprefix("memory://"), steps)
        try:
            gallery_collect.run(store, LAST, QUIET, now=datetime.now(UTC) + LATER)
            break
        except Killed:
            steps += 1
        assert faults(gallery) == []
        require_whole_units(gallery.store)
        collect(gallery)
        assert objects(gallery.store) == objects(finished.store)
    assert steps > 30


def require_whole_units(store: ObjectStore) -> None:
    """No commit or manifest names a file that is gone."""
    there = objects(store)
    for key in there:
        if key.startswith("commits/"):
            commit = ShardCommit.model_validate_json(store.get(key))
            assert {commit.templates.key, commit.ledger.key, commit.timings.key} <= there.keys()
        if key.endswith("/manifest.json"):
            files = [name for name in there if name.startswith(key.removesuffix("manifest.json"))]
            assert len(files) == 6


def test_a_gallery_without_snapshots_is_left_alone(tmp_path: Path) -> None:
    gallery = SmallGallery(LocalStore(tmp_path / "gallery"))
    with pytest.raises(NotFoundError, match="facebatch embed"):
        collect(gallery)
    assert list(tmp_path.iterdir()) == []
    gallery.commit(Shard("of the first run"))
    with pytest.raises(NotFoundError, match="facebatch embed"):
        collect(gallery)
    assert len(objects(gallery.store)) == 4


def test_leases_that_ended_long_ago_are_removed() -> None:
    gallery = nights()
    with reading(gallery.store, 2, "match"):
        (key,) = read_leases(gallery.store)
        old = gallery.store.get(key)
    past = datetime.now(UTC) - SKEW - timedelta(days=2)
    gallery.store.put(key, dump(Lease.model_validate_json(old).model_copy(update={"expires_at": past})))
    collect(gallery)
    assert read_leases(gallery.store) == {}


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("embed"), st.sampled_from("abc"), st.integers(0, 2)),
        st.tuples(st.just("erase"), st.sampled_from("abc"), st.integers(0, 2)),
        st.tuples(st.just("commit"), st.sampled_from("abc"), st.integers(0, 2)),
        st.tuples(st.just("pin"), st.integers(1, 12), st.just(0)),
        st.tuples(st.just("unpin"), st.integers(1, 12), st.just(0)),
        st.tuples(st.just("gc"), st.integers(1, 3), st.sampled_from([0, 24 * 200])),
    ),
    max_size=12,
)


def act(gallery: SmallGallery, live: dict[str, int], action: tuple[str, str | int, int]) -> None:
    kind, what, number = action
    if kind == "embed":
        live[str(what)] = number
        gallery.embed(*(Shard(name, version=version) for name, version in sorted(live.items())))
    elif kind == "erase" and what in live:
        erased = {name for part in gallery.head.tombstones for name in erased_in(gallery, part.key)}
        if f"{what}{number:06d}" not in erased:
            gallery.erase(f"{what}{number:06d}")
    elif kind == "commit":
        gallery.commit(Shard(str(what), version=number))
    elif kind == "pin" and what in numbers(gallery.store):
        pin_it(gallery, int(what), f"pin-{what}")
    elif kind == "unpin" and layout.pin(f"pin-{what}") in objects(gallery.store):
        unpin(gallery.store, f"pin-{what}")
    elif kind == "gc":
        collect(gallery, RetentionSpec(keep_last=int(what), keep_days=0, grace_hours=number))


def erased_in(gallery: SmallGallery, key: str) -> list[str]:
    return read_table(gallery.store.get(key), kind="tombstones", origin=key)["template_id"].to_pylist()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTIONS)
def test_after_any_history_every_remaining_snapshot_is_whole(actions: list[tuple[str, str | int, int]]) -> None:
    gallery, live = SmallGallery(), {"a": 0}
    gallery.embed(Shard("a"))
    for action in actions:
        head, kept = gallery.head, set(pinned(gallery))
        act(gallery, live, action)
        assert gallery.head.seq >= head.seq
        if action[0] == "gc":
            assert kept <= set(numbers(gallery.store))
            require_whole_units(gallery.store)
    assert faults(gallery) == []


def pinned(gallery: SmallGallery) -> list[int]:
    return [Pin.model_validate_json(gallery.store.get(key)).snapshot for key in objects(gallery.store, "pins/")]
