"""`facebatch policy`: what each command prints and returns, on the example packs."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from facebatch.cli import main
from facebatch.governance.facts import Facts, RequesterFacts
from facebatch.storage.local import LocalStore
from infra.tree import ROOT
from past_searches import manifest, put

FOLDER = str(ROOT / "configs" / "policies")
MORATORIUM = ROOT / "configs" / "policies" / "vendor-moratorium-2020.yaml"


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(["policy", *arguments])
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_lint_and_test_take_the_example_packs(capsys: pytest.CaptureFixture[str]) -> None:
    assert " packs, 0 faults" in said(capsys, "lint", FOLDER)
    assert said(capsys, "test", FOLDER).endswith(" 0 not as expected\n")
    packs = json.loads(said(capsys, "lint", FOLDER, "--json"))["packs"]
    assert {len(pack["sha256"]) for pack in packs} == {64}


def test_a_table_that_is_wrong_has_an_exit_code(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(MORATORIUM.read_text().replace("day: 2020-06-10", "day: 2020-06-09", 1))
    with pytest.raises(SystemExit) as stop:
        main(["policy", "test", str(wrong)])
    out, err = capsys.readouterr()
    assert (stop.value.code, err.count("\n")) == (2, 1)
    assert "a sheriff on the first day: denied by nothing, expected police" in out


def test_explain_tells_every_reason_in_words(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    request = tmp_path / "request.yaml"
    request.write_text("purpose: missing_child\nrequester: {sector: law_enforcement, jurisdiction: US-OR}\n")
    arguments = ("explain", str(request), "--packs", FOLDER, "--at", "2020-07-01T12:00:00Z")
    text = said(capsys, *arguments)
    assert text.startswith("REFUSED at 2020-07-01T12:00:00+00:00\n")
    for words in (
        "refused by baseline.case",
        "unknown: case_id",
        "refused by vendor-moratorium-2020.police",
        "unless requester.sector is child_protection_ngo: no (it is law_enforcement)",
        "us-md 2 (Maryland, Criminal Procedure 2-501 to 2-510): not in force",
    ):
        assert words in text
    told = json.loads(said(capsys, *arguments, "--json"))
    assert not told["allowed"]
    assert "vendor-moratorium-2020.police" in {denial["rule"] for denial in told["denials"]}
    with pytest.raises(SystemExit) as stop:
        main(["policy", *arguments[:-1], "2020-07-01T12:00:00"])
    assert (stop.value.code, "--at" in capsys.readouterr().err) == (2, True)


def test_diff_tells_which_past_requests_change(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    later = tmp_path / "later.yaml"
    later.write_text(MORATORIUM.read_text().replace("start: 2020-06-10", "start: 2020-08-01"))
    past = tmp_path / "past.jsonl"
    moments = {"july": "2020-07-01T00:00:00Z", "september": "2020-09-01T00:00:00Z", "before": "2019-09-01T00:00:00Z"}
    request = {"requester": {"sector": "law_enforcement"}}
    past.write_text(
        "".join(json.dumps({"id": name, "at": at, "request": request}) + "\n" for name, at in moments.items())
    )
    text = said(capsys, "diff", str(MORATORIUM), str(later), "--requests", str(past))
    assert text.splitlines() == [
        "july",
        "  before: refused by vendor-moratorium-2020.police",
        "  after:  allowed; obligations: none",
        "1 of 3 past requests decided differently",
    ]
    told = json.loads(said(capsys, "diff", str(MORATORIUM), str(MORATORIUM), "--requests", str(past), "--json"))
    assert told == {"requests": 3, "changed": []}


def test_diff_reads_the_requests_of_past_searches(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    request = Facts(requester=RequesterFacts(sector="law_enforcement"))
    july = manifest("july", 1, request=request, decided_at=datetime(2020, 7, 1, tzinfo=UTC))
    put(LocalStore(tmp_path / "results"), july, manifest("later", 1, request=request))
    packs = (str(MORATORIUM), str(MORATORIUM.with_name("vendor-moratorium-2021.yaml")))
    text = said(capsys, "diff", *packs, "--results", str(tmp_path / "results"))
    assert text.splitlines() == [
        "july",
        "  before: refused by vendor-moratorium-2020.police",
        "  after:  allowed; obligations: none",
        "later",
        "  before: allowed; obligations: none",
        "  after:  refused by vendor-moratorium-2021.police",
        "2 of 2 past requests decided differently",
    ]


@pytest.mark.parametrize("places", [(), ("--requests", "past.jsonl", "--results", "results")])
def test_diff_reads_past_requests_from_one_place(capsys: pytest.CaptureFixture[str], places: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["policy", "diff", str(MORATORIUM), str(MORATORIUM), *places])
    assert (stop.value.code, "--requests FILE or with --results URI" in capsys.readouterr().err) == (2, True)


def test_lint_tells_of_fields_that_no_report_knows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pack = tmp_path / "pack.yaml"
    pack.write_text((ROOT / "configs" / "policies" / "us-mt.yaml").read_text().replace("[searches,", "[serches,"))
    assert "no report knows the field serches" in said(capsys, "lint", str(pack))
    assert "no report knows" not in said(capsys, "lint", FOLDER)
