"""An authorisation that came may be taken back, once, and nobody uses the search from then on."""

from datetime import timedelta
from pathlib import Path

import pytest

from facebatch.errors import ForbiddenError, StopError
from facebatch.pipelines.retention_authorise import (
    Authorisation,
    Revocation,
    find_authorisation,
    put_authorisation,
    put_revocation,
    read_authorised,
)
from facebatch.pipelines.retention_deleted import require_undeleted
from facebatch.pipelines.retention_words import of_plan
from facebatch.storage import layout
from retained import LIST_CLASS, NOW, Retained, records

REVOKED = Revocation(reason="the warrant was quashed", by="court 4", at=NOW + timedelta(hours=2))


@pytest.fixture
def past(tmp_path: Path) -> Retained:
    return Retained(tmp_path)


def granted(past: Retained, **obligations: int) -> str:
    deadline = NOW + timedelta(hours=40)
    search = past.search(1, pending_until=deadline, leads=True, **obligations)
    told = Authorisation(outcome="granted", kind="warrant", ref="4/26", by="unit 1", at=NOW)
    put_authorisation(past.results.folder(search), told, deadline)
    return search


def test_it_stands_beside_the_grant_and_the_first_one_counts(past: Retained) -> None:
    search = granted(past)
    folder = past.results.folder(search)
    before = find_authorisation(folder)
    assert put_revocation(folder, REVOKED) == REVOKED
    assert put_revocation(folder, REVOKED.model_copy(update={"by": "another"})) == REVOKED
    assert find_authorisation(folder) == before
    found = read_authorised(folder)
    assert (found.granted_at, found.revoked_at, found.refused_at) == (NOW, REVOKED.at, None)


def test_nobody_may_use_it(past: Retained) -> None:
    folder = past.results.folder(granted(past))
    require_undeleted(folder)
    put_revocation(folder, REVOKED)
    for object_class in ("candidate_lists", "probe_templates", "leads"):
        with pytest.raises(ForbiddenError, match="was revoked on 2026-06-01; nobody may use it"):
            require_undeleted(folder, object_class)  # type: ignore[arg-type]


def test_where_the_packs_purge_what_is_unlawful_all_of_it_goes_at_once(past: Retained) -> None:
    search = granted(past, purge_unlawful=True)
    assert past.plan(NOW + timedelta(hours=3)).due == ()
    put_revocation(past.results.folder(search), REVOKED)
    report = past.delete(NOW + timedelta(hours=3))
    assert {due.reason for due in report.deleted} == {"revoked"}
    assert past.keys(search) == records("probe_media", "probe_templates", "leads", "candidate_lists")


def test_else_it_goes_with_its_days_and_is_told_until_then(past: Retained) -> None:
    search = granted(past, retain_candidates_days=5, retain_probe_days=5)
    put_revocation(past.results.folder(search), REVOKED)
    plan = past.plan(NOW + timedelta(days=1))
    assert (plan.due, plan.revoked) == ((), 1)
    assert of_plan(plan)["revoked"].startswith("1 may be used by nobody")
    past.delete(NOW + timedelta(days=5))
    assert past.keys(search) == {"leads/1.json"} | records("probe_media", "probe_templates", "candidate_lists")


def test_a_hold_keeps_what_was_revoked(past: Retained) -> None:
    search = granted(past, purge_unlawful=True)
    put_revocation(past.results.folder(search), REVOKED)
    past.hold(search=search)
    assert past.delete(NOW + timedelta(hours=3)).deleted == ()
    assert past.keys(search) >= {*LIST_CLASS, layout.REVOCATION}


def test_what_was_never_granted_is_refused_and_not_revoked(past: Retained) -> None:
    search = past.search(1)
    folder = past.results.folder(search)
    with pytest.raises(StopError, match="no authorisation was granted that could be revoked; `facebatch retention ref"):
        put_revocation(folder, REVOKED)
    put_authorisation(folder, Authorisation(outcome="refused", reason="no", by="c", at=NOW), None)
    with pytest.raises(StopError, match="no authorisation was granted"):
        put_revocation(folder, REVOKED)
