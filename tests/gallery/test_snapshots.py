"""Snapshots: numbered, put once, one model, and a source replaces only its own shards."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import CorruptError, NotFoundError, StaleError, StopError
from facebatch.gallery import snapshots
from facebatch.gallery.commits import (
    PartFile,
    ShardCommit,
    committed_keys,
    find_commit,
    put_first,
    read_part,
    shard_key,
)
from facebatch.gallery.figures import GateFigure
from facebatch.gallery.snapshots import Snapshot
from facebatch.images.records import ImageShard
from facebatch.storage import layout
from facebatch.storage.memory import MemoryStore

names = itertools.count()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(f"snapshots-{next(names)}")


def part(name: str, rows: int = 1) -> PartFile:
    return PartFile(key=f"templates/{name}.parquet", sha256="0" * 64, size=10, rows=rows)


def commit(key: str, source: str = "s3://in", rows: int = 1, attempt: str = "a") -> ShardCommit:
    parts = {"templates": part(key, rows), "ledger": part(key, rows), "timings": part(key, rows)}
    counts = {"images": rows, "outcomes": {"ok": rows}, "seconds": {}}
    return ShardCommit(
        shard_key=key, shard_uri=f"{source}/{key}", source=source, attempt=attempt, model="m", **counts, **parts
    )


def snapshot(seq: int, *commits: ShardCommit, model: str = "m", head: Snapshot | None = None) -> Snapshot:
    source = commits[0].source if commits else "s3://in"
    return Snapshot(
        seq=seq,
        parent=seq - 1 or None,
        run_id=f"run{seq}-{next(names)}",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        model=model,
        model_name=model,
        dim=4,
        shards=snapshots.replace_source(head, source, commits),
    )


def test_the_highest_number_is_the_head(store: MemoryStore) -> None:
    assert snapshots.head(store) is None
    with pytest.raises(NotFoundError, match="facebatch embed"):
        snapshots.require_head(store)
    for seq in range(1, 12):
        snapshots.publish(store, snapshot(seq, commit(f"k{seq}")))
    assert snapshots.require_head(store).seq == 11
    assert snapshots.read(store, 3).shards[0].shard_key == "k3"
    with pytest.raises(NotFoundError, match="no snapshot 99; `facebatch gallery log` lists those it has"):
        snapshots.read(store, 99)


def test_a_lost_race_for_a_number_is_noticed_and_changes_nothing(store: MemoryStore) -> None:
    first, second = snapshot(1, commit("a")), snapshot(1, commit("b"))
    snapshots.publish(store, first)
    with pytest.raises(StaleError, match=first.run_id):
        snapshots.publish(store, second)
    assert snapshots.require_head(store) == first


def test_two_runs_that_would_publish_the_same_content_agree(store: MemoryStore) -> None:
    first, second = snapshot(1, commit("a")), snapshot(1, commit("a"))
    assert snapshots.publish(store, first) == first
    assert snapshots.publish(store, second) == first


def test_a_run_that_was_overtaken_in_its_source_is_told(store: MemoryStore) -> None:
    first = snapshots.publish(store, snapshot(1, commit("a"), commit("b")))
    other = snapshots.publish(store, snapshot(2, commit("x", "s3://other"), head=first))
    snapshots.check_not_overtaken(store, None, None, "s3://in")
    snapshots.check_not_overtaken(store, first, other, "s3://in")
    with pytest.raises(StaleError, match=r"another run embedded s3://other.*run the same command again"):
        snapshots.check_not_overtaken(store, first, other, "s3://other")
    with pytest.raises(StaleError, match=r"s3://in"):
        snapshots.check_not_overtaken(store, None, other, "s3://in")
    snapshots.publish(store, snapshot(3, commit("a"), head=other))
    back = snapshots.publish(store, snapshot(4, commit("a"), commit("b"), head=other))
    with pytest.raises(StaleError, match=r"s3://in"):
        snapshots.check_not_overtaken(store, other, back, "s3://in")
    store.delete(layout.snapshot(2))
    with pytest.raises(StaleError, match=r"s3://in"):
        snapshots.check_not_overtaken(store, first, back, "s3://in")


def test_a_head_that_is_collected_while_it_is_looked_up_has_a_successor(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = snapshots.read
    snapshots.publish(store, snapshot(1, commit("a")))

    def late(store: MemoryStore, seq: int) -> Snapshot:
        if seq == 1:
            snapshots.publish(store, snapshot(2, commit("b")))
            store.delete(layout.snapshot(1))
        return read(store, seq)

    monkeypatch.setattr(snapshots, "read", late)
    assert snapshots.require_head(store).seq == 2


def test_a_head_that_is_listed_and_not_there_is_an_error(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots.publish(store, snapshot(1, commit("a")))
    monkeypatch.setattr(store, "get", MemoryStore("empty").get)
    with pytest.raises(NotFoundError, match="no snapshot 1"):
        snapshots.head(store)


def test_a_source_replaces_only_its_own_shards() -> None:
    head = snapshot(2, commit("x", "s3://b"), head=snapshot(1, commit("a"), commit("b")))
    assert [shard.shard_key for shard in head.shards] == ["x", "a", "b"]
    assert [shard.shard_key for shard in snapshots.replace_source(head, "s3://in", [commit("c")])] == ["x", "c"]
    assert (head.images, head.templates) == (3, 3)


def embedded_again(first: ShardCommit, **altered: object) -> ShardCommit:
    """The same shard by another attempt: files of other names with the same bytes, unless `altered`."""
    parts = {
        kind: getattr(first, kind).model_copy(update={"key": f"{kind}/{first.shard_key}-again.parquet"})
        for kind in ("templates", "ledger", "timings")
    }
    templates = parts["templates"].model_copy(update=altered)
    return first.model_copy(update={**parts, "attempt": "again", "templates": templates})


def test_files_written_again_with_the_same_bytes_replace_those_of_a_live_shard() -> None:
    first = commit("a")
    head = snapshot(1, first, commit("b"))
    erased = head.shards[0].model_copy(update={"next_expiry": None})
    head = head.model_copy(update={"shards": (erased, head.shards[1])})
    again = embedded_again(first)
    shards = snapshots.replace_source(head, "s3://in", [again, commit("b")])
    assert [shard.templates.key for shard in shards] == ["templates/a-again.parquet", "templates/b.parquet"]
    assert shards[0].ledger == again.ledger
    assert shards[0].next_expiry is None  # what it was set to after an erasure is in no commit
    assert head.model_copy(update={"shards": shards}).content_sha256 == head.content_sha256


@pytest.mark.parametrize("kind", ["templates", "ledger"])
def test_a_live_shard_of_other_bytes_stays_for_its_rows_may_have_been_purged(kind: str) -> None:
    first = commit("a", rows=2)
    head = snapshot(1, first)
    purged = getattr(first, kind).model_copy(update={"key": "purged", "sha256": "1" * 64, "rows": 1})
    head = head.model_copy(update={"shards": (head.shards[0].model_copy(update={kind: purged}),)})
    assert snapshots.replace_source(head, "s3://in", [embedded_again(first)]) == head.shards


def test_keys_committed_since_a_time(store: MemoryStore) -> None:
    before = datetime.now(UTC)
    put_first(store, layout.commit("k"), commit("k"))
    assert committed_keys(store, before) == {"k"}
    assert committed_keys(store, datetime.now(UTC) + timedelta(hours=1)) == frozenset()


def test_templates_of_two_models_never_meet() -> None:
    head = snapshot(1, commit("a"), model="old")
    snapshots.check_one_model(head, "s3://in", "new", "new pack")
    snapshots.check_one_model(head, "s3://other", "old", "old pack")
    with pytest.raises(StopError, match=r"new pack must not be mixed"):
        snapshots.check_one_model(head, "s3://other", "new", "new pack")


def test_first_commit_wins_and_the_other_is_told(store: MemoryStore) -> None:
    ours, theirs = commit("k", attempt="one"), commit("k", attempt="two")
    assert put_first(store, layout.commit("k"), ours) == (ours, True)
    assert put_first(store, layout.commit("k"), theirs) == (ours, False)
    assert put_first(store, layout.commit("k"), ours) == (ours, True)
    assert find_commit(store, "k") == ours
    assert find_commit(store, "other") is None
    assert committed_keys(store) == {"k"}


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"shard_key": 1', b"\xff"])
def test_a_damaged_commit_is_named(store: MemoryStore, damage: bytes) -> None:
    store.put(layout.commit("k"), damage)
    with pytest.raises(CorruptError, match=r"commits/k\.json"):
        find_commit(store, "k")


def test_a_part_that_changed_or_vanished_is_named(store: MemoryStore) -> None:
    with pytest.raises(CorruptError, match=r"templates/p\.parquet is missing"):
        read_part(store, part("p"))
    store.put("templates/p.parquet", b"flipped")
    with pytest.raises(CorruptError, match=r"templates/p\.parquet"):
        read_part(store, part("p"))


SHARD = ImageShard("s3://in/a.tar", "tar", 100, "etag")


@given(st.sampled_from([{"uri": "s3://in/b.tar"}, {"name": "b"}, {"size": 101}, {"etag": "other"}]), st.integers(0, 3))
def test_any_change_of_input_model_or_config_is_a_new_key(change: dict[str, object], row: int) -> None:
    base = shard_key(SHARD, model="m", rows_config={"batch": 1})
    assert base == shard_key(SHARD, model="m", rows_config={"batch": 1})
    fields = {"uri": SHARD.uri, "kind": SHARD.kind, "size": SHARD.size, "etag": SHARD.etag}
    other = ImageShard(**{**fields, **change})
    assert shard_key(other, model="m", rows_config={"batch": 1}) != base
    assert shard_key(SHARD, model=f"n{row}", rows_config={"batch": 1}) != base
    assert shard_key(SHARD, model="m", rows_config={"batch": 2 + row}) != base


def test_figures_are_read_without_the_shards(store: MemoryStore) -> None:
    figure = GateFigure(name="rate.no_face.new", passed=True, words="few", value=0.01, count=1, n=100)
    whole = snapshot(1, commit("a"), commit("b")).model_copy(update={"gates": (figure,), "restates": 7})
    snapshots.publish(store, whole)
    found = snapshots.read_figures(store, 1)
    assert (found.seq, found.created_at, found.gates, found.restates) == (1, whole.created_at, (figure,), 7)
    assert not hasattr(found, "shards")
    with pytest.raises(NotFoundError, match="no snapshot 2"):
        snapshots.read_figures(store, 2)
