"""The index of a run: counts that add up, links that lead to sheets and nowhere else, filters that need no script."""

import re
from dataclasses import replace

import pytest

from facebatch.errors import ConfigError
from facebatch.pipelines.case_index import IndexedCase, RunIndex, indexed, render_index
from facebatch.pipelines.case_index_record import IndexRecord, brought_up
from facebatch.pipelines.case_run import RunEntry
from facebatch.review.sheet import Standing
from facebatch.schemas import Outcome
from facebatch.storage.documents import dump, load
from page import Page
from sheets import AT, EVIL, drawn, odd, refused, searched, several, sheet, standing

SHEETS = (sheet(searched(drawn)), refused(), standing(drawn), several(drawn), odd(drawn))
CASES = tuple(indexed(each) for each in SHEETS)
RUN = RunIndex("0a" * 12, AT, "s3://faces/galleries/custody", 41, "example pack", 1_204_331, 987_654, 0, CASES)
LINKS = {case.search_id: f"../../{case.search_id}/sheet.html" for case in CASES}


def page_of(run: RunIndex = RUN, links: dict[str, str] = LINKS) -> Page:
    return Page(render_index(run, links).decode())


def test_a_case_is_counted_by_what_came_out_of_its_probes() -> None:
    case = indexed(several(drawn))
    assert case == IndexedCase(
        case_id="2026-04714",
        search_id="62" * 12,
        outcomes={Outcome.NOT_SEARCHABLE: 1, Outcome.OK: 3, Outcome.POLICY_DENIED: 1, Outcome.SEVERAL_FACES: 1},
        listed=2,
        candidates=25,
        bands={"B": 1, "C": 1, "D": 1},
        denials=0,
        news=None,
    )
    assert (case.probes, case.searched, case.kinds) == (6, 3, ("listed", "nobody", "unsearched"))


@pytest.mark.parametrize(
    ("shown", "kinds"),
    [
        (sheet(searched(drawn)), ("listed",)),
        (sheet(searched(drawn, candidates=())), ("nobody",)),
        (refused(), ("refused",)),
        (standing(drawn), ("listed", "news")),
        (sheet(searched(drawn), standing=Standing(3, ())), ("listed",)),
    ],
)
def test_kinds_of_cases(shown: object, kinds: tuple[str, ...]) -> None:
    assert indexed(shown).kinds == kinds


def test_the_page_is_fit_for_people_and_the_same_each_time() -> None:
    page_of().assert_sheet("(?!)", r"#cases|\.\./\.\./[0-9a-f]{24}/sheet\.html")
    assert render_index(RUN, LINKS) == render_index(RUN, dict(reversed(LINKS.items())))
    assert EVIL in page_of().words


def test_totals_add_up() -> None:
    said = page_of().words
    totals = "Cases 5 Cases refused 1 Probes 13 Probes searched 8 With candidates 7 Without a candidate 1 Candidates 42"
    assert totals in said
    assert "Not searched: refused by policy 3" in said
    assert "1 not: quality too low to search, 1 not: refused by policy" in said
    assert "Refused by policy: 3 rules" in said


def test_every_kind_can_be_shown_alone_by_a_radio_button_with_its_count() -> None:
    page = page_of()
    radios = page.each("input")
    assert {values["type"] for values in radios} == {"radio"}
    assert [values["id"] for values in radios if "checked" in values] == ["show-all"]
    for kind in ("listed", "nobody", "unsearched", "refused", "news"):
        assert f"body:has(#show-{kind}:checked) .case:not(.{kind})" in page.text
    assert "All (5) With candidates (4) Searched, no candidate (1) A probe not searched (1)" in page.words
    assert ["disabled" in values for values in page_of(replace(RUN, cases=CASES[:1])).each("input")] == [
        *(False, False, True, True, True, True)
    ]


def test_a_case_whose_media_may_show_two_people_has_a_tag() -> None:
    assert "one person?" in page_of(replace(RUN, cases=(replace(CASES[0], doubts=2),))).words
    assert "one person?" not in page_of().words


def test_links_may_be_signed_and_their_secret_is_not_printed() -> None:
    signed = {CASES[0].search_id: "https://store.example/sheet.html?X-Amz-Signature=5ec4e7&X-Amz-Expires=60"}
    page = page_of(links=signed)
    (link,) = (values for values in page.each("a") if values.get("class") == "where")
    assert link["href"] == signed[CASES[0].search_id]
    assert link["data-where"] == "https://store.example/sheet.html"
    assert re.search(r"@media print \{.*attr\(data-where\)", page.text, re.DOTALL)
    assert CASES[1].case_id in page.words


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd"])
def test_links_of_other_schemes_are_refused(link: str) -> None:
    with pytest.raises(ConfigError, match=f"search {CASES[0].search_id} is no relative path"):
        render_index(RUN, {CASES[0].search_id: link})


def test_the_page_is_made_from_its_record_alone() -> None:
    record = IndexRecord(run=RUN, links=LINKS)
    read = load(IndexRecord, dump(record), origin="index.json")
    assert read == record
    assert read.page() == render_index(RUN, LINKS)


def test_counts_and_links_follow_what_is_left_of_the_searches() -> None:
    first, refused_one, other, *_ = CASES
    entries = [
        entry_of(first, erasures=1),
        entry_of(refused_one, files={"sheet.html": ""}, with_candidates=0, candidates=0),
    ]
    entries.append(entry_of(other, deleted=("sheets",), candidates=other.candidates))
    found = brought_up(IndexRecord(run=RUN, links=LINKS), entries)
    cases = {case.search_id: case for case in found.run.cases}
    assert cases[first.search_id] == replace(first, listed=1, candidates=2, erasures=1)
    assert cases[refused_one.search_id] == refused_one
    assert cases[other.search_id] == replace(other, listed=1, news=1, deleted=True)
    assert found.links == {refused_one.search_id: LINKS[refused_one.search_id]}
    assert [cases[each.search_id] for each in CASES[3:]] == list(CASES[3:])
    said = Page(found.page().decode()).words
    assert "people erased since sheet deleted" in said
    assert said.count("deleted by retention") == 1
    assert brought_up(found, entries) == found


def entry_of(case: IndexedCase, **changes: object) -> RunEntry:
    """What the manifest of the run tells of it."""
    told = {"case": "c" * 24, "search_id": case.search_id, "status": "searched", "probes": case.probes, "outcomes": {}}
    return RunEntry.model_validate({**told, "with_candidates": 1, "candidates": 2, "files": {}, **changes})


def test_a_run_without_cases_says_so() -> None:
    page = page_of(replace(RUN, cases=(), subjects=None))
    assert "The run has no case." in page.words
    assert page.each("table") == []
    assert "not counted" in page.words


def test_people_are_told_as_a_bound_where_templates_name_nobody() -> None:
    assert "People in it, N 987 654 Templates" in page_of().words
    said = page_of(replace(RUN, unlabelled=12)).words
    assert "People in it, N at most 987 654 (12 templates name nobody, each counted as a person)" in said
