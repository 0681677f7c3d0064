"""Score shift: quantiles that occurred, with unlisted similarities below all that are known."""

import math

import numpy as np
import pytest

from evaluate.grouped import ANY, FEW, crowd
from evaluate.small import searched
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.groups import groupings
from facebatch.evaluate.shifts import Quantile, shifts
from facebatch.evaluate.sufficiency import LeastSpec, TooFew
from labelled import World


def test_quantiles_are_those_of_numpy() -> None:
    s = crowd()
    (grouping,) = groupings(s, ["sex"])
    for shift in shifts(s, grouping, ANY, FEW):
        chosen = grouping.probes == grouping.names.index(shift.group)
        values = s.mate_similarity[chosen & s.mated] if shift.side == "mated" else s.best_nonmate[chosen & ~s.mated]
        assert (shift.n, shift.unlisted) == (len(values), 0)
        for share, found in zip((0.01, 0.5, 0.99), (shift.told.low, shift.told.median, shift.told.high), strict=True):
            assert found.value == np.quantile(values, share, method="inverted_cdf")
            assert found.low <= found.value <= found.high


def test_men_who_are_more_alike_have_higher_similarities_of_strangers() -> None:
    s = crowd(180, 100)
    *_, women, men = shifts(s, groupings(s, ["sex"])[0], LeastSpec(), ResampleSpec())
    assert (women.group, women.side, men.group) == ("f", "non-mated", "m")
    assert men.told.median.low > women.told.median.high


def test_unlisted_mates_count_below_all() -> None:
    """Four of ten mates are beyond the list: the median is the least listed but one, the 1st percentile unknown."""
    scores = [[0.5 - 0.01 * probe, 0.9] if probe < 4 else [0.8 - 0.01 * probe, 0.1] for probe in range(10)]
    world = World(scores, [0] * 10, 1, groups=[{"all": "x"}] * 10)
    s = searched(world)
    mated, strangers = shifts(s, groupings(s)[0], ANY, FEW)
    assert (mated.n, mated.unlisted) == (10, 4)
    assert mated.told.low == Quantile(None, None, None), "one person has all probes"
    assert mated.told.median.value == pytest.approx(0.71)
    assert mated.told.high.value == pytest.approx(0.76)
    assert (strangers.n, strangers.told) == (0, TooFew(0, 0, 0.0))


def test_failures_and_searches_without_candidates() -> None:
    world = World(
        scores=[[0.1, 0.2], [0.6, 0.5], [0.7, 0.2], [0.4, 0.4]],
        mates=[None, None, None, 1],
        length=2,
        floor=0.3,
        failed=frozenset({2}),
        lost=frozenset({1}),
        groups=[{"all": "x"}] * 4,
    )
    s = searched(world)
    mated, strangers = shifts(s, groupings(s)[0], ANY, FEW)
    assert (strangers.n, strangers.unlisted) == (2, 1)
    assert strangers.told.low.value is None
    assert strangers.told.high.value == pytest.approx(0.6)
    assert mated.n == 0, "the mate was not enrolled"


def test_few_people_have_no_quantiles() -> None:
    s = crowd()
    found = shifts(s, groupings(s, ["sex"])[0], LeastSpec(people=30), FEW)
    assert {type(shift.told) for shift in found} == {TooFew}
    assert all(shift.n >= shift.told.people > 0 for shift in found)
    assert not any(math.isnan(shift.told.expected) for shift in found)
