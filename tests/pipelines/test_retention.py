"""Retention of searches: what is due goes, what is held stays, and a half-deleted search is never taken for whole."""

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from dying import Crash
from facebatch.errors import ConfigError, ForbiddenError, NotFoundError, StopError
from facebatch.pipelines import retention_delete
from facebatch.pipelines.retention_authorise import Authorisation, put_authorisation
from facebatch.pipelines.retention_cases import ClosedCase, put_closed
from facebatch.pipelines.retention_deleted import read_deleted, require_undeleted
from facebatch.pipelines.retention_holds import Release, case_digest, put_release, read_holds
from facebatch.pipelines.retention_survey import read_search
from facebatch.pipelines.retention_words import of_plan, of_report, require_judged
from facebatch.storage import layout
from facebatch.storage.local import LocalStore
from gallery.small import objects
from retained import ACT, CASE, LIST_CLASS, NOW, Retained, days_ago, records

WEEKS = {"candidate_lists_days": 14, "probe_templates_days": 7}


@pytest.fixture
def past(tmp_path: Path) -> Retained:
    return Retained(tmp_path)


def refused(past: Retained, search_id: str) -> None:
    folder = past.results.folder(search_id)
    put_authorisation(folder, Authorisation(outcome="refused", reason="no ground", by="court 4", at=NOW), None)


def granted(past: Retained, search_id: str, **changes: object) -> Authorisation:
    values = {"outcome": "granted", "kind": "court_order", "ref": "4/26", "by": "unit 1", "at": NOW, **changes}
    pending = read_search(past.results, search_id).state.pending_until
    return put_authorisation(past.results.folder(search_id), Authorisation.model_validate(values), pending)


def test_a_plan_tells_what_is_due_and_writes_nothing(past: Retained) -> None:
    old, young = past.search(1, decided_at=days_ago(14)), past.search(2, decided_at=days_ago(6))
    before = objects(past.store)
    plan = past.plan(**WEEKS)
    assert objects(past.store) == before
    assert [(due.search_id, due.object_class, due.reason, due.objects) for due in plan.due] == [
        (old, "probe_templates", "clock", 2),
        (old, "candidate_lists", "clock", len(LIST_CLASS)),
    ]
    assert plan.due[0].since == days_ago(7)
    assert (plan.searches, plan.held, plan.unfinished, plan.problems) == (2, (), 0, ())
    assert young not in str(of_plan(plan))
    assert "its time is over since 2026-05-25 12:00 UTC" in of_plan(plan)["due in searches"]


def test_each_class_goes_by_itself_and_a_record_without_people_remains(past: Retained) -> None:
    search = past.search(1, decided_at=days_ago(8), leads=True, retain_probe_days=8)
    report = past.delete(**WEEKS)
    assert (len(report.deleted), report.left, report.problems) == (2, 0, ())
    assert past.keys(search) == {*LIST_CLASS, "leads/1.json"} | records("probe_media", "probe_templates")
    require_undeleted(past.results.folder(search))
    with pytest.raises(StopError, match=r"probe templates of this search were deleted by retention on \d{4}-.*clock"):
        require_undeleted(past.results.folder(search), "probe_templates")
    later = past.delete(NOW + timedelta(days=7), **WEEKS)
    assert [due.object_class for due in later.deleted] == ["candidate_lists"]
    assert past.keys(search) == {"leads/1.json"} | records("probe_media", "probe_templates", "candidate_lists")
    past.delete(NOW + timedelta(days=9), **WEEKS, leads_days=9)
    assert past.keys(search) == records("probe_media", "probe_templates", "candidate_lists", "leads")
    record = read_deleted(past.results.folder(search))["candidate_lists"]
    assert (record.search_id, record.snapshot, record.images, record.probes) == (search, 4, 3, 3)
    assert (record.reason, record.objects, record.decided_at) == ("clock", len(LIST_CLASS), days_ago(8))
    assert "Doe" not in "".join(path.read_text() for path in (past.root / "results" / search).rglob("*.json"))
    assert [each.event_id for each in past.told if each.object_class == "candidate_lists"] == [record.event_id]
    assert past.plan(NOW + timedelta(days=99), **WEEKS).searches == 0
    with pytest.raises(StopError, match="cannot be read or resumed"):
        require_undeleted(past.results.folder(search))


def test_run_twice_it_deletes_nothing_more(past: Retained) -> None:
    past.search(1, decided_at=days_ago(20))
    assert len(past.delete(**WEEKS).deleted) == 2
    before, told = objects(past.store), len(past.told)
    assert past.delete(**WEEKS).deleted == ()
    assert (objects(past.store), len(past.told)) == (before, told)


def test_a_refusal_deletes_at_once_and_nobody_may_use_it_until_then(past: Retained) -> None:
    search = past.search(1, pending_until=NOW + timedelta(hours=40), leads=True)
    assert (past.plan().due, past.plan().awaiting) == ((), 1)
    refused(past, search)
    with pytest.raises(ForbiddenError, match="was refused on 2026-06-01; nobody may use it"):
        require_undeleted(past.results.folder(search))
    report = past.delete()
    assert {due.reason for due in report.deleted} == {"refused"}
    assert past.keys(search) == records("probe_media", "probe_templates", "leads", "candidate_lists")


def test_an_authorisation_that_does_not_come_deletes_and_one_that_comes_in_time_keeps(past: Retained) -> None:
    deadline = NOW + timedelta(hours=40)
    late, kept = past.search(1, pending_until=deadline), past.search(2, pending_until=deadline)
    granted(past, kept)
    assert granted(past, kept, at=NOW + timedelta(hours=1)).at == NOW
    assert past.plan(deadline - timedelta(seconds=1)).due == ()
    report = past.delete(deadline)
    assert {(due.search_id, due.reason, due.since) for due in report.deleted} == {(late, "not_authorised", deadline)}
    assert past.keys(late) == records("probe_media", "probe_templates", "candidate_lists")
    assert past.keys(kept) >= LIST_CLASS


def test_what_is_left_of_an_authorised_search_does_not_wait_for_it_again(past: Retained) -> None:
    deadline = NOW + timedelta(hours=1)
    search = past.search(1, pending_until=deadline, leads=True)
    granted(past, search)
    past.delete(NOW + timedelta(days=20), **WEEKS)
    assert "leads/1.json" in past.keys(search)
    assert past.plan(NOW + timedelta(days=90), **WEEKS).due == ()


def test_a_record_from_before_the_authorisation_came_does_not_wait_for_it_again(past: Retained) -> None:
    search = past.search(1, pending_until=NOW + timedelta(hours=1), leads=True)
    assert [due.object_class for due in past.delete(probe_media_days=0).deleted] == ["probe_media"]
    granted(past, search)
    past.delete(NOW + timedelta(days=20), **WEEKS)
    assert past.keys(search) == {"leads/1.json"} | records("probe_media", "probe_templates", "candidate_lists")
    assert past.plan(NOW + timedelta(days=90), **WEEKS).due == ()


def test_killed_at_any_deletion_of_its_lists_an_authorised_search_keeps_its_leads(
    past: Retained, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = past.search(1, pending_until=NOW + timedelta(hours=1), leads=True)
    granted(past, search)
    base = past.root / "base"
    shutil.copytree(past.root / "results", base)
    for kept in range(len(LIST_CLASS) + 1):
        shutil.rmtree(past.root / "results")
        shutil.copytree(base, past.root / "results")
        with monkeypatch.context() as patch:
            patch.setattr(LocalStore, "delete", dying(kept))
            with pytest.raises(Crash):
                past.delete(NOW + timedelta(days=20), candidate_lists_days=14)
        past.delete(NOW + timedelta(days=20), candidate_lists_days=14)
        assert "leads/1.json" in past.keys(search), f"killed after {kept} deletions"


def test_what_packs_oblige_to_outlives_the_certificate(past: Retained) -> None:
    search = past.search(1, decided_at=days_ago(8), retain_candidates_days=7, retain_probe_days=10)
    assert [due.object_class for due in past.delete().deleted] == ["candidate_lists"]
    assert past.plan(NOW + timedelta(days=1)).due == ()
    assert {due.reason for due in past.delete(NOW + timedelta(days=2)).deleted} == {"policy"}
    assert past.keys(search) == records("probe_media", "probe_templates", "candidate_lists")


def test_an_authorisation_is_recorded_once_in_time_and_for_a_search_that_awaits_one(past: Retained) -> None:
    deadline = NOW + timedelta(hours=40)
    search, other = past.search(1, pending_until=deadline), past.search(2)
    with pytest.raises(StopError, match="no authorisation is awaited for this search"):
        granted(past, other)
    with pytest.raises(StopError, match="the deadline passed at 2026-06-03T04:00:00"):
        granted(past, search, at=deadline)
    granted(past, search)
    with pytest.raises(StopError, match="was granted on 2026-06-01, recorded by unit 1; the first record stands"):
        granted(past, search, ref="5/26")
    with pytest.raises(StopError, match="was granted on 2026-06-01"):
        refused(past, search)
    refused(past, other)
    with pytest.raises(NotFoundError, match="give its id"):
        granted(past, "../x")


@pytest.mark.parametrize("by_case", [False, True])
def test_what_is_held_is_never_due_until_it_is_released(past: Retained, by_case: bool) -> None:
    search = past.search(1, decided_at=days_ago(20), pending_until=days_ago(18))
    past.search(2, decided_at=days_ago(20), case="another")
    past.hold(search=None if by_case else search, case=CASE if by_case else None)
    before = past.keys(search)
    report = past.delete(**WEEKS)
    assert {due.search_id for due in report.deleted} == {f"{2:024x}"}
    assert [(held.search_id, held.holds) for held in report.plan.held] == [(search, ("h",))]
    assert past.keys(search) == before
    put_release(past.store, Release(name="h", at=NOW, **ACT))
    assert [entry.release is not None for entry in read_holds(past.store)] == [True]
    assert len(past.delete(**WEEKS).deleted) == 3
    assert past.keys(search) == records("probe_media", "probe_templates", "candidate_lists")


def test_one_release_does_not_end_the_hold_of_another_authority(past: Retained) -> None:
    past.search(1, decided_at=days_ago(20))
    past.hold("h", case=CASE)
    past.hold("other", case=CASE)
    put_release(past.store, Release(name="h", at=NOW, **ACT))
    assert past.delete(**WEEKS).deleted == ()


def test_a_hold_put_while_the_run_is_at_work_keeps_what_was_not_begun(past: Retained) -> None:
    """Between the look at the holds and the record of the deletion."""
    search = past.search(1, decided_at=days_ago(20))
    before = past.keys(search)
    judge = retention_delete.judge

    def and_then_held(*arguments: object) -> object:
        found = judge(*arguments)
        past.hold(search=search)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retention_delete, "judge", and_then_held)
        report = past.delete(**WEEKS)
    assert (report.deleted, set(report.held_meanwhile), past.told) == ((), {search}, [])
    assert past.keys(search) == before


def test_holds_have_names_of_their_own(past: Retained) -> None:
    search = past.search(1)
    assert past.hold(search=search) == past.hold(search=search)
    with pytest.raises(StopError, match=r"holds/h\.json: holds something else since 2026-06-01"):
        past.hold(case=CASE)
    with pytest.raises(ConfigError, match="'a/b' cannot name a hold"):
        past.hold("a/b", search=search)
    with pytest.raises(NotFoundError, match="has no hold 'x'; in force are: h"):
        put_release(past.store, Release(name="x", at=NOW, **ACT))
    put_release(past.store, Release(name="h", at=NOW, **ACT))
    with pytest.raises(StopError, match="was released, which stays on record"):
        past.hold(search=search)
    with pytest.raises(ConfigError, match="blank id"):
        past.hold("other", case="  ")


def test_an_unfinished_search_is_left_alone_until_nothing_was_written_for_long(past: Retained) -> None:
    search = past.search(1, finished=False)
    month = past.results.folder(search).head("outcomes.parquet").modified
    assert month is not None
    soon, later = month + timedelta(days=28), month + timedelta(days=31)
    assert (past.plan(soon, **WEEKS).due, past.plan(soon).unfinished) == ((), 1)
    past.hold(case="of which nobody knows whether it is its case")
    assert past.delete(later).deleted == ()
    put_release(past.store, Release(name="h", at=NOW, **ACT))
    assert {due.reason for due in past.delete(later).deleted} == {"unfinished"}
    assert past.keys(search) == records("probe_media", "probe_templates", "candidate_lists")


def test_a_case_that_was_closed_starts_the_clocks(past: Retained) -> None:
    past.search(1, decided_at=days_ago(200))
    by_case = {**WEEKS, "starts": "case_close"}
    assert (past.plan(**by_case).due, past.plan(**by_case).cases_open) == ((), 1)
    closed = ClosedCase(case=case_digest(f" {CASE} "), on=date(2026, 5, 20), by="unit 1", at=NOW)
    assert put_closed(past.store, closed) == put_closed(past.store, closed)
    assert [due.object_class for due in past.plan(**by_case).due] == ["probe_templates"]
    with pytest.raises(StopError, match="was closed on 2026-05-20, by unit 1"):
        put_closed(past.store, closed.model_copy(update={"on": date(2026, 5, 21)}))
    with pytest.raises(ConfigError, match="still to come"):
        put_closed(past.store, closed.model_copy(update={"on": date(2999, 1, 1)}))


def dying(deletions: int) -> Callable[[LocalStore, str], None]:
    """Deletes so many objects, then the process dies."""
    left, delete = [deletions], LocalStore.delete

    def guarded(store: LocalStore, key: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Crash
        delete(store, key)

    return guarded


def test_killed_at_any_deletion_the_rerun_leaves_nothing_and_nothing_half(
    past: Retained, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = past.search(1, decided_at=days_ago(20), pending_until=days_ago(19), leads=True)
    base = past.root / "base"
    shutil.copytree(past.root / "results", base)
    everything = records("probe_media", "probe_templates", "leads", "candidate_lists")
    for kept in range(30):
        shutil.rmtree(past.root / "results")
        shutil.copytree(base, past.root / "results")
        with monkeypatch.context() as patch:
            patch.setattr(LocalStore, "delete", dying(kept))
            try:
                past.delete()
            except Crash:
                crashed = True
            else:
                crashed = False
        if "manifest.json" not in past.keys(search):
            with pytest.raises(StopError, match="deleted by retention"):
                require_undeleted(past.results.folder(search))
        assert past.delete().problems == ()
        assert past.keys(search) == everything
        if not crashed:
            assert kept >= len(LIST_CLASS) + 6
            return
    pytest.fail("the run never got through all its deletions")


def test_what_is_written_again_is_found_by_the_scan_and_by_the_next_run(past: Retained) -> None:
    search = past.search(1, decided_at=days_ago(20))
    folder, delete = past.results.folder(search), LocalStore.delete

    def again(store: LocalStore, key: str) -> None:
        delete(store, key)
        if key == "candidates/000000.parquet":
            folder.put("candidates/000001.parquet", b"x")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalStore, "delete", again)
        report = past.delete(**WEEKS)
    assert report.left == 1
    with pytest.raises(
        StopError, match=r"1 objects of candidate_lists were deleted and are still there, candidates/0000"
    ):
        require_judged(report)
    assert of_report(report)["scan afterwards"].startswith("1 objects left")
    assert past.delete(**WEEKS).left == 0
    assert not list(folder.list("candidates/"))


def test_a_search_that_cannot_be_judged_is_told_and_the_others_are_deleted(past: Retained) -> None:
    past.search(1, decided_at=days_ago(20))
    torn = past.search(2, decided_at=days_ago(20))
    past.results.folder(torn).put(layout.SEARCH_MANIFEST, b"{")
    report = past.delete(**WEEKS)
    assert {due.search_id for due in report.deleted} == {f"{1:024x}"}
    with pytest.raises(StopError, match=rf"1 findings among the searches:\n.*{torn}/manifest\.json: not JSON"):
        require_judged(report)


def test_other_objects_in_the_root_are_no_searches(past: Retained) -> None:
    for key in ("notes.txt", "abc/manifest.json", f"{1:024x}", "holds-of-old/x.json"):
        past.store.put(key, b"x")
    before = objects(past.store)
    assert past.delete(**WEEKS).plan.searches == 0
    assert objects(past.store) == before


def test_the_longest_time_that_audit_events_must_be_kept_is_told(past: Retained) -> None:
    past.search(1, audit_keep_days=1095)
    assert (past.plan().audit_days, past.plan(audit_days=2000).audit_days) == (1095, 2000)
    assert of_plan(past.plan())["audit events"] == "never deleted here, and must be kept 1095 days at least"
    assert of_plan(Retained(past.root / "none").plan())["audit events"] == "never deleted here"
