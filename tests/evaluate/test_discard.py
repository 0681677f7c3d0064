"""Error versus discard: every point is FNIR of the searches that are left, computed again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate import reference
from evaluate.small import EXAMPLES, GRID, searched, worlds
from facebatch.evaluate.discard import POINTS, discard
from labelled import World

QUALITIES = (10.0, 20.0, 30.0, None)


@settings(EXAMPLES)
@given(worlds(), st.data(), st.sampled_from([None, *GRID]))
def test_every_point_is_the_rate_of_those_left(world: World, data, threshold) -> None:
    drawn = data.draw(st.lists(st.sampled_from(QUALITIES), min_size=len(world.scores), max_size=len(world.scores)))
    world = World(world.scores, world.mates, world.length, world.floor, world.failed, world.lost, quality=drawn)
    found = discard(searched(world), threshold)
    mated = [p for p in range(len(world.scores)) if reference.is_mated(world, p) and p not in world.failed]
    known = [p for p in mated if drawn[p] is not None]
    if not known:
        assert found is None
        return
    assert found is not None
    assert (found.searches, found.without_quality) == (len(known), len(mated) - len(known))
    limit = float("-inf") if threshold is None else threshold
    cuts = sorted({drawn[p] for p in known})
    points = [[p for p in known if drawn[p] >= cut] for cut in cuts]
    missed = [[not reference.is_hit(world, p, world.length, limit) for p in left] for left in points]
    assert found.share == pytest.approx([1 - len(left) / len(known) for left in points])
    assert found.fnir == pytest.approx([sum(miss) / len(miss) for miss in missed])


def test_a_quality_that_foresees_every_miss_takes_the_curve_to_zero() -> None:
    scores = [[0.1, 0.9]] * 2 + [[0.9, 0.1]] * 8
    quality = [float(value) for value in range(10)]
    found = discard(searched(World(scores, [0] * 10, 2, quality=quality)), 0.5)
    assert found is not None
    assert found.fnir[:3].tolist() == [0.2, pytest.approx(1 / 9), 0.0]
    assert (found.fnir[2:] == 0).all()


def test_many_qualities_are_thinned_out_to_the_ends() -> None:
    drawn = np.random.default_rng(0)
    quality = drawn.permutation(1000).astype(float).tolist()
    found = discard(searched(World([[0.5, 0.4]] * 1000, [0] * 1000, 2, quality=quality)), None)
    assert found is not None
    assert len(found.share) == POINTS
    assert (found.share[0], found.share[-1]) == (0.0, 0.999)
    assert (np.diff(found.share) > 0).all()


def test_probes_without_quality_make_no_curve() -> None:
    assert discard(searched(World([[0.5]], [0], 1)), None) is None
