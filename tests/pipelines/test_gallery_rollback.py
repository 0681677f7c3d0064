"""gallery rollback: an older snapshot restated under a new number, whole, without those who were erased since."""

import functools
from datetime import UTC, datetime, timedelta

import pytest

from facebatch.errors import NotFoundError, PlanError, RetryableError, StaleError, StopError
from facebatch.gallery import snapshots
from facebatch.gallery.changes import compare
from facebatch.gallery.collect import RetentionSpec
from facebatch.gallery.history import numbers
from facebatch.gallery.leases import collecting, writing
from facebatch.gallery.masks import read_live
from facebatch.gallery.pins import Pin, pin
from facebatch.governance.audit import read_event
from facebatch.pipelines import gallery_collect, gallery_rollback, gallery_verify
from facebatch.pipelines.gallery_rollback import Rollback, RollbackSpec
from facebatch.pipelines.masking import read_members
from facebatch.storage import layout
from gallery.small import MODEL, QUIET, Shard, SmallGallery, objects


def roll_back(gallery: SmallGallery, to: int, *, dry_run: bool = False, **changes: object) -> Rollback:
    spec = RollbackSpec(reason="a bad batch", **changes)
    return gallery_rollback.run(gallery.store, to, spec, dry_run=dry_run)


def two_states() -> SmallGallery:
    """Snapshot 2 holds a and b, snapshot 4 another a and no b."""
    gallery = SmallGallery()
    gallery.embed(Shard("a"), Shard("b", 5))
    gallery.embed(Shard("a", version=1))
    return gallery


def require_sound(gallery: SmallGallery) -> None:
    found = gallery_verify.run(gallery.store, numbers(gallery.store), QUIET)
    assert (found.faults, found.not_compared) == ((), ())


def live_ids(gallery: SmallGallery) -> set[str]:
    """What a search of the head can find."""
    found = []
    for segment in gallery.head.segments:
        ids = read_members(gallery.store, segment)["template_id"].to_pylist()
        live = read_live(gallery.store, segment)
        found += ids if live is None else [name for name, is_live in zip(ids, live, strict=True) if is_live]
    return set(found)


def test_the_next_number_restates_the_older_one_and_says_why() -> None:
    gallery = two_states()
    older, before = snapshots.read(gallery.store, 2), objects(gallery.store)
    report = roll_back(gallery, 2)
    head = gallery.head
    assert (report.snapshot, report.restates, report.published, report.templates) == (5, 2, True, 8)
    assert (head.seq, head.parent, head.restates, head.reason) == (5, 4, 2, "a bad batch")
    assert (head.shards, head.segments, head.tombstones) == (older.shards, older.segments, ())
    assert head.run_id != older.run_id
    assert head.content_sha256 == older.content_sha256
    assert objects(gallery.store).keys() - before.keys() == {layout.snapshot(5), layout.audit_event(1)}
    event = read_event(gallery.store, 1)
    assert (event.action, event.resource, event.event_id) == ("rollback", "snapshot:5", head.run_id)
    assert (report.shards.added, report.shards.changed, report.shards.removed) == (1, 1, 0)
    require_sound(gallery)


def test_a_dry_run_tells_the_same_and_writes_nothing() -> None:
    gallery = two_states()
    gallery.erase("a000001")
    before = objects(gallery.store)
    planned = roll_back(gallery, 2, dry_run=True)
    assert objects(gallery.store) == before
    done = roll_back(gallery, 2)
    assert (planned.published, done.published) == (False, True)
    assert {name: getattr(planned, name) for name in ("snapshot", "templates", "still_erased", "shards")} == {
        name: getattr(done, name) for name in ("snapshot", "templates", "still_erased", "shards")
    }


@pytest.mark.parametrize(("to", "words"), [(4, "is the head already"), (3, "not indexed")])
def test_the_head_and_what_holds_the_same_are_refused(to: int, words: str) -> None:
    gallery = two_states()
    if to == 3:
        gallery.embed(Shard("a", version=1), index=False)
        gallery.publish(
            gallery.head.model_copy(
                update={"seq": gallery.head.seq + 1, "segments": snapshots.read(gallery.store, 3).segments}
            )
        )
        words = "holds what snapshot 3 does already"
    with pytest.raises(PlanError, match=words):
        roll_back(gallery, to)


def test_a_dry_run_refuses_what_the_run_refuses() -> None:
    gallery = two_states()
    gallery.erase("a000001", "b000000")
    roll_back(gallery, 2)
    before = objects(gallery.store)
    for dry_run in (True, False):
        with pytest.raises(PlanError, match="the head, snapshot 6, holds what snapshot 2 does already"):
            roll_back(gallery, 2, dry_run=dry_run)
    assert objects(gallery.store) == before


def test_it_says_that_a_reindex_follows_the_sources() -> None:
    gallery = two_states()
    planned, done = roll_back(gallery, 2, dry_run=True), roll_back(gallery, 2)
    assert planned.next_reindex == done.next_reindex
    assert "what the sources list" in done.next_reindex


def test_a_snapshot_that_was_collected_or_never_was_is_told_apart() -> None:
    gallery = two_states()
    gallery.store.delete(layout.snapshot(1))
    with pytest.raises(NotFoundError, match="snapshot 1 was garbage collected"):
        roll_back(gallery, 1)
    with pytest.raises(NotFoundError, match="snapshot 9 was never there"):
        roll_back(gallery, 9)


@pytest.mark.parametrize("kind", ["templates/", "ledger/", "commits/", "segments/", "masks/", "tombstones/"])
def test_a_snapshot_that_refers_to_what_is_gone_is_refused_by_name(kind: str) -> None:
    gallery = SmallGallery()
    gallery.embed(Shard("a"), Shard("b", 5))
    gallery.erase("a000000")
    gallery.embed(Shard("c"))
    for key in [key for key in objects(gallery.store) if key.startswith(kind)]:
        gallery.store.delete(key)
    before = objects(gallery.store)
    with pytest.raises(PlanError, match=f"snapshot 3 cannot be restated, for {kind}"):
        roll_back(gallery, 3)
    assert objects(gallery.store) == before


def test_another_model_needs_to_be_asked_for() -> None:
    gallery = two_states()
    gallery.embed(Shard("a", model="1" * 64))
    with pytest.raises(PlanError, match=r"model-0, the head of model-1.*--model-change"):
        roll_back(gallery, 2)
    roll_back(gallery, 2, model_change=True)
    assert gallery.head.model == MODEL
    require_sound(gallery)


def test_a_reason_is_needed() -> None:
    gallery = two_states()
    with pytest.raises(StopError, match="say in a few words"):
        gallery_rollback.run(gallery.store, 2, RollbackSpec(reason=" "))
    assert gallery.head.seq == 4


def test_templates_erased_since_stay_erased() -> None:
    gallery = two_states()
    gallery.erase("a000001")
    report = roll_back(gallery, 2)
    assert (report.still_erased, report.restored_erased, report.templates) == (1, 0, 7)
    assert gallery.head.templates == 7
    assert gallery.head.indexed
    assert live_ids(gallery) == {*Shard("a").template_ids, *Shard("b", 5).template_ids} - {"a000001"}
    require_sound(gallery)


def test_templates_erased_stay_erased_also_after_they_were_purged_and_the_snapshots_between_collected() -> None:
    gallery = SmallGallery(created_at=datetime.now(UTC) - timedelta(days=100))
    gallery.embed(Shard("a"), Shard("b", 5))
    pin(gallery.store, Pin(name="kept", snapshot=2, at=datetime.now(UTC)))
    gallery.erase("b000000")
    gallery.embed(Shard("a", version=1))
    assert gallery.head.tombstones == ()
    spec = RetentionSpec(keep_last=1, keep_days=0, grace_hours=0)
    gallery_collect.run(gallery.store, spec, QUIET, now=datetime.now(UTC) + timedelta(days=1))
    assert numbers(gallery.store) == [2, 5]
    assert roll_back(gallery, 2).still_erased == 1
    assert "b000000" not in live_ids(gallery)
    require_sound(gallery)


def test_a_template_under_another_id_of_an_image_erased_since_stays_erased() -> None:
    gallery = two_states()
    erased = gallery.erase("a000001")
    table = gallery.rewrite_tombstones(erased, template_id="f" * 32)
    for key in (layout.snapshot(erased.seq), erased.tombstones[0].key):
        gallery.store.delete(key)
    assert table["image_id"].to_pylist() == ["a/000001.jpg"]
    assert roll_back(gallery, 2).still_erased == 1
    assert "a000001" not in live_ids(gallery)


def test_subjects_under_an_order_stay_erased_with_all_their_templates_and_the_orders_stay() -> None:
    gallery = two_states()
    gallery.erase(subjects=["b-1"])
    orders = gallery.head.orders
    report = roll_back(gallery, 2)
    assert report.still_erased == 2
    assert live_ids(gallery).isdisjoint({"b000002", "b000003"})
    assert gallery.head.orders == orders
    require_sound(gallery)


def test_what_the_older_one_had_erased_itself_is_not_erased_twice() -> None:
    gallery = SmallGallery()
    gallery.embed(Shard("a"), Shard("b", 5))
    gallery.erase("a000000")
    gallery.erase("a000001", "b000002")
    report = roll_back(gallery, 3)
    assert (report.still_erased, report.templates) == (2, 5)
    assert len(gallery.head.tombstones) == 2
    require_sound(gallery)


def test_only_an_explicit_wish_brings_erased_templates_back() -> None:
    gallery = two_states()
    gallery.erase("a000001", subjects=["b-1"])
    report = roll_back(gallery, 2, restore_erased=True)
    assert (report.still_erased, report.restored_erased) == (0, 3)
    assert live_ids(gallery) == {*Shard("a").template_ids, *Shard("b", 5).template_ids}
    assert gallery.head.orders is None
    require_sound(gallery)


def test_another_run_that_publishes_in_between_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = two_states()
    real = gallery_rollback.later_erasures

    def slow(*arguments: object) -> object:
        gallery.embed(Shard("z"))
        return real(*arguments)

    monkeypatch.setattr(gallery_rollback, "later_erasures", slow)
    with pytest.raises(StaleError, match="published snapshot 5 first"):
        roll_back(gallery, 2)
    assert gallery.head.restates is None


def test_it_waits_for_a_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = two_states()
    monkeypatch.setattr(gallery_rollback, "writing", functools.partial(writing, wait_s=0.1))
    with collecting(gallery.store, "gallery gc"), pytest.raises(RetryableError, match="gallery rollback has to wait"):
        roll_back(gallery, 2)
    assert gallery.head.seq == 4


def test_a_rollback_can_be_rolled_back() -> None:
    gallery = two_states()
    roll_back(gallery, 2)
    roll_back(gallery, 4)
    changes = compare(gallery.store, snapshots.read(gallery.store, 4), gallery.head)
    assert (changes.added, changes.removed, changes.re_embedded, changes.parts_read) == (0, 0, 0, 0)
    assert gallery.head.seq == 6
