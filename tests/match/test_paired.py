"""Paired shares: counted, bounded, and judged by the loss that is allowed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.match.paired import Paired, no_loss, pair

COUNTS = st.integers(0, 60)


def test_the_interval_is_that_of_the_literature() -> None:
    """36, 12, 2, 0: 0.0569 to 0.3404 for a difference of 0.2, method 10 in Newcombe's table."""
    low, high = Paired(36, 2, 12, 0).interval
    assert (round(low, 4), round(high, 4)) == (0.0569, 0.3404)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_the_interval_holds_the_change_and_turns_with_it(both: int, lost: int, gained: int, neither: int) -> None:
    seen, turned = Paired(both, lost, gained, neither), Paired(both, gained, lost, neither)
    if seen.n:
        low, high = seen.interval
        assert -1 <= low <= seen.change <= high <= 1
        assert turned.interval == pytest.approx((-high, -low))
        assert low < high


def test_verdicts_are_counted_in_pairs() -> None:
    before, now = (np.array([bool(int(sign)) for sign in signs]) for signs in ("11010", "10110"))
    assert pair(before, now) == Paired(both=2, lost=1, gained=1, neither=1)


@pytest.mark.parametrize(
    ("lost", "gained", "allowed", "passed"),
    [
        (0, 0, 0.0, True),
        (1, 1, 0.0, True),
        (1, 0, 0.0, False),
        (2, 0, 0.1, False),
        (2, 1, 0.1, True),
        (1, 0, 0.1, True),
    ],
)
def test_the_loss_on_balance_is_judged(lost: int, gained: int, allowed: float, passed: bool) -> None:
    seen = Paired(8 - lost, lost, gained, 2 - gained)
    figure = no_loss("generation.rank_one", seen, allowed, "canaries have their mate first")
    assert figure.passed is passed
    assert (figure.count, figure.n, figure.value) == (seen.now, 10, seen.now / 10)
    assert figure.reference is not None
    assert figure.reference.count == seen.before
    assert f"{lost} lost, {gained} gained" in figure.words
