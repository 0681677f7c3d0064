"""Figures in words: nothing rounded away, no number where there was no trial."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from facebatch.evaluate.cross_groups import Cell
from facebatch.evaluate.group_words import tell_cell, tell_few, tell_group, tell_measure, tell_mix, tell_quantile
from facebatch.evaluate.growth import Bounded
from facebatch.evaluate.identification import Selectivity
from facebatch.evaluate.intervals import Rate, rate, rate_over_people
from facebatch.evaluate.shifts import Quantile, Shift
from facebatch.evaluate.sufficiency import GroupRate, TooFew
from facebatch.evaluate.summary import Measure
from facebatch.evaluate.words import (
    NO_THRESHOLD,
    SPACE,
    counted,
    number,
    percent,
    plural,
    similarities,
    similarity,
    spoken,
    tell,
    tell_bounded,
    tell_hours,
    tell_load,
)

FEW = TooFew(4, 8, 0.5, rate(1, 8))
SAID = "Wilson's interval of as many trials as people"


def test_an_interval_that_is_not_of_the_bootstrap_is_said_to_be() -> None:
    alike, mixed = rate_over_people(40, 60, 30, (2 / 3, 2 / 3)), rate_over_people(40, 60, 30, (0.6, 0.7))
    assert SAID in tell(alike).note
    assert SAID in tell(rate_over_people(4, 6, 3, (2 / 3, 2 / 3))).note
    assert "rough" in tell(rate_over_people(4, 6, 3, (2 / 3, 2 / 3))).note
    assert [tell(found).note for found in (mixed, rate(40, 60))] == ["", ""]
    assert SAID in tell_bounded(Bounded(0.5, 0.5, (0.2, 0.8), "wilson")).note
    assert tell_bounded(Bounded(0.5, 0.5, (0.2, 0.8))).note == ""
    assert (
        SAID in tell_load(Selectivity(candidates=60, searches=30, capped=0, interval=(1.0, 3.0), method="wilson")).note
    )


def read(text: str) -> float:
    return float(text.removesuffix(f"{SPACE}%")) / 100


@given(st.floats(0, 1))
def test_a_percentage_keeps_three_digits_of_what_is_small(value: float) -> None:
    assume(min(value, 1 - value) > 1e-12 or value in (0, 1))
    assert abs(read(percent(value)) - value) <= 0.0051 * min(value, 1 - value)


@pytest.mark.parametrize(
    ("value", "said"), [(0.0, "0 %"), (1.0, "100 %"), (0.5, "50.0 %"), (0.00283, "0.283 %"), (0.99928, "99.9280 %")]
)
def test_percentages(value: float, said: str) -> None:
    assert percent(value).replace(SPACE, " ") == said


@pytest.mark.parametrize(
    ("value", "said"), [(2.0, "2"), (1.996, "2.00"), (0.0466, "0.0466"), (1234.5, f"1{SPACE}234"), (0.0, "0")]
)
def test_other_numbers(value: float, said: str) -> None:
    assert number(value) == said


def test_counted_nouns() -> None:
    said = [plural(n, noun) for noun in ("search", "person", "pair") for n in (1, 2)]
    assert said == ["1 search", "2 searches", "1 person", "2 people", "1 pair", "2 pairs"]
    assert [counted(n, "row") for n in (0, 1, 1000)] == ["0 rows", "1 row", "1 000 rows"]


@pytest.mark.parametrize(("fpir", "said"), [(0.001, "1 in 1 000"), (0.003, "3 in 1 000"), (0.01, "1 in 100")])
def test_targets_are_spoken(fpir: float, said: str) -> None:
    assert spoken(fpir).replace(SPACE, " ") == said


def test_thresholds_that_are_none_say_so() -> None:
    assert similarity(-math.inf) == NO_THRESHOLD
    assert similarity(-0.25) == "\N{MINUS SIGN}0.25000"
    assert similarities((-math.inf, 0.5)) == "any to 0.50000"


def test_a_rate_has_its_interval_and_its_count() -> None:
    told = tell(Rate(40, 1000, 0.03, 0.052, "bootstrap", 500))
    assert (told.value, told.interval) == (percent(0.04), f"{percent(0.03)} to {percent(0.052)}")
    assert told.count == f"40 of 1{SPACE}000 searches, 500 people"
    assert told.note == ""
    assert tell(rate(29, 1000)).note.startswith("rough")
    assert tell(rate(29, 1000), few=False).note == ""


def test_none_seen_is_bounded_by_the_rule_of_three_over_people() -> None:
    assert tell(rate(0, 1000)).value == f"none seen, < {percent(0.003)}"
    assert tell(Rate(0, 1000, 0.0, 0.03, "wilson", 100)).value == f"none seen, < {percent(0.03)}"


def test_what_was_not_measured_has_no_number() -> None:
    told = tell(rate(0, 0))
    assert (told.value, told.interval) == ("not measured", "")
    assert not any(letter.isdigit() for letter in tell_load(Selectivity(0, 0, 0)).value)


def test_loads_per_thousand_searches_and_in_hours() -> None:
    load = Selectivity(candidates=60, searches=2000, capped=3, interval=(0.02, 0.04))
    assert (tell_load(load).value, tell_load(load).interval) == ("30", "20 to 40")
    assert (tell_hours(load, 2.0).value, tell_hours(load, 2.0).interval) == ("1", "0.667 to 1.33")
    assert tell_load(load).note == "at least: 3 searches filled the list"


def test_bounds_are_told_as_two() -> None:
    assert tell_bounded(Bounded(0.01, 0.02, (0.005, 0.03))).value == f"{percent(0.01)} to {percent(0.02)}"
    assert tell_bounded(Bounded(0.01, 0.01, (0.005, 0.03))).value == percent(0.01)
    assert tell_bounded(None).value == "not measured"


def test_too_few_is_never_a_rate() -> None:
    for told in (tell_few(FEW, "search"), tell_group(GroupRate("a", FEW)), tell_mix(FEW, 8, 4)):
        assert (told.value, told.interval, told.count) == ("too few", "", "4 people, 8 searches")
    assert tell_cell(Cell(0, 0, 8, FEW)).count == "4 people, 8 pairs"


def test_hidden_errors_are_told_beside_the_rate() -> None:
    told = tell_group(GroupRate("a", rate(40, 1000), hidden=7))
    assert told.value == percent(0.04)
    assert "up to 7 more" in told.note


def test_measures_that_are_bounded_say_so() -> None:
    assert tell_measure(Measure("max/min", 3.5, (2.0, 7.0), bounded=True, warning=""), 3).value == "> 3.50"
    assert tell_measure(Measure("Gini", 0.5, None, bounded=True, warning=""), 3).value == "~ 0.500"
    assert tell_measure(Measure("max/min", 3.5, (2.0, 7.0), bounded=False, warning=""), 3).line == (
        "3.50 (95 % interval 2 to 7, 3 groups)"
    )
    assert tell_measure(Measure("Gini", None, None, bounded=False, warning=""), 1).value == "cannot be told"


def test_quantiles_among_the_unlisted_have_no_number() -> None:
    shift = Shift("a", "mated", 100, 40, FEW)
    assert tell_quantile(Quantile(None, None, None), shift).value == "below what lists show"
    assert tell_quantile(Quantile(0.5, None, 0.75), shift).interval == "below to 0.75000"
