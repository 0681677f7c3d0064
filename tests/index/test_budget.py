"""From rows and minutes to the rows that one run may rewrite."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import ConfigError
from facebatch.index.budget import ASSUMED_ROWS_PER_SECOND, Rate, allow, measure
from facebatch.index.compact import CompactSpec
from facebatch.spec import parse

FAST = Rate(1000.0, 3)
BUILDS = st.lists(st.tuples(st.integers(0, 10**6), st.one_of(st.none(), st.floats(0, 10**4))))


def test_the_rate_is_that_of_all_recorded_builds_together() -> None:
    assert measure([(900, 3.0), (100, 1.0), (10**6, None), (5, 0.0)]) == Rate(250.0, 2)


@pytest.mark.parametrize("builds", [[], [(100, None)], [(100, 0.0)], [(0, 2.0)]])
def test_without_a_recorded_build_it_is_assumed_and_said(builds: list[tuple[int, float | None]]) -> None:
    budget = allow(CompactSpec(minutes=2), measure(builds))
    assert budget.rows == 120 * ASSUMED_ROWS_PER_SECOND
    assert "assumed" in budget.words


@given(BUILDS)
def test_the_rate_lies_between_the_slowest_and_the_fastest_build(builds: list[tuple[int, float | None]]) -> None:
    rate = measure(builds)
    rates = [rows / seconds for rows, seconds in builds if seconds]
    assert rate.rows_per_second > 0
    if rate.segments:
        assert min(rates) * (1 - 1e-9) <= rate.rows_per_second <= max(rates) * (1 + 1e-9)
        assert measure(builds) == rate


@pytest.mark.parametrize(
    ("spec", "rows", "words"),
    [
        (CompactSpec(), 0, "nothing: neither compaction.rows nor compaction.minutes is given"),
        (CompactSpec(rows=7), 7, "7 rows"),
        (CompactSpec(minutes=1.5), 90_000, "1.5 minutes at 1000 rows a second (as 3 segments of the head were built)"),
        (CompactSpec(rows=89_999, minutes=1.5), 89_999, "the stricter counts"),
        (CompactSpec(rows=90_001, minutes=1.5), 90_000, "the stricter counts"),
        (CompactSpec(rows=0, minutes=1.5), 0, "so 90000 rows; 0 rows"),
        (CompactSpec(minutes=0), 0, "so 0 rows"),
    ],
)
def test_the_stricter_counts_and_words_say_how_it_came_to_that(spec: CompactSpec, rows: int, words: str) -> None:
    budget = allow(spec, FAST)
    assert budget.rows == rows
    assert words in budget.words
    assert budget.rows_per_second == (1000.0 if spec.minutes is not None else None)


@pytest.mark.parametrize("minutes", [-1, 1441, float("nan"), float("inf")])
def test_minutes_are_those_of_a_day(minutes: float) -> None:
    with pytest.raises(ConfigError, match="minutes"):
        parse(CompactSpec, {"minutes": minutes}, origin="config")
