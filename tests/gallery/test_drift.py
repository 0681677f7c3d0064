"""Drift: the distance is that of Kolmogorov and Smirnov, and only like is compared with like."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.gallery.drift import (
    BIN_WIDTH,
    count_similarities,
    critical_distance,
    drift,
    histogram,
    ks_distance,
    usual_distance,
)
from facebatch.gallery.figures import Histogram
from facebatch.gallery.gates import GateSpec

SPEC = GateSpec()


def sample(seed: int, templates: int, mean: float = 0.0, spread: float = 0.08) -> Histogram:
    """Each template against 50 probes."""
    found = np.random.default_rng(seed).normal(mean, spread, size=(templates, 50)).astype(np.float32)
    return histogram(count_similarities(found), templates)


def test_the_distance_is_the_largest_gap_of_the_shares_below() -> None:
    rng = np.random.default_rng(1)
    left, right = rng.normal(0, 0.1, 3000), rng.normal(0.03, 0.12, 2000)
    edges = np.arange(-1, 1, 0.0001)
    gaps = np.abs(
        np.searchsorted(np.sort(left), edges) / len(left) - np.searchsorted(np.sort(right), edges) / len(right)
    )
    stored = [histogram(count_similarities(side.astype(np.float32)), 1) for side in (left, right)]
    assert ks_distance(stored[:1], stored[1:]) == pytest.approx(gaps.max(), abs=0.01)
    assert ks_distance(stored[:1], stored[1:]) <= gaps.max() + 1e-9


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=50))
def test_every_similarity_is_counted_in_its_bin(found: list[float]) -> None:
    counts = count_similarities(np.array(found, np.float32))
    stored = histogram(counts, 1)
    assert stored.total == len(found)
    assert stored.quantile(1.0) == pytest.approx(max(found), abs=BIN_WIDTH + 1e-6)
    assert ks_distance([stored], [stored, stored]) == 0


def test_rounding_beyond_one_is_counted_at_one() -> None:
    counts = count_similarities(np.array([1.0000001, -1.0000001, 1.0], np.float32))
    assert counts.sum() == 3
    assert counts[0] == 1
    assert counts[-1] == 2


def test_three_sigma_of_two_samples() -> None:
    assert critical_distance(100, 100, 3.0) == pytest.approx(1.8178 * np.sqrt(2 / 100), rel=1e-4)


def test_samples_of_one_distribution_exceed_it_no_more_often_than_that() -> None:
    rng = np.random.default_rng(7)
    parts = [histogram(count_similarities(rng.normal(0, 0.1, 60).astype(np.float32)), 60) for _ in range(2000)]
    over = [
        ks_distance([a], [b]) > critical_distance(60, 60, 2.0) for a, b in zip(parts[::2], parts[1::2], strict=True)
    ]
    assert np.mean(over) < 0.0455


def test_nights_are_recorded_then_compared() -> None:
    history = []
    for seed in range(8):
        history.append([drift(sample(seed, 40), history, "set", SPEC)])
    assert [figures[0].passed for figures in history] == [None] + [True] * 7
    assert "no earlier snapshot" in history[0][0].words


def test_the_limit_follows_how_much_the_nights_of_a_gallery_differ() -> None:
    alike = [sample(seed, 40) for seed in range(8)]
    uneven = [sample(seed, 40, mean=0.02 * (seed % 3)) for seed in range(8)]
    limits = [usual_distance(40, past, SPEC) for past in (alike, uneven)]
    assert limits[0] < critical_distance(40, 320, SPEC.sigmas) / 3
    assert limits[1] > 3 * limits[0]
    assert usual_distance(40, alike[:4], SPEC) == critical_distance(40, 160, SPEC.sigmas)


@pytest.mark.parametrize("changed", [sample(9, 200, mean=0.05), sample(9, 200, spread=0.2)])
def test_a_shift_and_a_change_of_spread_are_caught(changed: Histogram) -> None:
    history = [[drift(sample(seed, 40), [], "set", SPEC)] for seed in range(8)]
    found = drift(changed, history, "set", SPEC)
    assert found.passed is False
    assert found.value is not None
    assert found.highest is not None
    assert found.value > found.highest >= SPEC.drift_most


def test_a_small_but_certain_change_is_allowed_within_the_limit() -> None:
    history = [[drift(sample(seed, 4000), [], "set", SPEC)] for seed in range(3)]
    shifted = sample(9, 4000, mean=0.01)
    assert drift(shifted, history, "set", SPEC).passed is True
    assert drift(shifted, history, "set", GateSpec(drift_most=0.0)).passed is False


def test_no_limit_is_further_than_a_distance_can_be() -> None:
    history = [[drift(sample(seed, 1), [], "set", SPEC)] for seed in range(3)]
    found = drift(sample(9, 1), history, "set", SPEC)
    assert usual_distance(1, [sample(seed, 1) for seed in range(3)], SPEC) > 1
    assert (found.passed, found.highest) == (True, 1.0)


def test_another_frozen_set_is_not_compared() -> None:
    history = [[drift(sample(1, 40), [], "set", SPEC)]]
    found = drift(sample(9, 40, mean=0.3), history, "other", SPEC)
    assert found.passed is None
    assert found.histogram == sample(9, 40, mean=0.3)


def test_a_night_without_new_templates_measures_and_leaves_nothing() -> None:
    none = drift(sample(1, 0), [[drift(sample(1, 40), [], "set", SPEC)]], "set", SPEC)
    assert none.passed is None
    assert drift(sample(2, 40), [[none]], "set", SPEC).passed is None
