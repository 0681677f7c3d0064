"""A search that is not finished is known by the request that was stored when it began."""

from datetime import timedelta
from pathlib import Path

import pytest

from facebatch.pipelines.retention_authorise import Authorisation, put_authorisation
from facebatch.pipelines.retention_deleted import read_deleted
from facebatch.pipelines.retention_holds import case_digest
from facebatch.pipelines.retention_survey import read_search
from facebatch.storage import layout
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


def test_a_refused_case_is_known_by_its_record(past: Retained) -> None:
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
