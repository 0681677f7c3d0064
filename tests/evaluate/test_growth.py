"""Growth: equal to the mean over every gallery of each size, and honest about what lists leave out."""

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evaluate import reference
from evaluate.small import EXAMPLES, GRID, searched, worlds
from facebatch.errors import ConfigError
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.draws import at_most_drawn, none_drawn
from facebatch.evaluate.growth import grow
from facebatch.evaluate.threshold_growth import threshold_at_size
from facebatch.evaluate.thresholds import threshold_at
from labelled import World

FEW = ResampleSpec(replicates=100)


def whole(world: World) -> World:
    """The same searches with lists that leave nothing out."""
    return World(world.scores, world.mates, max(1, world.subjects), None, world.failed, world.lost)


def kept(world: World, subjects: tuple[int, ...]) -> World:
    """The same searches in a part of the gallery."""
    out = frozenset(range(world.subjects)) - set(subjects)
    return World(world.scores, world.mates, world.length, world.floor, world.failed, world.lost | out)


def mean_fpir(world: World, size: int, threshold: float) -> Fraction:
    galleries = list(combinations(range(world.subjects), size))
    counts = [reference.fpir(kept(world, one), threshold) for one in galleries]
    return sum(Fraction(count, n) for count, n in counts) / len(galleries)


def mean_fnir(world: World, size: int, rank: int, threshold: float) -> Fraction:
    """Of each mated search over the galleries that hold its mate and size - 1 others."""
    made = [p for p in range(len(world.scores)) if reference.is_mated(world, p)]
    total = Fraction(0)
    for probe in made:
        others = [g for g in range(world.subjects) if g != world.mates[probe]]
        galleries = [(*one, world.mates[probe]) for one in combinations(others, size - 1)]
        hits = sum(reference.is_hit(kept(world, one), probe, rank, threshold) for one in galleries)
        total += 1 - Fraction(hits, len(galleries))
    return total / len(made)


@settings(EXAMPLES)
@given(worlds(), st.sampled_from([*GRID, -math.inf]), st.data())
def test_a_mean_over_every_gallery_is_given_or_held_between_bounds(world: World, threshold: float, data) -> None:
    world = World(
        world.scores,
        [m if m is None or m < world.subjects else None for m in world.mates],
        world.length,
        None,
        world.failed,
        world.lost,
    )
    s = searched(world)
    size, rank = data.draw(st.integers(1, max(1, world.subjects))), data.draw(st.integers(1, world.length))
    assume(world.scores)
    (point,) = grow(s, [size], threshold, FEW, rank=rank)
    everything = whole(world)
    if point.fpir is not None:
        truth = float(mean_fpir(everything, size, threshold))
        assert point.fpir.low - 1e-12 <= truth <= point.fpir.high + 1e-12
    ends_its_list = s.listed & s.full & (s.mate_similarity == s.list_end)  # and may be equal to somebody behind it
    if point.fnir is not None and not ends_its_list.any():
        truth = float(mean_fnir(everything, size, rank, threshold))
        assert point.fnir.low - 1e-12 <= truth <= point.fnir.high + 1e-12
    if world.length >= world.subjects:
        assert all(found is None or found.exact for found in (point.fpir, point.fnir, point.selectivity))


@settings(EXAMPLES)
@given(worlds(), st.sampled_from([0.5, 0.6, 0.75, 1.0]))
def test_thresholds_of_the_whole_gallery_are_those_of_the_rule(world: World, target: float) -> None:
    assume(world.scores)
    s = searched(world)
    found = threshold_at_size(s, world.subjects, target, FEW)
    if (~s.mated).sum() < 3 / target:
        assert found is None
    else:
        assert found.low == found.high == threshold_at(s, target)


def random_world(length: int, seed: int = 0) -> World:
    drawn = np.random.default_rng(seed)
    scores = drawn.normal(0, 0.2, (40, 8)).astype(np.float32).astype(float)
    return World(scores.tolist(), [None] * 30 + [int(m) for m in drawn.integers(0, 8, 10)], length)


@pytest.mark.parametrize("size", [2, 5, 8])
@pytest.mark.parametrize("target", [0.2, 0.5])
def test_the_threshold_of_a_size_is_the_smallest_that_keeps_the_mean(size: int, target: float) -> None:
    world = random_world(8)
    found = threshold_at_size(searched(world), size, target, FEW)
    assert found.exact
    below = float(np.nextafter(np.float32(found.low), np.float32(-np.inf)))
    assert mean_fpir(world, size, found.low) <= target < mean_fpir(world, size, below)
    assert found.interval[0] <= found.low <= found.interval[1]


def test_short_lists_leave_two_thresholds_and_the_truth_between() -> None:
    short, complete = (threshold_at_size(searched(random_world(length)), 2, 0.4, FEW) for length in (2, 8))
    assert not short.exact
    assert complete.exact
    assert short.low <= complete.low <= short.high


def test_error_rates_grow_with_the_gallery() -> None:
    points = grow(searched(random_world(8)), range(1, 9), 0.2, FEW, rank=1)
    for figures in ([p.fpir.low for p in points], [p.fnir.low for p in points], [p.selectivity.low for p in points]):
        assert figures == sorted(figures)
    assert all(p.fpir.interval[0] <= p.fpir.low <= p.fpir.interval[1] for p in points)
    assert points[-1].independent_fpir == pytest.approx(1 - (1 - points[-1].selectivity.low / 8) ** 8)


def test_independent_comparisons_follow_the_sanity_line() -> None:
    drawn = np.random.default_rng(3)
    world = World(drawn.normal(0, 0.2, (400, 12)).astype(np.float32).astype(float).tolist(), [None] * 400, 12)
    for point in grow(searched(world), [3, 6, 12], 0.3, FEW):
        assert point.fpir.low == pytest.approx(point.independent_fpir, abs=0.04)


@given(st.integers(1, 9), st.data())
def test_chances_are_those_of_counted_draws(population: int, data) -> None:
    drawn, allowed = data.draw(st.integers(0, population)), data.draw(st.integers(0, 4))
    galleries = list(combinations(range(population), drawn))
    for given_subjects in range(population + 1):
        marked = [sum(g < given_subjects for g in gallery) for gallery in galleries]
        none = sum(count == 0 for count in marked) / len(galleries)
        few = sum(count <= allowed for count in marked) / len(galleries)
        assert none_drawn(population, drawn, population)[given_subjects] == pytest.approx(none, abs=1e-12)
        assert at_most_drawn(population, drawn, population, allowed)[given_subjects] == pytest.approx(few, abs=1e-12)


@pytest.mark.parametrize("size", [0, 9])
def test_a_size_outside_the_gallery_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match="gallery of 8"):
        grow(searched(random_world(8)), [size], 0.2, FEW)
