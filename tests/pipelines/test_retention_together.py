"""Others at work: a second expire, and a hold that comes while one deletes photos that two searches share."""

from pathlib import Path

import pytest

from expiring import DAY, Erasing, erasing
from facebatch.errors import CorruptError, RetryableError, StopError
from facebatch.gallery.leases import collecting
from facebatch.governance.retention import RetentionSpec
from facebatch.pipelines import expire_searches, retention_delete, retention_media
from facebatch.pipelines.retention_words import require_judged
from facebatch.storage.local import LocalStore
from gallery.small import objects
from retained import LIST_CLASS, Retained, days_ago, records
from worlds import QUIET

PHOTOS = {"probe_media_days": 7, "delete_probe_media": True}


@pytest.fixture
def gallery(tmp_path: Path) -> Erasing:
    return erasing(tmp_path)


@pytest.fixture
def past(tmp_path: Path) -> Retained:
    return Retained(tmp_path)


def photos(past: Retained) -> int:
    return len(list((past.root / "photos").rglob("*.jpg")))


def test_while_one_run_deletes_another_is_told_to_come_back_and_touches_nothing(
    gallery: Erasing, past: Retained
) -> None:
    search = past.search(1, decided_at=days_ago(900))
    config = gallery.config(results=str(past.root / "results"), retention=RetentionSpec(candidate_lists_days=7))
    before = past.keys(search)
    with collecting(past.store, "expire"):
        with pytest.raises(RetryableError, match="is at work there, so expire has to wait"):
            expire_searches.delete(config, DAY, gallery.store, QUIET)
        assert past.keys(search) == before
    report = expire_searches.delete(config, DAY.replace(year=2027), gallery.store, QUIET)
    assert report is not None
    assert (past.keys(search) & LIST_CLASS, objects(past.store, "leases/")) == (set(), {})


def test_a_run_whose_lease_ended_stops_before_the_next_class(past: Retained) -> None:
    search = past.search(1, decided_at=days_ago(20))
    left = [1]

    def require() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise RetryableError("ended")

    spec = RetentionSpec(probe_templates_days=7, candidate_lists_days=7)
    moment = retention_delete.Moment(days_ago(0), days_ago(0))
    with pytest.raises(RetryableError):
        retention_delete.run(past.results, spec, moment, past.told.append, QUIET, require)
    assert past.keys(search) >= LIST_CLASS | records("probe_templates")
    assert records("candidate_lists").isdisjoint(past.keys(search))


def test_shared_photos_stay_for_a_search_that_is_held_while_the_run_is_at_work(
    past: Retained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are due when the run begins; the hold on the second comes before the photos of the first go."""
    first, second = past.search(1, decided_at=days_ago(9)), past.search(2, decided_at=days_ago(9))
    known = retention_media.MediaNeeds.__init__

    def then_held(needs: retention_media.MediaNeeds, *arguments: object) -> None:
        known(needs, *arguments)  # type: ignore[arg-type]
        past.hold(search=second)

    monkeypatch.setattr(retention_media.MediaNeeds, "__init__", then_held)
    before = past.keys(second)
    report = past.delete(**PHOTOS)
    assert {due.search_id for due in report.deleted} == {first}
    assert (photos(past), report.media_deleted, past.keys(second)) == (3, 0, before)
    assert {kept.why for kept in report.media_kept} == {f"search {second} needs it"}


def test_a_hold_that_comes_too_late_for_a_photo_is_told(past: Retained, monkeypatch: pytest.MonkeyPatch) -> None:
    past.search(1, decided_at=days_ago(9))
    second = past.search(2, decided_at=days_ago(9))
    delete = LocalStore.delete

    def then_held(store: LocalStore, key: str) -> None:
        delete(store, key)
        if key.endswith("000001.jpg"):
            past.hold(search=second)

    monkeypatch.setattr(LocalStore, "delete", then_held)
    report = past.delete(**PHOTOS)
    with pytest.raises(StopError, match=f"{second}: was held while its probe images were deleted; some of them are"):
        require_judged(report)


def test_a_search_nobody_can_read_keeps_all_photos(past: Retained) -> None:
    past.search(1, decided_at=days_ago(9))
    other = past.search(2, decided_at=days_ago(9))
    past.results.folder(other).put("manifest.json", b"{")
    with pytest.raises(CorruptError):
        retention_media.MediaNeeds(past.results, retention_delete._readable(past.results), set())
    assert (past.delete(**PHOTOS).media_deleted, photos(past)) == (0, 3)
