"""Plots of an evaluation: the same bytes for the same state, nothing fetched, words beside every picture."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluated import EMPTY, EVIL, drawn, empty
from facebatch.charts import chart
from facebatch.evaluate.axes import MOST_TICKS, bars, log_shares
from facebatch.evaluate.band_plots import plot_band_alarms, plot_band_misses, plot_band_thresholds
from facebatch.evaluate.curves import TradeOff
from facebatch.evaluate.det_plot import plot_det
from facebatch.evaluate.group_plots import MOST_DRAWN, plot_group_det, plot_group_rates, plot_matrix
from facebatch.evaluate.growth import Bounded
from facebatch.evaluate.growth_plots import plot_growth, plot_thresholds
from facebatch.evaluate.intervals import Rate
from facebatch.evaluate.plots import Plot, plot_cmc, plot_discard, plot_histograms, plot_rates, why_no_discard
from facebatch.evaluate.report import Report
from facebatch.evaluate.sized_curves import BoundedTradeOff, SizedCurve
from facebatch.evaluate.sufficiency import TooFew
from facebatch.evaluate.words import percent, similarity, tell

NAMESPACE = "{http://www.w3.org/2000/svg}"


def of_everyone(report: Report) -> dict[str, Plot | None]:
    return {
        "det": plot_det(report),
        "rates": plot_rates(report),
        "cmc": plot_cmc(report.identification),
        "histograms": plot_histograms(report),
        "discard": plot_discard(report),
        "growth_fpir": plot_growth(report, "fpir"),
        "growth_fnir": plot_growth(report, "fnir"),
        "thresholds": plot_thresholds(report),
        "band_thresholds": plot_band_thresholds(report),
        "band_misses": plot_band_misses(report),
        "band_alarms": plot_band_alarms(report),
    }


def of_groups() -> dict[str, Plot | None]:
    found = drawn().differentials
    assert found is not None
    (group,) = found.groups
    level = group.levels[-1]
    return {
        "fpir": plot_group_rates("fpir", "False alarms", level.fpir, "here"),
        "fmr": plot_group_rates("fmr", "False matches", level.fmr, "here"),
        "matrix": plot_matrix("matrix", "False matches", level.matrix, "here"),
        "det": plot_group_det("det", group.curves, "here"),
    }


def texts(plot: Plot) -> list[str]:
    """What is written in a picture, its title left out."""
    return [found.text or "" for found in ElementTree.fromstring(plot.svg).iter(f"{NAMESPACE}text")]


def test_every_plot_is_one_picture_with_words_and_nothing_fetched() -> None:
    for name, plot in {**of_everyone(drawn().report), **of_groups()}.items():
        assert plot is not None, name
        root = ElementTree.fromstring(plot.svg)
        assert root.tag == f"{NAMESPACE}svg"
        assert root.findtext(f"{NAMESPACE}title") == plot.text
        assert plot.how.endswith(".")
        assert "<image" not in plot.svg
        hrefs = [value for found in root.iter() for key, value in found.items() if key.endswith("href")]
        assert all(href.startswith("#") for href in hrefs)


def test_the_same_state_gives_the_same_bytes() -> None:
    assert of_everyone(drawn().report) == of_everyone(drawn().report)
    assert of_groups() == of_groups()


def test_pictures_of_one_page_share_no_id() -> None:
    pictures = [plot for plot in (*of_everyone(drawn().report).values(), *of_groups().values()) if plot]
    ids = [set(re.findall(r'\bid="([^"]+)"', plot.svg)) for plot in pictures]
    assert len(set().union(*ids)) == sum(map(len, ids)) > 10


@pytest.mark.parametrize("kind", EMPTY)
def test_what_one_side_alone_cannot_show_is_not_drawn(kind: str) -> None:
    found = of_everyone(empty(kind).report)
    drawable = {name for name, plot in found.items() if plot}
    both = {"det", "rates", "cmc", "histograms"}
    expected = {
        "no mated": {"histograms"},
        "no non-mated": {"cmc", "histograms"},
        "no candidates": {"cmc"},
        "one of each": both,
    }
    assert drawable == expected[kind]


def test_det_tells_the_threshold_of_each_target_that_has_one() -> None:
    report = drawn().report
    plot = plot_det(report)
    assert plot is not None
    for point in report.identification.targets:
        if point.rates is None:
            assert f"FPIR {point.target:g} " not in plot.text
            assert f"{point.target:g}" not in texts(plot)
        else:
            missed = percent(point.rates.fnir.counted.count / point.rates.fnir.counted.n)
            assert (
                f"FPIR {point.target:g} the threshold {similarity(point.rates.threshold)} misses {missed}" in plot.text
            )
            assert f"{point.target:g}" in texts(plot)


def test_no_error_at_all_is_drawn_as_none() -> None:
    flat = TradeOff(np.array([0.1, 0.2]), np.array([0.5, 0.0]), np.array([0.0, 0.0]))
    plot = plot_det(replace(drawn().report, curves=flat))
    assert plot is not None
    assert texts(plot).count("none") == 2


def test_det_has_a_line_for_each_size_that_can_be_told() -> None:
    report = drawn().report
    plot = plot_det(report)
    assert plot is not None
    assert {f"N = {size}" for size in (10, 75, 560)} <= set(texts(plot))
    assert "galleries of 10, 75" in plot.text
    assert all(words in plot.how for words in ("Dashed lines are smaller galleries", "lists end too early"))
    exact = [
        SizedCurve(one.gallery, BoundedTradeOff(told.thresholds, told.fpir[[1, 1]], told.fnir[[1, 1]]))
        for one in report.sized_curves
        if isinstance(told := one.told, BoundedTradeOff)
    ]
    known = plot_det(replace(report, sized_curves=tuple(exact)))
    assert known is not None
    assert "lists end too early" not in known.how


def test_det_says_which_sizes_have_too_few_false_alarms() -> None:
    report = drawn().report
    few = SizedCurve(10, TooFew(505, 1010, 12.0))
    plot = plot_det(replace(report, sized_curves=(few, *report.sized_curves[1:])))
    assert plot is not None
    assert "N = 10" not in texts(plot)
    assert "N = 75" in texts(plot)
    for said in (plot.how, plot.text):
        assert (
            "No line for galleries of 10 people: of 1\N{NARROW NO-BREAK SPACE}010 searches 12 false alarms are to be "
            "expected there, and a line needs 30"
        ) in said
    both = tuple(replace(few, gallery=size) for size in (10, 75))
    none = plot_det(replace(report, sized_curves=both))
    assert none is not None
    assert none.text.count("No line") == none.text.count("galleries of 10, 75 people: ") == 1
    assert "12, 12 false alarms" in none.text
    assert "No line" not in none.how, "where growth is told, all sizes are named as one"
    alone = plot_det(replace(report, sized_curves=()))
    assert alone is not None
    assert not [text for text in texts(alone) if text.startswith("N = ")]
    assert "smaller galleries" not in alone.how


def test_growth_says_where_lists_hide_something() -> None:
    report = drawn().report
    point = next(points[0] for points in report.growth.values())
    hidden = replace(point, fpir=Bounded(0.001, 0.01, (0.0005, 0.02)))
    told = plot_growth(replace(report, growth={0.2: (hidden,)}), "fpir")
    assert told is not None
    assert "end too early" in told.how
    exact = plot_growth(replace(report, growth={0.2: (point,)}), "fpir")
    assert exact is not None
    assert "end too early" not in exact.how


def test_thresholds_are_told_at_both_ends() -> None:
    report = drawn().report
    plot = plot_thresholds(report)
    assert plot is not None
    for target, points in report.threshold_growth.items():
        if points:
            assert f"for FPIR {target:g} from {similarity(points[0].low)}" in plot.text
            assert f"to {similarity(points[-1].low)} at 560" in plot.text


def test_discard_ends_where_too_few_are_left() -> None:
    report = drawn().report
    assert report.discard is not None
    few = replace(report.discard, searches=59)
    assert plot_discard(replace(report, discard=few)) is None


def test_discard_is_not_drawn_where_nobody_was_missed() -> None:
    found = drawn().report.discard
    assert found is not None
    assert why_no_discard(found) == ""
    flat = replace(found, fnir=np.zeros_like(found.fnir))
    assert plot_discard(replace(drawn().report, discard=flat)) is None
    assert why_no_discard(flat) == "No plot: nobody was missed."
    assert why_no_discard(replace(flat, searches=59)) == "No plot: fewer than 60 searches have a quality."


def test_the_legend_of_similarities_lies_on_no_bar() -> None:
    plot = plot_histograms(drawn().report)
    assert plot is not None
    root = ElementTree.fromstring(plot.svg)
    (drawn_on,) = root.iter(f"{NAMESPACE}rect")
    heights = {text.text: float(text.attrib["y"]) for text in root.iter(f"{NAMESPACE}text")}
    legend = ["mates", "best candidate of people not in the gallery", "threshold for FPIR 0.02"]
    assert max(heights[label] for label in legend) < float(drawn_on.attrib["y"])


def test_bands_are_told_one_by_one_and_those_with_too_few_searches_have_no_mark() -> None:
    report = drawn().report
    assert report.bands is not None
    thresholds, misses, alarms = (plot(report) for plot in (plot_band_thresholds, plot_band_misses, plot_band_alarms))
    assert thresholds is not None
    assert misses is not None
    assert alarms is not None
    for figures in report.bands.bands:
        for point in figures.points:
            told = f"band {figures.band} {similarity(point.own.threshold)}" if point.own.threshold else None
            assert told is None or told in thresholds.text
            assert point.shared is None or f"band {figures.band} {tell(point.shared.fpir.counted).line}" in alarms.text
    assert "FPIR 0.001" not in thresholds.text, "no band has searches enough"
    assert {"A", "B", "C", "D"} <= set(texts(thresholds)) & set(texts(misses)) & set(texts(alarms))


def test_without_bands_nothing_of_them_is_drawn() -> None:
    report = replace(drawn().report, bands=None)
    assert [plot(report) for plot in (plot_band_thresholds, plot_band_misses, plot_band_alarms)] == [None] * 3


def test_a_group_name_is_text_and_nothing_else() -> None:
    for name, plot in of_groups().items():
        assert plot is not None
        assert "<script" not in plot.svg, name
        assert any("$" in text for text in texts(plot)), name


def test_thin_groups_have_no_bar() -> None:
    found = drawn().differentials
    assert found is not None
    rates = found.groups[0].levels[-1].fpir
    plot = of_groups()["fpir"]
    assert plot is not None
    assert [isinstance(one.told, Rate) for one in rates.groups] == [True, True, False]
    assert sum("too few" in text for text in texts(plot)) == 1
    assert "thin: too few (5 people, 10 searches" in plot.text


def test_cells_of_the_matrix_hold_the_counts() -> None:
    found = drawn().differentials
    assert found is not None
    matrix = found.groups[0].levels[-1].matrix
    plot = of_groups()["matrix"]
    assert plot is not None
    said = " ".join(texts(plot))
    for row in matrix.cells:
        for cell in row:
            assert f"{cell.pairs:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") in said
            assert cell.log10 is None or f"{cell.log10:.2f}" in said


def test_more_groups_than_can_be_read_are_not_drawn() -> None:
    found = drawn().differentials
    assert found is not None
    level = found.groups[0].levels[-1]
    many = replace(level.fpir, groups=level.fpir.groups[:1] * (MOST_DRAWN + 1))
    wide = replace(level.matrix, groups=("a",) * (MOST_DRAWN + 1))
    assert plot_group_rates("x", "x", many, "here") is None
    assert plot_matrix("x", "x", wide, "here") is None
    assert EVIL in level.matrix.groups


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.sampled_from([1e-6, 1e-3, 0.05]))
def test_a_logarithmic_axis_has_a_few_ticks_within_it_and_none_only_where_there_is_none(values, floor) -> None:
    with chart("ticks", 2, 2) as drawn_:
        log_shares(drawn_, "y", values, floor)
        low, high = drawn_.axes.get_ylim()
        ticks = drawn_.axes.get_yticks().tolist()
        labels = [label.get_text() for label in drawn_.axes.get_yticklabels()]
    assert 1 <= len(ticks) <= MOST_TICKS + 1
    assert all(low <= tick <= high * (1 + 1e-9) for tick in ticks)
    assert ("none" in labels) == any(value <= floor for value in values)


def test_error_bars_reach_to_the_ends_of_their_intervals() -> None:
    assert bars([0.5, 0.0], [(0.25, 1.0), (0.0, 0.125)]).tolist() == [[0.25, 0.0], [0.5, 0.125]]
