"""Histograms of similarities: every search is in one bin, or said to have no similarity."""

import numpy as np
from hypothesis import given, settings

from evaluate import reference
from evaluate.small import EXAMPLES, searched, worlds
from facebatch.evaluate.score_histograms import BINS, WIDTH, edges, histograms
from labelled import World


def bins(values: list[float]) -> list[int]:
    """Counted one by one, each in the last bin that begins at or below it."""
    counts = [0] * BINS
    for value in values:
        counts[max(b for b in range(BINS) if b == 0 or -1 + b * WIDTH <= value + 1e-12)] += 1
    return counts


def mates(world: World) -> list[float]:
    """Similarities of listed mates."""
    found = []
    for probe in range(len(world.scores)):
        found += [reference.similarity(s) for s, g in world.ranked(probe) if g == world.mates[probe]]
    return found


@settings(EXAMPLES)
@given(worlds())
def test_mates_and_best_others_are_counted_search_by_search(world: World) -> None:
    found = histograms(searched(world))
    made = [probe for probe in range(len(world.scores)) if probe not in world.failed]
    strangers = [world.ranked(probe) for probe in made if not reference.is_mated(world, probe)]
    assert found.mated.tolist() == bins(mates(world))
    assert found.nonmated.tolist() == bins([reference.similarity(row[0][0]) for row in strangers if row])
    mated = sum(reference.is_mated(world, probe) for probe in made)
    assert found.unlisted == mated - found.mated.sum()


def test_the_ends_are_in_the_end_bins() -> None:
    world = World([[1.0], [-1.0], [0.0]], [None, None, None], 1)
    found = histograms(searched(world)).nonmated
    assert np.flatnonzero(found).tolist() == [0, BINS // 2, BINS - 1]
    assert (edges()[0], edges()[BINS // 2], edges()[-1]) == (-1, 0, 1)
