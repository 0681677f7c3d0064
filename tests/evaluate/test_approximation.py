"""Approximation: recall and lost mates as counted by hand, and lists of other probes refused."""

import pytest

from evaluate.small import VECTORS, searched
from facebatch.errors import StopError
from facebatch.evaluate.approximation import compare
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.intervals import rate
from facebatch.evaluate.searches import Searches
from labelled import World

SPEC = ResampleSpec(replicates=100)
SCORES = [[0.9, 0.2, 0.1, 0.0], [0.3, 0.8, 0.5, 0.4], [0.1, 0.2, 0.3, 0.4]]


def lists(scores: list[list[float]], length: int = 2) -> Searches:
    return searched(World(scores, [0, 1, None], length))


def test_exact_lists_lose_nothing() -> None:
    found = compare(lists(SCORES), lists(SCORES), 2, SPEC)
    assert (found.recall.count, found.recall.n) == (6, 6)
    assert found.penalty == 0
    assert found.interval == pytest.approx((0.0, rate(0, 2).high)), "of two people, none lost"
    assert found.method == "wilson"


def test_lost_candidates_and_mates_are_counted() -> None:
    lossy = [SCORES[0], [0.3, -1.0, 0.5, 0.4], [0.1, 0.2, -1.0, 0.4]]
    found = compare(lists(SCORES), lists(lossy), 2, SPEC)
    assert (found.recall.count, found.recall.n) == (4, 6)
    assert (found.exact_fnir.value, found.fnir.value, found.penalty) == (0.0, 0.5, 0.5)
    assert found.method == "bootstrap"
    first = compare(lists(SCORES), lists(lossy), 1, SPEC)
    assert (first.recall.count, first.recall.n) == (2, 3)


def test_a_threshold_leaves_only_mates_that_reach_it() -> None:
    lossy = [[-1.0, 0.2, 0.1, 0.0], *SCORES[1:]]
    assert compare(lists(SCORES), lists(lossy), 2, SPEC, threshold=0.85).penalty == 0.5
    assert compare(lists(SCORES), lists(lossy), 2, SPEC, threshold=0.95).penalty == 0.0


def test_other_probes_are_refused() -> None:
    with pytest.raises(StopError, match="same gallery twice"):
        compare(lists(SCORES), searched(VECTORS), 2, SPEC)
    with pytest.raises(StopError, match="same gallery twice"):
        compare(lists(SCORES), searched(World(SCORES, [0, 2, None], 2)), 2, SPEC)
