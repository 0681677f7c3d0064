"""`facebatch policy`: what each command prints and returns, on the example packs."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from decided import NO_SKETCH, pack_file
from facebatch.cli import main
from facebatch.governance.facts import Facts, RequesterFacts
from facebatch.storage.local import LocalStore
from infra.tree import ROOT
from past_searches import manifest, put

FOLDER = str(ROOT / "configs" / "policies")
MORATORIUM = ROOT / "configs" / "policies" / "vendor-moratorium-2020.yaml"


POLICE = Facts(
    purpose="missing_child", case_id="A", requester=RequesterFacts(agency="unit 4", sector="law_enforcement")
)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(["policy", *arguments])
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_lint_and_test_take_the_example_packs(capsys: pytest.CaptureFixture[str]) -> None:
    assert " packs, 0 faults" in said(capsys, "lint", FOLDER)
    assert said(capsys, "lint", str(MORATORIUM)).splitlines()[-1].startswith("1 pack, 0 faults, ")
    assert said(capsys, "test", str(MORATORIUM)).endswith(" cases of 1 pack, 0 not as expected\n")
    assert re.search(r": 1 rule, \d+ cases\n", said(capsys, "lint", str(MORATORIUM)))
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
        "refused by floor.requester: state who asks for the search (request.requester.agency)",
        "unknown: case_id",
        "floor 1 (the floor of facebatch): in scope",
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


def test_explain_tells_which_probes_are_refused_and_why(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (pack,) = pack_file(tmp_path, NO_SKETCH).packs
    (tmp_path / "request.yaml").write_text("purpose: missing_child\ncase_id: A\nrequester: {agency: unit 4}\n")
    rows = "".join(f"p{number:02},true\n" for number in range(25))
    (tmp_path / "probes.csv").write_text(f"probe_id,is_sketch\n{rows}photo,false\n")
    arguments = ("explain", str(tmp_path / "request.yaml"), "--packs", pack)
    assert "  of " not in said_refused(capsys, *arguments), "without facts of probes there is nothing to tell of them"
    lines = said(capsys, *arguments, "--probe-facts", str(tmp_path / "probes.csv")).splitlines()
    assert lines[0].startswith("ALLOWED")
    assert lines[1] == "  of 26 probes that facts are stated of, 25 are refused"
    assert lines[2] == "    p00: tested.sketch [RCW 43.386.080(6)]: no sketches"
    assert lines[22] == "    and 5 more"
    assert lines[23] == (
        "  any other probe is refused: tested.sketch [RCW 43.386.080(6)]: no sketches (unknown: probe.is_sketch)"
    )
    told = json.loads(said(capsys, *arguments, "--probe-facts", str(tmp_path / "probes.csv"), "--json"))["probes"]
    assert (told["stated"], len(told["refused"]), "photo" in told["refused"]) == (26, 25, False)


def said_refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    text = said(capsys, *arguments)
    assert text.startswith("REFUSED")
    return text


def test_diff_tells_which_past_requests_change(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    later = tmp_path / "later.yaml"
    later.write_text(MORATORIUM.read_text().replace("start: 2020-06-10", "start: 2020-08-01"))
    past = tmp_path / "past.jsonl"
    moments = {"july": "2020-07-01T00:00:00Z", "september": "2020-09-01T00:00:00Z", "before": "2019-09-01T00:00:00Z"}
    request = POLICE.model_dump(mode="json", exclude_none=True)
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
    july = manifest("july", 1, request=POLICE, decided_at=datetime(2020, 7, 1, tzinfo=UTC))
    put(LocalStore(tmp_path / "results"), july, manifest("later", 1, request=POLICE))
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


def test_diff_decides_the_floor_and_every_probe_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "strict").mkdir()
    (before,) = pack_file(tmp_path, {**NO_SKETCH, "kind": "oblige", "obligations": {"reviewers": 1}}).packs
    (after,) = pack_file(tmp_path / "strict", NO_SKETCH).packs
    stated = {"drawn": {"probe.is_sketch": True}, "photo": {"probe.is_sketch": False}}
    request = POLICE.model_dump(mode="json", exclude_none=True)
    whole = {"id": "whole", "at": "2026-03-01T00:00:00Z", "request": request, "stated": stated}
    nobody = {**whole, "id": "nobody", "request": {**request, "requester": {}}}
    (tmp_path / "past.jsonl").write_text(f"{json.dumps(whole)}\n{json.dumps(nobody)}\n")
    arguments = ("diff", before, after, "--requests", str(tmp_path / "past.jsonl"))
    assert said(capsys, *arguments).splitlines() == [
        "whole",
        "  before: allowed; obligations: reviewers 1",
        "  after:  allowed; probes refused: 1, by tested.sketch; obligations: none",
        "  probes decided differently: 1",
        "nobody",
        "  before: refused by floor.requester",
        "  after:  refused by floor.requester, tested.sketch",
        "  probes decided differently: 1",
        "2 of 2 past requests decided differently",
    ]
    (told, _) = json.loads(said(capsys, *arguments, "--json"))["changed"]
    assert (told["probes"], told["after"]["refused"], told["after"]["refused_by"]) == (1, 1, ["tested.sketch"])


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
