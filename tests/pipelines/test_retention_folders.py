"""Runs, reviews and standing cases go when no search is left that they are about."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from facebatch.pipelines.retention_delete import _Deletion
from facebatch.pipelines.retention_folders import DeletedFolder
from facebatch.pipelines.retention_holds import Release, case_digest, put_release
from facebatch.pipelines.retention_plan import DueObjects
from facebatch.pipelines.retention_words import of_plan, of_report
from facebatch.review.queue import put_pair
from facebatch.storage import layout
from gallery.small import objects
from retained import ACT, CASE, NOW, Retained, days_ago
from reviewed import case, docket, pair

RUN, REVIEW = "1" * 24, "2" * 32
ALL = {"candidate_lists_days": 14, "probe_templates_days": 14, "probe_media_days": 14}


@pytest.fixture
def past(tmp_path: Path) -> Retained:
    return Retained(tmp_path)


def run_of(past: Retained, *searches: str) -> set[str]:
    entries = [{"search_id": search, "case": case_digest(CASE), "probes": 3} for search in searches]
    past.store.put(layout.case_run(RUN, "manifest.json"), json.dumps({"run": RUN, "searches": entries}).encode())
    past.store.put(layout.case_run(RUN, "index.html"), b"<html>")
    return {layout.case_run(RUN, name) for name in ("manifest.json", "index.html")}


def standing_of(past: Retained, search: str) -> str:
    key = layout.standing_record(case_digest(CASE), 4, search)
    past.store.put(key, b"{}")
    return key


def review_of(past: Retained, search: str) -> set[str]:
    told = {"docket": {"search": search, "case": case_digest(CASE)}, "seat": 1}
    keys = {layout.review_pair(REVIEW), layout.review_third(REVIEW), layout.review_sheet(REVIEW, "3" * 32)}
    for key in keys:
        past.store.put(key, json.dumps({"assignments": [told, told]}).encode())
    return keys


def test_they_stay_while_a_search_is_left_and_go_with_the_last(past: Retained) -> None:
    old, young = past.search(1, decided_at=days_ago(20)), past.search(2, decided_at=days_ago(10))
    keys = {*run_of(past, old, young), standing_of(past, old)}
    report = past.delete(**ALL)
    assert (report.folders, keys <= set(objects(past.store))) == ((), True)
    plan = past.plan(NOW + timedelta(days=5), **ALL)
    assert [folder.folder for folder in plan.folders] == [f"runs/{RUN}/", f"standing/{case_digest(CASE)}/"]
    assert "no search is left that it is about" in of_plan(plan)["due in searches"]
    report = past.delete(NOW + timedelta(days=5), **ALL)
    assert {folder.folder for folder in report.folders} == {folder.folder for folder in plan.folders}
    assert keys.isdisjoint(objects(past.store))
    assert f"runs/{RUN}/: 2 objects" in of_report(report)["deleted of searches"]
    told = [each for each in past.told if isinstance(each, DeletedFolder)]
    assert [each.resource for each in told] == [f"run:{RUN}", f"standing:{case_digest(CASE)}"]
    assert past.delete(NOW + timedelta(days=5), **ALL).folders == ()


def test_a_hold_keeps_them_although_their_searches_are_gone(past: Retained) -> None:
    search = past.search(1, decided_at=days_ago(20))
    keys = {*run_of(past, search), *review_of(past, search), standing_of(past, search)}
    past.delete(candidate_lists_days=14)
    past.hold(case=CASE)
    past.delete(NOW, **ALL, leads_days=1)
    assert keys <= set(objects(past.store))
    put_release(past.store, Release(name="h", at=NOW, **ACT))
    past.delete(NOW, **ALL, leads_days=1)
    assert keys.isdisjoint(objects(past.store))


def test_a_hold_that_comes_while_the_run_is_at_work_keeps_them(past: Retained, monkeypatch: pytest.MonkeyPatch) -> None:
    search = past.search(1, decided_at=days_ago(20))
    keys = run_of(past, search)
    delete = _Deletion.delete

    def then_held(work: _Deletion, due: DueObjects) -> None:
        delete(work, due)
        if due.object_class == "candidate_lists":
            past.hold(case=CASE)

    monkeypatch.setattr(_Deletion, "delete", then_held)
    report = past.delete(**ALL)
    assert (report.folders, report.held_meanwhile) == ((), (f"runs/{RUN}/",))
    assert keys <= set(objects(past.store))


def test_reviews_go_with_the_leads_of_their_search(past: Retained) -> None:
    search = past.search(1, decided_at=days_ago(20), leads=True)
    keys = review_of(past, search)
    past.delete(**ALL)
    assert keys <= set(objects(past.store))
    report = past.delete(leads_days=20)
    assert [folder.kind for folder in report.folders] == ["review"]
    assert keys.isdisjoint(objects(past.store))


def test_real_reviews_are_read(past: Retained) -> None:
    lists = case()
    put_pair(past.store, pair(lists))
    [folder] = past.plan().folders
    assert folder.searches == (docket(lists).search,)
    assert folder.case_of(docket(lists).search) == docket(lists).case


def test_a_run_that_was_never_finished_goes_when_it_is_old(past: Retained) -> None:
    key = layout.case_run(RUN, "index.html")
    past.store.put(key, b"<html>")
    modified = past.store.head(key).modified
    assert modified is not None
    assert past.plan(modified + timedelta(days=29)).folders == ()
    assert [folder.keys for folder in past.plan(modified + timedelta(days=31)).folders] == [(key,)]


def test_a_damaged_manifest_is_told_and_a_strange_folder_is_left_alone(past: Retained) -> None:
    past.store.put(layout.case_run(RUN, "manifest.json"), b"{")
    past.store.put("runs/notes/x.txt", b"x")
    plan = past.plan(NOW + timedelta(days=900))
    assert plan.folders == ()
    assert [f"runs/{RUN}/manifest.json: not JSON" in problem for problem in plan.problems] == [True]
