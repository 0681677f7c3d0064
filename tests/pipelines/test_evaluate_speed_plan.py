"""What is timed, and how often: never more than there is time for, and always from the first template on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.pipelines.evaluate_speed_plan import (
    LEAST_ROUNDS,
    MOST_ROUNDS,
    OPENED_PER_SECOND,
    may_open,
    may_time,
    rounds,
    split,
    templates_at,
)


@pytest.mark.parametrize(("size", "templates"), [(1, 2), (10, 25), (39, 98), (40, 100)])
def test_a_size_has_its_share_of_the_templates(size: int, templates: int) -> None:
    assert templates_at(size, 40, 100) == templates


def test_fewer_templates_than_subjects_still_leave_one() -> None:
    assert templates_at(1, 1000, 10) == 1


@given(st.lists(st.integers(0, 50), max_size=6), st.integers(1, 200))
def test_templates_are_taken_in_order_and_completely(live: list[int], templates: int) -> None:
    taken = split(templates, live)
    if sum(live) < templates:
        assert taken is None
        return
    assert taken is not None
    assert sum(taken) == templates
    assert list(taken[:-1]) == live[: len(taken) - 1]
    assert 0 < taken[-1] <= live[len(taken) - 1]


def test_segments_are_opened_within_half_of_the_time() -> None:
    assert may_open(int(0.4 * OPENED_PER_SECOND), 0, 0.0, 1.0)
    assert not may_open(int(0.6 * OPENED_PER_SECOND), 0, 0.0, 1.0)
    # as fast as the ones before: 100 bytes a second
    assert may_open(30, 10, 0.1, 1.0)
    assert not may_open(50, 10, 0.1, 1.0)


@given(st.lists(st.floats(1e-6, 2.0), max_size=8), st.floats(1.0, 6.0), st.floats(0.0, 20.0))
def test_one_more_size_leaves_time_for_the_least_rounds_of_all(first: list[float], growth: float, left: float) -> None:
    if first and may_time(first, growth, left):
        expected = first[-1] * growth
        assert rounds([*first, expected], left - expected) >= LEAST_ROUNDS
        assert LEAST_ROUNDS * (sum(first) + expected) <= left - expected + 1e-9


def test_rounds_fill_the_time_up_to_a_most() -> None:
    assert rounds([0.5, 0.5], 7.9) == 7
    assert rounds([1e-4], 6.0) == MOST_ROUNDS
    assert rounds([3.0], 1.0) == LEAST_ROUNDS
    assert not may_time([], 1.0, -0.1)
