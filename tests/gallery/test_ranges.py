"""Ranges: they hold what chance does, never call one failure a burst, and let an even trend pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.gallery.figures import Proportion
from facebatch.gallery.ranges import expected_range, most_by_chance, range_around


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=30), st.integers(1, 10**6))
def test_after_a_history_without_failures_one_is_never_too_many(sizes: list[int], n: int) -> None:
    low, high = expected_range([Proportion(count=0, n=size) for size in sizes], n, 3.0)
    assert low == 0
    assert high >= 1 / n - 1e-9


@given(st.integers(3, 30), st.floats(-1e-3, 1e-3))
def test_an_even_trend_goes_on_undisturbed(nights: int, step: float) -> None:
    n = 10**7
    line = [Proportion(count=round(n * (0.05 + step * number)), n=n) for number in range(nights + 1)]
    low, high = expected_range(line[:-1], n, 3.0)
    assert low <= line[-1].count / n <= high


def outside(nights: int, usual: float, tonight: float) -> float:
    """Share of 3000 simulated nights of 200 images that are outside the range of the nights before."""
    rng, stopped = np.random.default_rng(nights), 0
    for row in rng.binomial(200, usual, size=(3000, nights)):
        low, high = expected_range([Proportion(count=int(count), n=200) for count in row], 200, 3.0)
        stopped += not low <= rng.binomial(200, tonight) / 200 <= high
    return stopped / 3000


@pytest.mark.parametrize("nights", [5, 10, 30])
def test_the_range_holds_what_chance_does_and_little_more(nights: int) -> None:
    """Three sigma, two-sided: 0.27 %; less with a short history, which cannot tell chance from a spread of its own."""
    assert outside(nights, 0.05, 0.05) < 0.004
    assert outside(nights, 0.05, 0.25) > 0.9


def test_nights_that_differ_by_themselves_widen_the_range() -> None:
    steady = [Proportion(count=count, n=10_000) for count in (500, 510, 490, 505, 495, 500, 480)]
    uneven = [Proportion(count=count, n=10_000) for count in (500, 700, 300, 600, 400, 500, 450)]
    assert np.diff(expected_range(uneven, 10_000, 3.0)) > 5 * np.diff(expected_range(steady, 10_000, 3.0))


def test_a_short_history_allows_more() -> None:
    uneven = [Proportion(count=count, n=10_000) for count in (500, 700, 300, 600, 400)]
    assert np.diff(expected_range(uneven, 10_000, 3.0)) > 1.6 * np.diff(expected_range(uneven * 6, 10_000, 3.0))


def test_after_none_of_a_hundred_six_of_a_hundred_are_chance_and_nine_are_not() -> None:
    """Fisher's exact test, two-sided: p = 0.029 and 0.0032."""
    assert 0.06 < range_around(Proportion(count=0, n=100), 100, 3.0)[1] < 0.09


@pytest.mark.parametrize(("rate", "n"), [(0.02, 10**6), (0.5, 1000), (0.02, 400)])
def test_a_limit_is_exceeded_by_chance_as_a_binomial_does(rate: float, n: int) -> None:
    most = most_by_chance(rate, n, 3.0)
    drawn = np.random.default_rng(5).binomial(n, rate, size=200_000) / n
    assert 0.0005 < np.mean(drawn > most) < 0.0025


def test_the_range_around_one_share_narrows_with_both_samples() -> None:
    widths = [
        np.diff(range_around(Proportion(count=m // 10, n=m), n, 3.0))[0]
        for m, n in ((100, 100), (100, 10**4), (10**4, 10**4))
    ]
    assert widths == sorted(widths, reverse=True)
    low, high = range_around(Proportion(count=1000, n=10**4), 10**4, 3.0)
    assert (low, high) == pytest.approx(
        (0.1 - 3 * np.sqrt(2 * 0.09 / 10**4), 0.1 + 3 * np.sqrt(2 * 0.09 / 10**4)), abs=5e-4
    )
