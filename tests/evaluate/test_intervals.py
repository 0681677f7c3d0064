"""Intervals: rates without trials are no rates, zeros have a bound, and sizes follow the rules of 3 and 30."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from facebatch.evaluate.intervals import (
    informed,
    method_of,
    rate,
    rate_over_people,
    rule_of_three,
    trials_for_thirty,
    trials_to_show,
)


def test_intervals_of_the_definition() -> None:
    assert (rate(0, 1000).low, rate(0, 1000).high) == pytest.approx((0, 0.00383), abs=5e-6)
    assert (rate(3, 1000).low, rate(3, 1000).high) == pytest.approx((0.00102, 0.00878), abs=5e-6)


def test_very_small_rates_are_not_rounded_away() -> None:
    assert rate(0, 10**11).high == pytest.approx(3.84e-11, rel=1e-3)


def test_no_trials_is_not_zero() -> None:
    none = rate(0, 0)
    assert (none.value, none.low, none.high, none.below) == (None, None, None, None)
    assert rate_over_people(0, 0, 0, (float("nan"), float("nan"))).low is None


def test_zero_events_have_a_bound() -> None:
    assert rate(0, 1000).below == pytest.approx(0.003)
    assert rate(1, 1000).below is None
    assert rule_of_three(2) == 1


@pytest.mark.parametrize(("target", "needed", "wanted"), [(0.001, 3000, 30_000), (0.003, 1000, 10_000), (0.5, 6, 60)])
def test_sizes_follow_the_rules(target: float, needed: int, wanted: int) -> None:
    assert (trials_to_show(target), trials_for_thirty(target)) == (needed, wanted)
    assert rule_of_three(needed) <= target < rule_of_three(needed - 1)


def test_thirty_errors_are_enough() -> None:
    assert rate(29, 100).few
    assert not rate(30, 100).few


def test_replicates_that_all_agree_leave_the_people() -> None:
    assert informed((0.1, 0.2), 5) == (0.1, 0.2)
    assert informed((0.0, 0.0), 10) == (rate(0, 10).low, rate(0, 10).high)
    assert informed((1.0, 1.0), 10) == (rate(10, 10).low, rate(10, 10).high)
    assert rate_over_people(0, 1000, 10, (0.0, 0.0)).high > rate(0, 1000).high
    assert rate_over_people(5, 1000, 10, (0.0, 0.02)).method == "bootstrap"


def test_people_with_one_share_of_errors_leave_no_certainty() -> None:
    found = rate_over_people(20, 30, 15, (2 / 3, 2 / 3))
    assert (found.low, found.high) == (rate(10, 15).low, rate(10, 15).high)
    assert (found.method, found.people) == ("wilson", 15)
    low, high = rate_over_people(20, 30, 10, (2 / 3, 2 / 3)).low, rate_over_people(20, 30, 10, (2 / 3, 2 / 3)).high
    assert rate(6, 10).low < low < 2 / 3 < high < rate(7, 10).high


def test_sums_in_another_order_are_no_spread() -> None:
    noise = (0.1 + 0.2, 0.3)
    assert noise[0] != noise[1]
    assert informed(noise, 10) == pytest.approx((rate(3, 10).low, rate(3, 10).high))


def test_means_beyond_shares_are_scaled_and_mirrored() -> None:
    low, high = rate(3, 10).low, rate(3, 10).high
    assert informed((6.0, 6.0), 10, most=20) == pytest.approx((20 * low, 20 * high))
    assert informed((20.0, 20.0), 10, most=20) == (20 * rate(10, 10).low, 20.0)
    assert informed((-0.3, -0.3), 10) == pytest.approx((-high, -low))


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 1000))
def test_an_interval_with_a_spread_is_left_as_it_is(one: float, other: float, people: int) -> None:
    spread = (min(one, other), max(one, other))
    assume(spread[1] - spread[0] > 1e-8 * spread[1])
    assert informed(spread, people) is spread
    assert method_of(informed(spread, people), spread) == "bootstrap"
