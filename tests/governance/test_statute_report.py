"""The report that laws ask for: every field a pack names has a value or says that it is kept elsewhere."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from facebatch.governance.audit import GENESIS, Anchor, AuditEvent, seal
from facebatch.governance.obligations import Obligations
from facebatch.governance.packs import PackSpec
from facebatch.governance.report_fields import FIELDS, demands, unknown_fields
from facebatch.governance.small_counts import SMALL, WITHHELD
from facebatch.governance.statute_report import ELSEWHERE, Field, StatuteReport, report, text
from facebatch.pipelines.policy_files import read_packs
from governance.recorded import facts
from infra.tree import ROOT

PACKS = read_packs(ROOT / "configs" / "policies")
MONTANA = [pack for pack in PACKS if pack.id == "us-mt"]
START = Anchor(seq=0, hash=GENESIS)


def events(*groups: tuple[int, dict[str, Any]]) -> list[AuditEvent]:
    return [seal(facts(**changed), START) for count, changed in groups for _ in range(count)]


def fields(found: StatuteReport) -> dict[str, Field]:
    return {field.name: field for pack in found.packs for field in pack.fields}


def asking(*names: str) -> PackSpec:
    rule = MONTANA[0].rules[-1].model_copy(update={"obligations": Obligations(report_fields=names)})
    return MONTANA[0].model_copy(update={"rules": (rule,)})


YEAR: Sequence[tuple[int, dict[str, Any]]] = (
    (8, {"offences": ("felony",), "authority": "warrant", "gallery_source": "mugshot", "probes": 10}),
    (6, {"offences": ("felony", "stalking"), "authority": "exigent", "gallery_source": "dmv", "probes": 1}),
    (5, {"action": "decision", "decision": "denied", "jurisdiction": "US-MD-BALTIMORE"}),
    (7, {"action": "export"}),
    (9, {"action": "deletion", "jurisdiction": None}),
    (2, {"action": "publish", "jurisdiction": None}),
    (3, {"jurisdiction": None}),
    (50, {"jurisdiction": "us-wa"}),
    (50, {"at": datetime(2025, 12, 31, tzinfo=UTC)}),
)


def test_the_fields_of_a_statute_are_filled() -> None:
    found = report(events(*YEAR), 2026, "us-md", PACKS)
    assert [pack.pack for pack in found.packs] == ["us-md"]
    assert found.requests.events == "26"
    assert found.requests.table == {"export": "7", "refused": "5", "search": "14"}
    assert found.gallery.table == {"deletion": WITHHELD, "publish": SMALL}
    assert (found.no_jurisdiction, found.probes) == (SMALL, "86")
    told = fields(found)
    assert told["searches_by_crime_type"].table == {"felony": "14", "stalking": "6"}
    assert told["databases"].table == {"dmv": "6", "mugshot": "8"}
    assert told["leads_to_action"].count == "7"
    elsewhere = {name for name, field in told.items() if field.count == ELSEWHERE}
    assert elsewhere == {"breaches", "leads_by_age_race_gender", "systems", "unauthorised_uses", "use_policy"}
    lines = text(found).splitlines()
    assert "  breaches: not recorded here: keep it beside the case" in lines
    assert ["stalking", "6"] in [line.split() for line in lines]
    assert f"  leads_to_action: leads exported 7; what they led to is {ELSEWHERE}" in lines


def test_every_field_that_is_known_has_a_value() -> None:
    found = report(events(*YEAR), 2026, "US-MT", [asking(*FIELDS)])
    assert set(fields(found)) == set(FIELDS)
    for field in fields(found).values():
        assert (field.count is None) == (field.table is not None)
        assert (field.count == ELSEWHERE) == (field.source == "elsewhere")
    assert unknown_fields(asking(*FIELDS, "moon_phase")) == ["moon_phase"]
    assert fields(report([], 2026, "US-MT", [asking("moon_phase")]))["moon_phase"].count == ELSEWHERE


def test_properties_that_are_not_stated_are_told_as_such() -> None:
    late = {"at": datetime(2026, 12, 31, tzinfo=UTC), "offences": (), "probes": 2, "purpose": None}
    made = events((6, {}), (7, late))
    pack = asking("offences", "searches_by_purpose", "searches_by_authority", "searches_per_quarter", "searches")
    told = fields(report(made, 2026, "us-md", [pack.model_copy(update={"applies": ()})]))
    assert told["offences"].table == {"none of the classes": "7", "not stated": "6"}
    assert told["searches_by_purpose"].table == {"missing_person": "6", "not stated": "7"}
    assert told["searches_by_authority"].table == {"not stated": "13"}
    assert told["searches_per_quarter"].table == {"2026 Q1": "6", "2026 Q4": "7"}
    assert told["searches"].count == "13"
    assert report(made, 2026, "us-md", []).probes == ELSEWHERE


def test_a_year_without_events() -> None:
    found = report([], 2026, "us-mt", PACKS)
    assert (found.requests.events, found.requests.table, found.probes) == ("0", {}, "0")
    assert (fields(found)["searches"].count, fields(found)["offences"].table) == ("0", {})
    assert "no pack that covers us-or asks for a report" in text(report([], 2026, "us-or", PACKS))


@pytest.mark.parametrize(
    ("place", "year", "asked_by"),
    [
        ("us-md", 2024, ["us-md"]),
        ("US-MD", 2023, []),
        ("US-MD-BALTIMORE", 2026, ["us-md"]),
        ("US", 2026, []),
        ("de-by", 2026, ["eu-ai-act", "gdpr-bipa"]),
        ("US-IL", 2026, []),
        ("us-va", 2022, ["us-va"]),
        ("us-va", 2021, []),
    ],
)
def test_the_packs_that_cover_a_place_in_a_year_ask(place: str, year: int, asked_by: list[str]) -> None:
    assert [demand.pack.id for demand in demands(PACKS, year, place)] == asked_by


def test_searches_are_not_told_by_a_property_where_their_number_is_not() -> None:
    made = events((5, {"offences": ("felony",)}), (4, {"action": "export"}))
    found = report(made, 2026, "us-md", [asking("offences", "searches").model_copy(update={"applies": ()})])
    assert found.requests.table == {"export": SMALL, "search": WITHHELD}
    assert (fields(found)["offences"].table, fields(found)["searches"].count) == ({}, WITHHELD)
    assert found.probes == WITHHELD


def test_whoever_knows_the_method_cannot_work_a_small_count_out_of_the_whole_report() -> None:
    """All reports there can be of two offences and one other kind of event, by what is printed."""
    highest = 12
    pools = [
        events((highest, {"offences": ("felony",)})),
        events((highest, {"offences": ("theft",)})),
        events((highest, {"action": "export"})),
    ]
    pack = asking("offences", "searches").model_copy(update={"applies": ()})
    told: dict[str, list[dict[str, int]]] = defaultdict(list)
    for counts in itertools.product(range(highest + 1), repeat=3):
        if sum(counts) <= highest:
            made = [event for pool, count in zip(pools, counts, strict=True) for event in pool[:count]]
            felony, theft, export = counts
            cells = {"felony": felony, "theft": theft, "export": export, "search": felony + theft}
            told[text(report(made, 2026, "us-md", [pack]))].append(cells)
    assert any(SMALL in printed.split("<5: 1 to 4")[0] for printed in told)
    for printed, possible in told.items():
        for name in possible[0]:
            values = {cells[name] for cells in possible}
            assert len(values) >= 3 or not values & set(range(1, 5)), (printed, values)
