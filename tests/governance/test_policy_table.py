"""The example packs together: a table of decisions that must not change unnoticed, and what every pack carries."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from facebatch.governance import policy
from facebatch.governance.cases import check_cases
from facebatch.governance.explain import explain
from facebatch.governance.facts import Facts, with_changes
from facebatch.governance.packs import PackSpec
from facebatch.governance.verdict import decide
from facebatch.pipelines.policy_files import read_packs
from infra.tree import ROOT

FOLDER = ROOT / "configs" / "policies"
FILES = sorted(FOLDER.glob("*.yaml"))
PACKS = {pack.id: pack for pack in read_packs(FOLDER)}
CHOSEN = [PACKS[name] for name in ("baseline", "vendor-moratorium-2020", "sf-19b", "us-md")]
USUAL = with_changes(
    Facts(purpose="criminal_investigation", case_id="EXAMPLE-1", narrative="An example."),
    {
        "requester.agency": "unit 4",
        "requester.sector": "law_enforcement",
        "requester.jurisdiction": "US-OR",
        "media.live": False,
    },
)
MARYLAND = {"requester.jurisdiction": "US-MD", "event_contexts": ()}
DAY = datetime(2026, 1, 2, 12, tzinfo=UTC)
NGO = {"purpose": "missing_child", "requester.sector": "child_protection_ngo", "requester.jurisdiction": "US"}


@pytest.mark.parametrize(
    ("changes", "day", "denied_by"),
    [
        pytest.param({}, "2020-07-01", ["vendor-moratorium-2020.police"], id="Oregon sheriff July 2020"),
        pytest.param({}, "2021-07-01", [], id="Oregon sheriff July 2021"),
        pytest.param(NGO, "2020-07-01", [], id="child protection, missing child, July 2020"),
        pytest.param(
            {"requester.sector": None}, "2020-07-01", ["vendor-moratorium-2020.police"], id="sector unknown July 2020"
        ),
        pytest.param({"requester.jurisdiction": "US-CA-SF"}, "2024-01-01", ["sf-19b.ban"], id="San Francisco 2024"),
        pytest.param(
            {**MARYLAND, "offence.categories": ("violent_crime",), "requester.training_date": "2024-12-02"},
            "2025-01-01",
            [],
            id="Maryland robbery",
        ),
        pytest.param(
            {**MARYLAND, "offence.categories": ("theft",), "requester.training_date": "2023-11-28"},
            "2025-01-01",
            ["us-md.default", "us-md.training"],
            id="Maryland theft and stale training: both reasons",
        ),
        pytest.param({"case_id": ""}, "2025-01-01", ["baseline.case"], id="no case"),
        pytest.param({"media.live": True}, "2025-01-01", ["baseline.live"], id="live"),
        pytest.param({"media.live": None}, "2025-01-01", ["baseline.live"], id="live not stated"),
    ],
)
def test_the_decision_table(changes: dict[str, Any], day: str, denied_by: list[str]) -> None:
    facts, at = with_changes(USUAL, changes), datetime.fromisoformat(f"{day}T12:00:00+00:00")
    verdict = decide(CHOSEN, facts, at)
    assert sorted(denial.rule for denial in verdict.denials) == denied_by
    assert all(denial.citation and denial.message for denial in verdict.denials)
    text = explain(policy.decide(facts, CHOSEN, at))
    assert text.startswith("REFUSED" if denied_by else "ALLOWED")
    assert "\nfloor 1 (the floor of facebatch): in scope\n" in text
    assert all(f"refused by {denial.rule}: {denial.message} [{denial.citation}]" in text for denial in verdict.denials)


def test_every_source_of_the_definitions_has_a_pack() -> None:
    states = {f"us-{state}" for state in ("wa", "md", "ut", "mt", "va", "me", "ma", "vt")}
    cities = {"sf-19b", "northampton-ma", "detroit-mi"}
    others = {"baseline", "fbi-ngi", "interpol", "eu-ai-act", "gdpr-bipa", "aws-public-safety"}
    assert set(PACKS) == states | cities | others | {"vendor-moratorium-2020", "vendor-moratorium-2021"}


@pytest.mark.parametrize("place", ["US-CA-SF", "us-ca-sf", " us-ca-sf-19 "])
def test_no_spelling_of_a_place_escapes_its_pack(place: str) -> None:
    verdict = decide([PACKS["sf-19b"]], with_changes(USUAL, {"requester.jurisdiction": place}), DAY)
    assert [denial.rule for denial in verdict.denials] == ["sf-19b.ban"]


@pytest.mark.parametrize("place", ["US-CA", "us", "US-ca"])
def test_nobody_escapes_a_city_by_saying_less_of_the_place(place: str) -> None:
    pack, facts = PACKS["sf-19b"], with_changes(USUAL, {"requester.jurisdiction": place})
    verdict = decide([pack], facts, DAY)
    (denial,) = verdict.denials
    assert (denial.rule, denial.missing, denial.inexact) == ("sf-19b.ban", (), ("requester.jurisdiction",))
    text = explain(policy.decide(facts, [pack], DAY))
    assert "to be stated more exactly: requester.jurisdiction" in text
    assert f"requester.jurisdiction lies within US-CA-SF: unknown (it is {place})" in text
    said = pack.applies[0].model_copy(update={"less_exact": "outside"})
    otherwise = pack.model_copy(update={"applies": (said, *pack.applies[1:])})
    assert decide([otherwise], facts, DAY).allowed
    assert otherwise.digest() != pack.digest()


@pytest.mark.parametrize("place", ["San Francisco", "US_CA_SF", "US-CA-", "USA", "US-CA-" + "S" * 19])
def test_a_place_that_is_no_code_is_refused(place: str) -> None:
    with pytest.raises(ValidationError, match="jurisdiction"):
        with_changes(USUAL, {"requester.jurisdiction": place})


@pytest.mark.parametrize("pack", PACKS.values(), ids=lambda pack: pack.id)
def test_a_pack_decides_as_its_own_table_says(pack: PackSpec) -> None:
    results = list(check_cases(pack))
    assert [result for result in results if result.faults] == []
    assert len(results) == len(pack.cases)


@pytest.mark.parametrize("pack", PACKS.values(), ids=lambda pack: pack.id)
def test_a_table_reaches_every_rule_that_can_deny(pack: PackSpec) -> None:
    denied = {name for case in pack.cases for name in case.denied_by}
    assert {rule.id for rule in pack.rules if rule.kind in ("forbid", "require")} <= denied
    assert (pack.default == "deny") <= ("default" in denied)
    if any(rule.kind == "oblige" for rule in pack.rules):
        verdict = decide([pack], pack.request(pack.cases[0]), pack.cases[0].at)
        assert verdict.obligations.model_dump(exclude_defaults=True)


def test_a_wrong_row_of_a_table_is_told() -> None:
    pack = PACKS["us-md"]
    wrong = pack.cases[0].model_copy(update={"denied_by": ("training",)})
    (result,) = check_cases(pack.model_copy(update={"cases": (wrong,)}))
    assert result.faults == ("denied by nothing, expected training",)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_pack_says_that_it_is_an_example(file: Path) -> None:
    head = file.read_text().split("\n\n", 1)[0]
    assert "Example, not legal advice." in head
    assert f"facebatch policy test configs/policies/{file.name}" in head
    assert PACKS[file.stem].source_url.startswith("https://")
