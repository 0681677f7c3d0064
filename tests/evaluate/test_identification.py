"""Identification: the vectors of the definition, and equality with plain Python on worlds with ties and failures."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate import reference
from evaluate.small import EXAMPLES, GRID, VECTORS, searched, worlds
from facebatch.errors import ConfigError
from facebatch.evaluate import identification as one
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.error_rates import failure_to_extract
from facebatch.evaluate.thresholds import allowed, threshold_at
from labelled import World


def share(rate: one.Rate) -> tuple[int, int]:
    return rate.count, rate.n


def test_the_vectors_of_the_definition() -> None:
    s = searched(VECTORS)
    assert one.fnir(s, rank=1).value == pytest.approx(2 / 3)
    assert one.fnir(s, rank=2).value == 0
    assert one.fnir(s, threshold=0.5).value == pytest.approx(1 / 3)
    assert one.fpir(s, 0.6).value == 0.5
    assert one.fpir(s, 0.5).value == 1
    assert one.selectivity(s, 0.25).value == 1.5
    assert [rate.value for rate in one.cmc(s, [1, 2, 3])] == pytest.approx([1 / 3, 1, 1])
    assert threshold_at(s, 0.5) == float(np.nextafter(np.float32(0.55), np.float32(1)))


@settings(EXAMPLES)
@given(worlds(), st.sampled_from([*GRID, 0.1, -math.inf]), st.sampled_from(["counted", "excluded"]), st.data())
def test_rates_are_those_of_plain_python(world: World, threshold: float, failures: one.Failures, data) -> None:
    s = searched(world)
    rank = data.draw(st.integers(1, world.length))
    expected = reference.fnir(world, rank, threshold, failures)
    assert share(one.fnir(s, rank=rank, threshold=threshold, failures=failures)) == expected
    assert share(one.tpir(s, rank=rank, threshold=threshold, failures=failures)) == (
        expected[1] - expected[0],
        expected[1],
    )
    assert share(one.fpir(s, threshold, failures)) == reference.fpir(world, threshold, failures)
    assert one.selectivity(s, threshold).candidates == reference.load(world, threshold)


@settings(EXAMPLES)
@given(worlds(), st.integers(1, 8), st.integers(1, 8))
def test_the_threshold_is_the_smallest_that_keeps_the_target(world: World, above: int, below: int) -> None:
    target = Fraction(min(above, below), max(above, below))
    assert threshold_at(searched(world), float(target)) == reference.smallest_threshold(world, target)


@settings(EXAMPLES)
@given(worlds())
def test_rates_move_one_way_with_rank_and_threshold(world: World) -> None:
    s = searched(world)
    steps = sorted({*GRID, -math.inf})
    by_threshold = [one.fnir(s, threshold=t).count for t in steps]
    by_rank = [one.fnir(s, rank=rank).count for rank in range(1, world.length + 1)]
    alarms = [one.fpir(s, t).count for t in steps]
    assert by_threshold == sorted(by_threshold)
    assert by_rank == sorted(by_rank, reverse=True)
    assert alarms == sorted(alarms, reverse=True)


@settings(EXAMPLES)
@given(worlds(), st.sampled_from(GRID))
def test_every_miss_has_one_reason(world: World, threshold: float) -> None:
    s = searched(world)
    for rank in range(1, world.length + 1):
        why = one.misses(s, rank=rank, threshold=threshold)
        reasons = (
            why.probe_failed,
            why.mate_not_enrolled,
            why.not_listed,
            why.below_threshold,
            why.outranked,
        )
        assert sum(reasons) == one.fnir(s, rank=rank, threshold=threshold).count
        assert why.censored <= why.not_listed


@pytest.mark.parametrize("target", [0.29, 0.57, 0.001, 0.003, 0.07, 1.0])
@pytest.mark.parametrize("n", [100, 1000, 3000])
def test_so_many_false_positives_are_allowed_as_the_target_says(target: float, n: int) -> None:
    assert allowed(np.array([n]), target).tolist() == [math.floor(Fraction(str(target)) * n)]


def test_a_threshold_next_to_a_similarity_counts_it_or_not() -> None:
    value = np.float32(0.55)
    s = searched(VECTORS)
    assert one.fpir(s, float(value)).count == 2
    assert one.fpir(s, float(np.nextafter(value, np.float32(1)))).count == 1
    assert one.fpir(s, 0.55).count == 2, "0.55 of a config is the float32 nearest to it"


def test_all_equal_best_similarities_are_above_the_line_or_none() -> None:
    s = searched(World([[0.5, 0.1]] * 3 + [[0.25, 0.1]], [None] * 4, 2))
    just_above = float(np.nextafter(np.float32(0.5), np.float32(1)))
    assert [threshold_at(s, target) for target in (0.25, 0.5, 0.74)] == [just_above] * 3
    assert threshold_at(s, 0.75) == float(np.nextafter(np.float32(0.25), np.float32(1)))
    assert threshold_at(s, 1.0) == -math.inf


def test_a_mate_beyond_the_list_is_a_miss_and_said_to_be_hidden() -> None:
    s = searched(World([[0.5, 0.4, 0.9], [0.1, 0.2, 0.3]], [1, 2], 2))
    assert one.misses(s, threshold=0.5) == one.Misses(0, 0, 1, 1, 0, censored=1)
    assert one.misses(s, threshold=0.6).censored == 0
    assert one.selectivity(s, 0.0).capped == 0, "mated searches are no part of it"


def test_selectivity_is_the_load_of_reviewers() -> None:
    load = one.selectivity(searched(VECTORS), 0.25)
    assert load.per_thousand == 1500
    assert load.hours(searches=200, minutes=3) == 15
    assert one.selectivity(searched(World([[0.5, 0.4]], [0], 2)), 0.1).value is None


def test_lists_that_end_above_the_threshold_are_capped() -> None:
    s = searched(World([[0.5, 0.4, 0.3], [0.5, 0.1, 0.1]], [None, None], 2))
    assert one.selectivity(s, 0.3).capped == 1
    assert one.selectivity(s, 0.1).capped == 2


def test_failures_to_enrol_stay_in_the_gallery() -> None:
    s = searched(World([[0.5, 0.4, 0.3], [0.5, 0.1, 0.1]], [1, None], 2, failed=frozenset({1}), lost=frozenset({1})))
    assert share(one.failure_to_enrol(s)) == (1, 3)
    assert share(failure_to_extract(s, ResampleSpec(replicates=100))) == (1, 2)
    assert s.gallery.size == 3


@pytest.mark.parametrize("rank", [0, 4])
def test_a_rank_beyond_the_lists_is_refused(rank: int) -> None:
    with pytest.raises(ConfigError, match="ranks are 1 to 3"):
        one.fnir(searched(VECTORS), rank=rank)
