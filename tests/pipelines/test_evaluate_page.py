"""The report of an evaluation: what it says, that it stands on its own, and that its files say the same."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from evaluate.small import searched
from evaluated import COSTS, EMPTY, EVIL, FEW, OCCASION, SPEC, Evaluated, drawn, empty
from facebatch.evaluate.differentials import DifferentialSpec, differentials
from facebatch.evaluate.error_rates import IdentificationSpec
from facebatch.evaluate.findings import Finding
from facebatch.evaluate.intervals import Rate
from facebatch.evaluate.limits import LimitsSpec, TargetLimit, judge
from facebatch.evaluate.report import ReportSpec, report
from facebatch.evaluate.sized_curves import SizedCurve
from facebatch.evaluate.sufficiency import TooFew
from facebatch.evaluate.words import NO_THRESHOLD, number, percent, similarity, tell, whole
from facebatch.gallery.figures import GateFigure
from facebatch.pipelines.evaluate_files import NOTICE, figures_table
from facebatch.pipelines.evaluate_page import render
from facebatch.pipelines.evaluate_rows import CURVES
from facebatch.storage.parquet import read_table, write_table
from labelled import World
from page import Page, plain

NOUNS = ("search", "probe", "person", "pair", "candidate")
WITHOUT_VALUE = (
    "cannot be shown",
    "cannot be told",
    "too few",
    "not measured",
    "below what lists show",
    "lists were not cut off",
)
PER_THOUSAND = (
    "false_candidates_per_1000",
    "reviewer_hours_per_1000",
    "growth.false_candidates_per_1000",
    "band.false_candidates_per_1000",
)


def with_limits(most: float) -> Evaluated:
    spec = LimitsSpec(rank_one_miss_most=most, fnir_at_fpir=(TargetLimit(fpir=0.2, fnir_most=1.0),))
    return replace(drawn(), limits=judge(drawn().report.identification, spec))


def figures(state: Evaluated) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(state.json)["figures"]
    return found


def printed(row: dict[str, Any]) -> Iterator[str]:
    """Any of what the page may say of a figure: its value, its interval, and how many are behind it."""
    name, value = row["figure"], row.get("value")
    if row.get("method") and "count" in row and name not in PER_THOUSAND:
        rate = Rate(row["count"], row["n"], row["low"], row["high"], row["method"], row.get("people"))
        yield from (f"{told.value} {told.interval} {told.count}" for told in (tell(rate, noun) for noun in NOUNS))
    elif value is None:
        yield next(words for words in WITHOUT_VALUE if words in row["words"])
    else:
        yield _plainly(row, value)


def _plainly(row: dict[str, Any], value: float) -> str:
    """Figures that are no rates over people."""
    name = row["figure"]
    if name.startswith(("threshold", "growth.threshold", "band.threshold", "similarity.")):
        say = similarity
    elif name.startswith(("growth.f", "mix.", "lists.share_of")) and name not in PER_THOUSAND:
        say = percent
    else:
        say = number if name in PER_THOUSAND or name.startswith("summary.") else lambda value: whole(round(value))
    ends = f" {say(row['low'])} to {say(row['high'])}" if "low" in row and "high" in row else ""
    if name.endswith(".least"):
        return f"{say(value)} to"
    return ("to " if name.endswith(".most") else "") + say(value) + ends


def test_the_page_stands_on_its_own_and_is_the_same_each_time() -> None:
    state = with_limits(0.5)
    page = Page(state.page)
    page.assert_fit_for_all()
    assert state.page == state.page
    assert "default-src 'none'" in page.text
    assert not re.findall(r"https?://(?!www\.w3\.org|purl\.org|creativecommons\.org|matplotlib\.org)", page.text)
    (level,) = (len(found.levels) for found in state.differentials.groups) if state.differentials else (0,)
    assert len(page.plots) >= 11 + 1 + level


def test_every_figure_of_the_json_is_on_the_page_with_interval_and_count() -> None:
    state = drawn()
    page = Page(state.page).words
    rows = [row for row in figures(state) if not row["figure"].startswith(CURVES)]
    missing = [row for row in rows if not any(plain(said) in page for said in printed(row))]
    assert missing == []
    assert len(rows) > 300
    assert {row["figure"].split(".")[0] for row in rows} >= {
        "fnir",
        "fpir",
        "cmc",
        "fmr",
        "fnmr",
        "mix",
        "growth",
        "band",
        "summary",
    }


def test_json_and_parquet_hold_the_same_figures() -> None:
    for state in (drawn(), empty("no mated")):
        table = figures_table(state.report, state.differentials)
        stored = read_table(write_table(table, kind="figures", model=OCCASION.model), kind="figures", origin="it")
        rows = [{name: value for name, value in row.items() if value is not None} for row in stored.to_pylist()]
        assert rows == figures(state)


def test_files_are_the_same_each_time_and_hold_finite_numbers() -> None:
    for state in (drawn(), *(empty(kind) for kind in EMPTY)):
        assert state.json == state.json
        document = json.loads(state.json, parse_constant=lambda name: pytest.fail(name))
        assert document["notice"] == NOTICE
        assert all("value" in row or row["words"] for row in document["figures"])
        known = [{key for key in row if key not in ("value", "low", "high", "words")} for row in document["figures"]]
        assert all("figure" in keys for keys in known)


def test_lines_of_smaller_galleries_are_in_the_files() -> None:
    state = drawn()
    rows = [row for row in figures(state) if row["figure"].startswith("curve.growth.")]
    assert {row["gallery"] for row in rows} == {10, 75}
    names = {f"curve.growth.{name}{end}" for name in ("fpir", "fnir") for end in ("", ".least", ".most")}
    assert {row["figure"] for row in rows} == names
    assert all(0 <= row["value"] <= 1 and -1 <= row["threshold"] <= 1 for row in rows)
    few = replace(state.report, sized_curves=(SizedCurve(10, TooFew(505, 1010, 12.0)),))
    (row,) = [row for row in figures(replace(state, report=few)) if row["figure"].startswith("curve.growth.")]
    assert (row["gallery"], row["n"], row["people"], "too few" in row["words"]) == (10, 1010, 505, True)
    assert "value" not in row


def test_every_row_is_told_apart_from_every_other() -> None:
    names = (
        "figure",
        "variable",
        "group",
        "group_b",
        "target",
        "threshold",
        "threshold_name",
        "rank",
        "gallery",
        "share",
    )
    keys = [tuple(row.get(name) for name in names) for row in figures(drawn())]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("kind", EMPTY)
def test_one_sided_and_empty_searches_are_told_in_words(kind: str) -> None:
    state = empty(kind)
    page = Page(state.page)
    page.assert_fit_for_all()
    assert "cannot be shown" in page.words
    assert "No group labels were given" in page.words
    for number_ in ("nan", "inf ", "none%", "None"):
        assert number_ not in page.words
    assert ("not measured" in page.words) == (kind != "one of each")


def test_a_threshold_that_lets_everything_through_is_told_in_words() -> None:
    spec = ReportSpec(identification=IdentificationSpec(targets=(1.0,), ranks=(1,), resample=FEW))
    searches = searched(World([[0.5, 0.4]] * 4, [None] * 3 + [0], 2))
    state = Evaluated(searches, report(searches, spec), None)
    assert state.report.identification.targets[0].threshold == float("-inf")
    page = Page(state.page)
    page.assert_fit_for_all()
    assert f"Threshold {NO_THRESHOLD}" in page.words
    (row,) = [row for row in figures(state) if row["figure"] == "threshold"]
    assert "value" not in row
    assert NO_THRESHOLD in row["words"]


def growth_of(state: Evaluated) -> str:
    """What the page says below that heading."""
    found = re.search(r"How errors grow with the gallery (?!Quality)(.*?) Quality of photos", Page(state.page).words)
    assert found is not None
    return found[1]


def test_growth_says_once_why_nothing_is_told() -> None:
    points = drawn().report.identification.targets
    few = SizedCurve(10, TooFew(505, 1010, 12.0)), SizedCurve(75, TooFew(505, 1010, 24.0))
    unshown = replace(points[0], searches=26, people=26)
    report_ = replace(
        drawn().report,
        identification=replace(drawn().report.identification, targets=(unshown,)),
        growth={},
        threshold_growth={0.001: ()},
        sized_curves=few,
        bands=None,
    )
    state = replace(drawn(), report=report_, differentials=None)
    assert growth_of(state) == (
        "Nothing to tell: growth is told at thresholds, and 26 searches of 26 people who are not in the gallery show "
        "none: an FPIR of 0.001 needs 3 000 searches. In the plot of false alarms against misses: no line for "
        "galleries of 10, 75 people: of 1 010 searches 12, 24 false alarms are to be expected there, and a line needs "
        "30."
    )
    assert Page(state.page).words.lower().count("no line for galleries") == 1
    unasked = replace(drawn().report, growth={0.2: ()}, threshold_growth={0.2: ()}, sized_curves=())
    assert growth_of(replace(state, report=unasked)) == "Nothing to tell: no other sizes of the gallery were asked for."


def test_nobody_missed_is_said_in_place_of_a_plot() -> None:
    found = drawn().report.discard
    assert found is not None
    flat = replace(drawn().report, discard=replace(found, fnir=0 * found.fnir))
    page = Page(replace(drawn(), report=flat, differentials=None).page)
    assert "No plot: nobody was missed." in page.words
    assert not [title for title in page.plots if title.startswith("Misses of")]


def test_a_gallery_without_labels_is_told_in_words() -> None:
    world = World([[0.5, 0.4, 0.3]] * 4, [None] * 4, 3, groups=[{"sex": "f"}] * 4)
    searches = searched(world)
    state = Evaluated(searches, report(searches, SPEC), differentials(searches, {}, DifferentialSpec(resample=FEW)))
    page = Page(state.page)
    assert "f not measured nobody in the gallery has this label not measured none has a label" in page.words
    assert "3 people in the gallery have none." in page.words
    (row,) = [row for row in figures(state) if row["figure"] == "lists.same_group"]
    assert row["words"] == "not measured: nobody in the gallery has this label"
    assert "value" not in row


def test_bands_have_rows_of_their_own_and_say_what_is_in_none() -> None:
    state = drawn()
    assert state.report.bands is not None
    rows = [row for row in figures(state) if row["figure"].startswith("band.")]
    assert {row["group"] for row in rows if row.get("variable") == "quality_band"} == {"A", "B", "C", "D"}
    (failed,) = [row["value"] for row in rows if row["figure"] == "band.none.failed"]
    assert failed == state.report.bands.failed > 0
    own, shared = (
        {(row["group"], row["target"]): row["threshold"] for row in rows if row["figure"] == name}
        for name in ("band.fpir", "band.shared.fpir")
    )
    for figures_ in state.report.bands.bands:
        for point in figures_.points:
            key = (figures_.band, point.own.target)
            assert own.get(key) == point.own.threshold
            assert shared.get(key) == (point.shared.threshold if point.shared else None)
    assert "thresholds of its own" in Page(state.page).words
    assert "Quality bands" not in Page(replace(state, report=replace(state.report, bands=None)).page).words


def test_a_verdict_says_why() -> None:
    met, unmet = Page(with_limits(1.0).page).words, Page(with_limits(0.0).page).words
    assert "Approved for use: all 2 declared limits are met." in met
    assert "Not approved for use: of 2 declared limits 1 is not met." in unmet
    assert "rank_one_miss not met" in unmet
    assert "Not approved for use: no limit was declared" in Page(drawn().page).words


def test_what_was_not_measured_does_not_pass() -> None:
    limit = GateFigure(name="limit.x", passed=None, words="nothing was measured")
    state = replace(drawn(), limits=(limit,))
    words = Page(state.page).words
    assert "Not approved for use: of 1 declared limits 1 was not measured." in words
    assert "not met" not in words
    two = replace(state, limits=(limit, limit, *with_limits(0.0).limits))
    assert "of 4 declared limits 1 is not met, and 2 were not measured." in Page(two.page).words
    assert json.loads(state.json)["approved_for_use"] is False


def test_whatever_is_told_is_escaped() -> None:
    evil = "<script>alert('&')</script>"
    found = replace(drawn().report, findings=(Finding(evil, 3, evil, (evil,), "note"),))
    occasion = replace(OCCASION, gallery=evil, model_name=evil, search=evil)
    limit = GateFigure(name=evil, passed=False, words=evil)
    text = render(occasion, found, drawn().differentials, (limit,), (replace(COSTS[0], what=evil, unit=evil),))
    page = Page(text)
    page.assert_fit_for_all()
    assert evil not in text
    assert EVIL not in text
    assert plain(EVIL) in page.words


def test_nobody_is_named() -> None:
    found = replace(drawn().report, findings=(Finding("truth.x", 3, "probes are odd", ("jane", "maria"), "note"),))
    state = replace(drawn(), report=found)
    for text in (state.page, state.json.decode()):
        assert "probes are odd" in text
        assert not [name for name in ("jane", "maria", "s00000001", "p00000001") if name in text]


def test_the_page_says_how_it_is_to_be_read() -> None:
    page = Page(with_limits(1.0).page)
    assert page.words.count(NOTICE) == 2
    assert "this model, this snapshot and a gallery of this size only" in page.words
    assert len(re.findall("How to read: ", page.words)) == len(page.plots)
    assert "taken from a record" in page.words
    assert "too few" in page.words
    assert "3.21 ms one core" in page.words
