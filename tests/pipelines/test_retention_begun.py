"""A search that is not finished is known by the request that it began with, a refused case by its refusal."""

from datetime import timedelta
from pathlib import Path

import pytest

from facebatch.pipelines.retention_authorise import Authorisation, put_authorisation
from facebatch.pipelines.retention_cases import ClosedCase, put_closed
from facebatch.pipelines.retention_deleted import read_deleted
from facebatch.pipelines.retention_holds import case_digest
from facebatch.pipelines.retention_survey import read_search
from facebatch.storage import layout
from facebatch.storage.documents import canonical
from facebatch.storage.local import LocalStore
from retained import CASE, NOW, Retained, days_ago, records


@pytest.fixture
def past(tmp_path: Path) -> Retained:
    return Retained(tmp_path)


def begun(past: Retained, number: int = 1, **changes: object) -> str:
    return past.search(number, finished=False, begun=True, **changes)  # type: ignore[arg-type]


def test_its_deadline_deletes_it(past: Retained) -> None:
    deadline = NOW + timedelta(hours=40)
    search = begun(past, pending_until=deadline)
    assert (past.plan().due, past.plan().awaiting, past.plan().unfinished) == ((), 1, 1)
    assert {due.reason for due in past.delete(deadline).deleted} == {"not_authorised"}
    assert past.keys(search) == records("probe_media", "probe_templates", "candidate_lists")


def test_its_authorisation_is_recorded_or_refused_while_it_runs(past: Retained) -> None:
    deadline = NOW + timedelta(hours=40)
    kept, gone = (begun(past, number, pending_until=deadline) for number in (1, 2))
    pending = read_search(past.results, kept).state.pending_until
    granted = Authorisation(outcome="granted", kind="warrant", ref="4/26", by="unit 1", at=NOW)
    put_authorisation(past.results.folder(kept), granted, pending)
    refused = Authorisation(outcome="refused", reason="no ground", by="court 4", at=NOW)
    put_authorisation(past.results.folder(gone), refused, pending)
    assert {due.search_id for due in past.delete(deadline).deleted} == {gone}


def test_a_hold_of_its_case_keeps_it_and_that_of_another_does_not(past: Retained) -> None:
    search = begun(past, pending_until=days_ago(1))
    before = past.keys(search)
    past.hold(case=CASE)
    assert past.delete().deleted == ()
    assert past.keys(search) == before
    other = begun(past, 2, pending_until=days_ago(1), case="another")
    assert {due.search_id for due in past.delete().deleted} == {other}


def test_the_days_of_its_packs_count_from_the_decision_also_when_its_lists_are_gone(past: Retained) -> None:
    search = begun(past, decided_at=days_ago(8), retain_candidates_days=7, retain_probe_days=10)
    assert [due.object_class for due in past.delete().deleted] == ["candidate_lists"]
    record = read_deleted(past.results.folder(search))["candidate_lists"]
    assert (record.certified, record.decided_at, record.case) == (False, days_ago(8), case_digest(CASE))
    state = read_search(past.results, search).state
    assert (state.is_finished, state.obligations.retain_probe_days) == (False, 10)
    assert past.plan(NOW + timedelta(days=1)).due == ()
    assert {due.reason for due in past.delete(NOW + timedelta(days=2)).deleted} == {"policy"}
    assert past.keys(search) == records("probe_media", "probe_templates", "candidate_lists")


def test_its_request_goes_before_its_certificate_so_that_it_never_seems_unfinished(
    past: Retained, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = past.search(1, begun=True, decided_at=days_ago(20))
    gone: list[str] = []
    delete = LocalStore.delete

    def noted(store: LocalStore, key: str) -> None:
        gone.append(key)
        delete(store, key)

    monkeypatch.setattr(LocalStore, "delete", noted)
    past.delete(candidate_lists_days=14)
    assert gone[-2:] == [layout.REQUEST, layout.SEARCH_MANIFEST]
    assert layout.REQUEST not in past.keys(search)


def refuse(past: Retained, number: int = 3, day: int = 1) -> str:
    """A case that policy refused in May, as `cases` leaves it."""
    search = f"{number:024x}"
    told = {"case": case_digest(CASE), "at": f"2026-05-{day:02}T00:00:00Z", "gallery": past.gallery, "snapshot": 4}
    past.results.folder(search).put(layout.REFUSAL, canonical(told | {"search_id": search, "more": 1}))
    past.results.folder(search).put(layout.CASE, canonical({"case_id": CASE, "made_at": told["at"]}))
    past.results.folder(search).put(layout.SHEET, b"<html>")
    return search


def test_a_refused_case_is_known_by_its_refusal(past: Retained) -> None:
    stored = read_search(past.results, refuse(past))
    assert (stored.about.case, stored.about.gallery, stored.about.snapshot) == (case_digest(CASE), past.gallery, 4)
    assert stored.state.decided_at == NOW.replace(month=5, day=1, hour=0)
    assert (stored.state.is_finished, stored.state.denied, stored.state.certified) == (True, True, False)


def test_a_refused_case_has_the_days_of_lists_since_the_refusal_and_is_never_unfinished(past: Retained) -> None:
    search = refuse(past)
    plan = past.plan(NOW + timedelta(days=900))
    assert (plan.due, plan.unfinished) == ((), 0)
    end = NOW.replace(month=5, day=15, hour=0)
    assert past.plan(end - timedelta(days=1), candidate_lists_days=14).due == ()
    report = past.delete(end, candidate_lists_days=14)
    assert {(due.object_class, due.reason, due.since) for due in report.deleted} == {
        ("sheets", "clock", end),
        ("candidate_lists", "clock", end),
    }
    assert past.keys(search) == records("sheets", "candidate_lists")
    record = read_deleted(past.results.folder(search))["candidate_lists"]
    assert (record.denied, record.certified, record.gallery) == (True, False, past.gallery)


def test_what_is_left_of_a_refused_case_is_known_for_what_it_is(past: Retained) -> None:
    search = refuse(past)
    past.delete(candidate_lists_days=14)
    past.results.folder(search).put("outcomes.parquet", b"x")
    state = read_search(past.results, search).state
    assert (state.denied, state.is_finished) == (True, True)


def test_a_refused_case_waits_for_its_case_to_be_closed_where_others_do(past: Retained) -> None:
    refuse(past)
    settings = {"candidate_lists_days": 14, "starts": "case_close"}
    plan = past.plan(**settings)
    assert (plan.due, plan.cases_open) == ((), 1)
    put_closed(past.store, ClosedCase(case=case_digest(CASE), on=days_ago(20).date(), by="unit 1", at=NOW))
    assert [due.object_class for due in past.plan(**settings).due] == ["sheets", "candidate_lists"]


def test_a_hold_of_its_case_keeps_a_refused_one(past: Retained) -> None:
    search = refuse(past)
    before = past.keys(search)
    past.hold(case="another")
    assert len(past.plan(candidate_lists_days=14).due) == 2
    past.hold("own", case=CASE)
    report = past.delete(candidate_lists_days=14)
    assert (report.deleted, past.keys(search)) == ((), before)
    assert [(held.search_id, held.holds) for held in report.plan.held] == [(search, ("own",))]


def test_its_refusal_goes_last_so_that_it_never_seems_to_be_something_else(
    past: Retained, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = refuse(past)
    gone: list[str] = []
    delete = LocalStore.delete
    monkeypatch.setattr(LocalStore, "delete", lambda store, key: (gone.append(key), delete(store, key))[1])
    past.delete(candidate_lists_days=14)
    assert gone[-1] == layout.REFUSAL
    assert search not in str(gone)


def test_by_an_earlier_release_a_refused_case_is_known_by_what_its_sheet_shows(past: Retained) -> None:
    search = f"{3:024x}"
    folder = past.results.folder(search)
    folder.put(layout.CASE, b'{"case_id": "%s", "made_at": "2026-05-01T00:00:00Z", "more": 1}' % CASE.encode())
    folder.put(layout.SHEET, b"<html>")
    stored = read_search(past.results, search)
    assert (stored.about.case, stored.state.decided_at, stored.state.is_finished) == (
        case_digest(CASE),
        NOW.replace(month=5, day=1, hour=0),
        False,
    )
    modified = folder.head(layout.CASE).modified
    assert modified is not None
    later = modified + timedelta(days=31)
    past.hold(case="another")
    assert [due.object_class for due in past.plan(later).due] == ["sheets", "candidate_lists"]
    past.hold("own", case=CASE)
    assert past.plan(later).due == ()
