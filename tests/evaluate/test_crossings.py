"""First steps over a limit: those of the sum in turn, bit for bit, also where a sum ends on its limit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from evaluated import SPEC, drawn
from facebatch.evaluate.bootstrap import ResampleSpec, draw, people_of
from facebatch.evaluate.crossings import BLOCKS, Ladder, first_over, ladder
from facebatch.evaluate.population import GroupSpec, PopulationSpec
from facebatch.evaluate.population_draw import draw_searches
from facebatch.evaluate.report import report
from facebatch.evaluate.searches import Searches, collect
from facebatch.evaluate.threshold_growth import threshold_at_size, thresholds_at_sizes
from facebatch.evaluate.thresholds import NON_MATED


def in_turn(climbed: Ladder, weights: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """The definition."""
    reached = np.cumsum(weights[:, climbed.of] * climbed.chance, axis=1)
    return np.count_nonzero(reached[:, None, :] <= allowed[:, :, None], axis=2)


def climbs(steps: int, people: int, seed: int, grid: int) -> tuple[Ladder, np.ndarray]:
    """Chances of many sizes, or all on a grid, so that sums are equal often; some people are not drawn."""
    random = np.random.default_rng(seed)
    chance = random.integers(1, grid + 1, steps) / grid if grid else 10.0 ** random.uniform(-9, 0, steps)
    weights = random.poisson(1, (8, people)).astype(np.float64)
    return ladder(random.integers(0, people, steps), chance, people), weights


@given(st.integers(0, 700), st.integers(1, 40), st.integers(0, 10**6), st.sampled_from([0, 1, 4, 10]), st.data())
def test_the_first_step_over_is_that_of_the_sum_in_turn(
    steps: int, people: int, seed: int, grid: int, data: st.DataObject
) -> None:
    climbed, weights = climbs(steps, people, seed, grid)
    ends = np.cumsum(weights[:, climbed.of] * climbed.chance, axis=1)
    any_ = data.draw(st.floats(1e-9, 2 * max(1.0, float(ends.max(initial=0)))))
    limits = [np.full(8, any_)]
    for _ in range(3 if steps else 0):  # exactly what is reached somewhere, and the next numbers on either side
        reached = np.maximum(ends[:, data.draw(st.integers(0, steps - 1))], 1e-9)
        limits += [reached, np.nextafter(reached, 0), np.nextafter(reached, np.inf)]
    allowed = np.stack(limits, axis=1)
    assert np.array_equal(first_over(climbed, weights, allowed), in_turn(climbed, weights, allowed))


def test_blocks_add_up_to_all_steps_and_are_as_many_as_are_meant() -> None:
    climbed, weights = climbs(10_000, 30, 0, 0)
    assert climbed.sums.shape == (30, -(-10_000 // climbed.block))
    assert BLOCKS / 2 < climbed.sums.shape[1] <= BLOCKS
    assert climbed.sums.sum() == pytest.approx(climbed.chance.sum())
    assert first_over(climbed, weights, np.empty((8, 0))).shape == (8, 0)


def strangers() -> Searches:
    """Enough for a matrix product to be shared between threads."""
    group = GroupSpec(name="a", subjects=400, mated_people=50, non_mated_people=600)
    return collect(draw_searches(PopulationSpec(groups=(group,), probes_per_person=2, length=20), 5).inputs)


def test_intervals_of_thresholds_are_those_of_resamples_added_up_in_turn() -> None:
    s, size, target, spec = strangers(), 150, 0.05, ResampleSpec(replicates=100, seed=4)
    found = threshold_at_size(s, size, target, spec)
    assert found is not None
    lists = s.select(~s.mated)
    people = people_of(lists.person)
    chance = chances(400, size, lists.length)
    order = np.argsort(-lists.nonmates.similarity, kind="stable")
    place = np.arange(len(order)) - lists.nonmates.starts[lists.nonmates.probe]
    similarity, chance, of = (
        lists.nonmates.similarity[order],
        chance[place[order]],
        people.of[lists.nonmates.probe[order]],
    )
    searches = np.bincount(people.of)
    replicates = []
    for counts in draw(people, people.count, spec, NON_MATED):
        for row in counts:
            over = np.count_nonzero(np.cumsum(row[of] * chance) <= target * (1 + 1e-9) * (row @ searches))
            replicates.append(float(np.nextafter(similarity[over], np.float32(np.inf))))
    assert found.interval[0] == sorted(replicates)[2]


def chances(population: int, size: int, length: int) -> np.ndarray:
    """C(N - j, n - 1) / C(N, n) for j = 1 ..., by products."""
    left = np.cumprod([1.0, *((population - size - j) / (population - j) for j in range(length))])
    return -np.diff(left)


def test_sizes_and_targets_together_give_what_each_gives_alone() -> None:
    s, spec = strangers(), ResampleSpec(replicates=100)
    sizes, targets = (10, 60, 400), (0.0001, 0.01, 0.2)
    found = thresholds_at_sizes(s, sizes, targets, spec)
    assert found[0.0001] == ()
    for target in targets[1:]:
        assert found[target] == tuple(threshold_at_size(s, size, target, spec) for size in sizes)


def test_a_report_is_the_same_with_one_thread_and_with_two() -> None:
    searches = drawn().searches
    told = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads, user_api="blas"):
            found = report(searches, SPEC)
        told.append(repr((found.identification, found.growth, found.threshold_growth)))
    assert told[0] == told[1]
