"""Limits over groups, on a population in which one group is served worse."""

from functools import cache

import pytest

from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.differentials import Differentials, DifferentialSpec, differentials
from facebatch.evaluate.group_limits import GroupLimitsSpec, judge_groups, level_name
from facebatch.evaluate.population import GroupSpec, PopulationSpec
from facebatch.evaluate.population_draw import draw_searches
from facebatch.evaluate.searches import Searches, collect
from facebatch.gallery.figures import GateFigure

THRESHOLD = 0.33
TARGET = 0.01


@cache
def searches() -> Searches:
    groups = (
        GroupSpec(name="a", subjects=600, mated_people=400, non_mated_people=400, alike=0.05, mate=0.5),
        GroupSpec(name="b", subjects=600, mated_people=400, non_mated_people=400, alike=0.10, mate=0.45),
        GroupSpec(name="thin", subjects=20, mated_people=5, non_mated_people=5),
    )
    return collect(draw_searches(PopulationSpec(groups=groups, length=10), 0).inputs)


@cache
def found() -> Differentials:
    spec = DifferentialSpec(resample=ResampleSpec(replicates=100))
    return differentials(searches(), {level_name(TARGET): THRESHOLD}, spec)


def judged(**limits: float) -> tuple[GateFigure, ...]:
    return judge_groups(found(), GroupLimitsSpec(fpir=TARGET, **limits))


def test_the_worst_served_group_decides() -> None:
    (met,), (missed,) = (judged(true_positives_least=least) for least in (0.2, 0.98))
    assert (met.passed, missed.passed) == (True, False)
    assert met.value == missed.value
    assert missed.words.startswith("b has the fewest true positives of 2 groups")
    assert met.interval is not None
    assert met.value is not None
    assert met.interval[0] <= met.value <= met.interval[1]


def test_a_thin_group_is_named_and_not_judged() -> None:
    (figure,) = judged(true_positives_least=0.2)
    assert figure.words.endswith("not judged, too few: thin")


def test_a_good_group_with_few_errors_is_judged_by_the_end_of_its_interval() -> None:
    spec = DifferentialSpec(resample=ResampleSpec(replicates=100))
    easy = differentials(searches(), {level_name(TARGET): -1.0}, spec)
    (figure,) = judge_groups(easy, GroupLimitsSpec(fpir=TARGET, true_positives_least=0.5))
    assert figure.passed is True
    assert "lower end of the interval" in figure.words
    assert figure.value is not None
    assert figure.count is not None
    assert figure.n is not None
    assert 0.9 < figure.value < figure.count / figure.n


def test_a_ratio_is_held_against_its_limit() -> None:
    (wide,), (tight,) = (judged(fnir_ratio_most=most) for most in (10.0, 1.01))
    assert (wide.passed, tight.passed) == (True, False)
    assert wide.value is not None
    assert 1.01 < wide.value < 10
    assert wide.n == 2


def test_every_limit_is_judged_in_every_grouping() -> None:
    figures = judged(true_positives_least=0.5, fmr_ratio_most=3, fpir_ratio_most=3, fnir_ratio_most=3)
    (grouping,) = [one.name for one in found().groups]
    kinds = ("true_positives", "fmr_ratio", "fpir_ratio", "fnir_ratio")
    assert [figure.name for figure in figures] == [f"limit.{kind}.{grouping}" for kind in kinds]


def test_what_cannot_be_shown_is_not_measured() -> None:
    (figure,) = judge_groups(found(), GroupLimitsSpec(fpir=0.5, true_positives_least=0.1))
    assert figure.passed is None
    assert "there is no threshold for FPIR 0.5" in figure.words
    nobody = found().__class__(gallery=1, rank=1, thresholds=(), groups=(), least=found().least, notes=())
    (figure,) = judge_groups(nobody, GroupLimitsSpec(fpir=0.5, true_positives_least=0.1))
    assert figure.passed is None
    assert "no probe or subject has a group label" in figure.words


@pytest.mark.parametrize("least", [0.0, 1.0])
def test_the_limit_itself_counts_as_met(least: float) -> None:
    (figure,) = judged(true_positives_least=least)
    assert figure.passed is (least == 0.0)
