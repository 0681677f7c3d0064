"""`facebatch retention`: what each command prints, records and returns."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from facebatch.cli import main
from facebatch.governance.audit import append
from facebatch.storage.local import LocalStore
from gallery.small import objects
from governance.recorded import facts
from retained import CASE, Retained, records

ACT = ("--reason", "a complaint", "--authority", "court 4", "--by", "unit 1")


def a_gallery(root: Path) -> Path:
    append(LocalStore(root), facts())
    return root


@pytest.fixture
def past(tmp_path: Path) -> Retained:
    return Retained(tmp_path, gallery=str(a_gallery(tmp_path / "gallery")))


def said(capsys: pytest.CaptureFixture[str], past: Retained, *arguments: str) -> str:
    main(["retention", *arguments, "--results", str(past.root / "results"), "--quiet"])
    out, err = capsys.readouterr()
    assert err == ""
    return out


def told(capsys: pytest.CaptureFixture[str], past: Retained, *arguments: str) -> dict[str, Any]:
    found = json.loads(said(capsys, past, *arguments, "--json"))
    assert isinstance(found, dict)
    return found


def fails(capsys: pytest.CaptureFixture[str], past: Retained, *arguments: str) -> str:
    before = objects(past.store)
    with pytest.raises(SystemExit) as stop:
        main(["retention", *arguments, "--results", str(past.root / "results")])
    assert stop.value.code == 2
    assert objects(past.store) == before
    return capsys.readouterr().err


def test_a_hold_from_its_beginning_to_its_end(capsys: pytest.CaptureFixture[str], past: Retained) -> None:
    searches = [past.search(1), past.search(2), past.search(3, case="another")]
    found = told(capsys, past, "hold", "court-4", "--case", CASE, *ACT)
    assert (found["searches"], found["deleted_before"], found["case"] == CASE) == (2, [], False)
    assert told(capsys, past, "hold", "one", "--search", searches[2], *ACT)["searches"] == 1
    lines = said(capsys, past, "list").splitlines()
    assert lines[0].startswith(f"court-4: case {found['case']}, since ")
    assert lines[0].endswith(" by unit 1, on the authority of court 4")
    assert (lines[1], lines[2].split(",")[0], lines[-1]) == (
        "  a complaint",
        f"one: search {searches[2]}",
        "2 holds in force",
    )
    said(capsys, past, "release", "one", *ACT)
    assert said(capsys, past, "list").splitlines()[-1] == "1 hold in force"
    assert "one:" not in said(capsys, past, "list")
    assert "one:" in (every := said(capsys, past, "list", "--all"))
    assert "  released " in every
    assert [hold["release"] is None for hold in told(capsys, past, "list", "--all")["holds"]] == [True, False]


def test_a_hold_that_comes_late_says_what_is_gone(capsys: pytest.CaptureFixture[str], past: Retained) -> None:
    search = past.search(1, decided_at=datetime.now(UTC) - timedelta(days=9))
    past.delete(datetime.now(UTC), probe_templates_days=1)
    assert told(capsys, past, "hold", "h", "--search", search, *ACT)["deleted_before"] == [f"{search}: probe_templates"]


def test_what_would_hold_nothing_is_refused(capsys: pytest.CaptureFixture[str], past: Retained) -> None:
    search = past.search(1)
    assert "holds nothing of a search 'abc'" in fails(capsys, past, "hold", "h", "--search", "abc", *ACT)
    assert "give --search or --case" in fails(capsys, past, "hold", "h", *ACT)
    assert "give --search or --case" in fails(capsys, past, "hold", "h", "--search", search, "--case", CASE, *ACT)
    blank = ("--reason", " ", "--authority", "court 4", "--by", "unit 1")
    assert "--reason is blank" in fails(capsys, past, "hold", "h", "--search", search, *blank)
    assert "has no hold 'h'; in force are: none" in fails(capsys, past, "release", "h", *ACT)


def test_authorise_and_refuse(capsys: pytest.CaptureFixture[str], past: Retained) -> None:
    deadline = datetime.now(UTC) + timedelta(hours=1)
    first, second = past.search(1, pending_until=deadline), past.search(2, pending_until=deadline)
    grant = ("--ref", "4/26", "--kind", "warrant", "--by", "unit 1")
    assert told(capsys, past, "authorise", first, *grant)["outcome"] == "granted"
    assert "the first record stands" in fails(capsys, past, "refuse", first, "--reason", "no", "--by", "unit 1")
    assert "kind" in fails(capsys, past, "authorise", second, "--ref", "4/26", "--kind", "none", "--by", "unit 1")
    assert "expire --delete deletes the search" in said(capsys, past, "refuse", second, "--reason", "no", "--by", "u")
    past.delete(datetime.now(UTC))
    assert past.keys(second) == records("probe_media", "probe_templates", "candidate_lists")
    assert "authorisation.json" in past.keys(first)


def test_revoke(capsys: pytest.CaptureFixture[str], past: Retained) -> None:
    deadline = datetime.now(UTC) + timedelta(hours=1)
    search, other = past.search(1, pending_until=deadline, purge_unlawful=True), past.search(2)
    why = ("--reason", "quashed", "--by", "unit 1")
    assert "no authorisation was granted that could be revoked" in fails(capsys, past, "revoke", search, *why)
    said(capsys, past, "authorise", search, "--ref", "4/26", "--kind", "warrant", "--by", "unit 1")
    assert "`facebatch retention revoke` takes back" in fails(capsys, past, "refuse", search, *why)
    found = told(capsys, past, "revoke", search, *why)
    assert (found["search"], found["goes"], found["reason"]) == (search, "at once", "quashed")
    past.delete(datetime.now(UTC))
    assert past.keys(search) == records("probe_media", "probe_templates", "candidate_lists")
    assert "manifest.json" in past.keys(other)


def test_close(capsys: pytest.CaptureFixture[str], past: Retained) -> None:
    past.search(1)
    found = told(capsys, past, "close", CASE, "--on", "2026-05-20", "--by", "unit 1")
    assert (found["on"], CASE in json.dumps(found)) == ("2026-05-20", False)
    assert past.plan(starts="case_close").cases_open == 0
    assert "was closed on 2026-05-20" in fails(capsys, past, "close", CASE, "--on", "2026-05-21", "--by", "unit 1")
