"""expire and past searches: nothing goes without --delete, then what is due does, and a scan says so."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from expiring import DAY, Erasing, erasing
from facebatch.cli import main
from facebatch.config import ExpireConfig
from facebatch.errors import GateError, StopError
from facebatch.gallery.tombstones import end_of
from facebatch.governance import pseudonyms
from facebatch.governance.retention import RetentionSpec
from facebatch.pipelines import expire, expire_people, expire_searches, match
from facebatch.pipelines.expire_finds import require_gone
from facebatch.pipelines.expire_report import ExpireReport
from facebatch.pipelines.retention_authorise import Authorisation, put_authorisation
from facebatch.pipelines.retention_deleted import require_undeleted
from facebatch.storage.local import LocalStore
from gallery.small import objects
from retained import LIST_CLASS, NOW, Retained, records
from searched import search as search_world
from worlds import LOCAL, QUIET, World

WEEK = RetentionSpec(candidate_lists_days=7)


@pytest.fixture
def gallery(tmp_path: Path) -> Erasing:
    return erasing(tmp_path)


@pytest.fixture
def past(tmp_path: Path) -> Retained:
    return Retained(tmp_path)


def flags(past: Retained, *more: str) -> list[str]:
    root = past.root
    words = ["expire", "--gallery", f"{root}/gallery", "--results", f"{root}/results", "--as-of", str(DAY)]
    return [*words, "--retention.candidate-lists-days", "7", "--run.executor", "local", "--quiet", *more]


def told(capsys: pytest.CaptureFixture[str], past: Retained, *more: str) -> dict[str, object]:
    main(flags(past, "--json", *more))
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_from_the_plan_to_nothing_left(gallery: Erasing, past: Retained, capsys: pytest.CaptureFixture[str]) -> None:
    search = past.search(1, decided_at=end_of(DAY) - timedelta(days=7, seconds=1))
    kept = past.search(2, decided_at=end_of(DAY) - timedelta(days=6))
    before = objects(gallery.store), objects(past.store)
    plan = told(capsys, past)
    assert (plan["expired"], plan["searches"]["searches"]) == (1, 2)  # type: ignore[index]
    assert (objects(gallery.store), objects(past.store)) == before
    with pytest.raises(SystemExit) as stop:
        main(flags(past, "--verify"))
    out, err = capsys.readouterr()
    assert (stop.value.code, f"  {search}: {len(LIST_CLASS)} objects of candidate lists" in out) == (2, True)
    assert f"{len(LIST_CLASS)} objects of searches that must be gone are still there; run `facebatch expire" in err
    main(flags(past, "--delete"))
    assert "0 objects left of what was deleted" in capsys.readouterr().out.replace("\n", " ")
    assert records("candidate_lists") <= past.keys(search)
    assert past.keys(kept) >= LIST_CLASS
    main(flags(past, "--verify"))
    assert "searches: 0 objects still found that must be gone, of 2 searches" in capsys.readouterr().out
    assert told(capsys, past, "--delete")["searches"]["deleted"] == []  # type: ignore[index]


def test_delete_and_verify_are_two_runs(gallery: Erasing, past: Retained, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(flags(past, "--delete", "--verify"))
    assert "give one of them" in capsys.readouterr().err


def test_the_pipeline_writes_nothing_unless_it_is_told_to(gallery: Erasing, past: Retained) -> None:
    past.search(1, decided_at=end_of(DAY) - timedelta(days=9))
    config = gallery.config(results=str(past.root / "results"), retention=WEEK)
    before = objects(gallery.store), objects(past.store)
    expire.run(config, QUIET)
    assert (objects(gallery.store), objects(past.store)) == before
    assert gallery.plan().searches is None


def test_a_gallery_that_may_not_be_published_keeps_no_search(gallery: Erasing, past: Retained) -> None:
    search = past.search(1, decided_at=end_of(DAY) - timedelta(days=9))
    first, *others = gallery.head.shards
    gallery.publish(shards=(first.model_copy(update={"outcomes": {"ok": 2}}), *others))
    with pytest.raises(GateError):
        gallery.run(results=str(past.root / "results"), retention=WEEK)
    assert records("candidate_lists") <= past.keys(search)


@pytest.mark.parametrize(("hours", "refused"), [(-13, True), (13, True), (1, False)])
def test_by_a_clock_that_is_far_off_nothing_goes_and_by_another_the_store_decides(
    gallery: Erasing, past: Retained, monkeypatch: pytest.MonkeyPatch, hours: int, refused: bool
) -> None:
    """A machine that is an hour ahead does not end a deadline an hour early."""
    now = datetime.now(NOW.tzinfo)
    search = past.search(1, decided_at=now, pending_until=now + timedelta(minutes=30))
    monkeypatch.setattr(expire_searches, "measure_skew", lambda store: timedelta(hours=hours))

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return now + timedelta(hours=hours)

    monkeypatch.setattr(expire_searches, "datetime", Ahead)
    config = gallery.config(results=str(past.root / "results"), as_of=None)
    if refused:
        with pytest.raises(
            StopError, match=r"nothing of its searches is deleted, since the clock of this machine is 468"
        ):
            expire_searches.delete(config, now.date(), gallery.store, QUIET)
    else:
        report = expire_searches.delete(config, now.date(), gallery.store, QUIET)
        assert report is not None
        assert report.deleted == ()
    assert past.keys(search) >= LIST_CLASS


def test_people_who_were_erased_by_request_lose_their_pseudonyms_also_after_a_crash(gallery: Erasing) -> None:
    erased, other = (pseudonyms.pseudonym(gallery.store, "subject", name) for name in ("a-0", "b-0"))
    asked = gallery.request("subject,a-0,r,a")
    gallery.plan(deletions=asked)
    assert pseudonyms.known_pseudonym(gallery.store, "subject", "a-0") == erased
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expire_people, "forget", lambda store, head: 0)
        gallery.run(deletions=asked)
    assert pseudonyms.known_pseudonym(gallery.store, "subject", "a-0") == erased
    gallery.run()
    assert pseudonyms.known_pseudonym(gallery.store, "subject", "a-0") is None
    assert pseudonyms.known_pseudonym(gallery.store, "subject", "b-0") == other
    assert expire_people.forget(gallery.store, gallery.head) == 0


@pytest.mark.integration
def test_a_real_search_whose_authorisation_is_refused_is_gone_and_does_not_come_back(searchable: World) -> None:
    report = search_world(searchable)
    folder = LocalStore(report.results)
    put_authorisation(folder, Authorisation(outcome="refused", reason="no ground", by="court", at=NOW), None)
    config = ExpireConfig(gallery=str(searchable.root / "gallery"), results=str(searchable.root / "results"), run=LOCAL)
    done = expire.run(config, QUIET, dry_run=False)
    assert isinstance(done, ExpireReport)
    assert done.searches is not None
    assert (done.searches.left, done.searches.problems) == (0, ())
    assert set(objects(folder)) == records("probe_media", "probe_templates", "candidate_lists")
    require_gone(expire.verify(config, QUIET))
    with pytest.raises(StopError, match="candidate lists of this search were deleted by retention"):
        require_undeleted(folder)
    with pytest.raises(StopError, match="candidate lists of this search were deleted by retention"):
        match.run(searchable.match(), QUIET)
