"""Rates of 1:1 comparisons: by hand, by scikit-learn, and as properties of ties and targets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import det_curve, roc_curve

from facebatch.errors import ConfigError, StopError
from facebatch.evaluate.verification import (
    Comparisons,
    at_targets,
    at_threshold,
    compare,
    det,
    equal_error,
    fmr,
    fnmr,
    threshold_for,
)

MATED = [0.9, 0.5, 0.5, 0.3]
NON_MATED = [0.5, 0.4, 0.1, 0.1, -0.2]

few_values = st.sampled_from([-np.inf, -0.5, 0.0, 0.1, 0.25, 0.5, 0.75])
sides = arrays(np.float32, st.integers(1, 30), elements=few_values)
targets = st.one_of(st.floats(0, 1, exclude_max=True), st.integers(0, 99).map(lambda percent: percent / 100))


def drawn(seed: int, mated: int, non_mated: int) -> Comparisons:
    """Overlapping normal similarities, rounded so that many are equal."""
    random = np.random.default_rng(seed)
    return compare(random.normal(0.5, 0.2, mated).round(3), random.normal(0.0, 0.2, non_mated).round(3))


def labelled(comparisons: Comparisons):
    scores = np.concatenate([comparisons.mated, comparisons.non_mated])
    return np.repeat([1, 0], [len(comparisons.mated), len(comparisons.non_mated)]), scores


def test_a_similarity_equal_to_the_threshold_is_a_match():
    comparisons = compare(MATED, NON_MATED)
    assert fmr(comparisons, [0.5, np.nextafter(np.float32(0.5), np.float32(1)), 0.1]).tolist() == [0.2, 0.0, 0.8]
    assert fnmr(comparisons, [0.5, 0.6, 0.95, -1.0]).tolist() == [0.25, 0.75, 1.0, 0.0]


def test_every_threshold_of_the_det_is_a_similarity_or_lies_above_all():
    curve = det(compare(MATED, NON_MATED))
    above = np.nextafter(np.float32(0.9), np.float32(1))
    assert curve.thresholds.tolist() == np.float32([-0.2, 0.1, 0.3, 0.4, 0.5, 0.9, above]).tolist()
    assert curve.fmr.tolist() == [1.0, 0.8, 0.4, 0.4, 0.2, 0.0, 0.0]
    assert curve.fnmr.tolist() == [0.0, 0.0, 0.0, 0.25, 0.25, 0.75, 1.0]


def test_det_is_that_of_scikit_learn():
    comparisons = drawn(1, 3000, 7000)
    curve = det(comparisons)
    theirs_fmr, theirs_fnmr, thresholds = det_curve(*labelled(comparisons))
    # scikit-learn begins at the greatest threshold with FNMR 0 and ends at the smallest with FMR 0.
    kept = (curve.thresholds >= thresholds[0]) & (curve.thresholds <= thresholds[-1])
    np.testing.assert_array_equal(curve.thresholds[kept], thresholds)
    np.testing.assert_array_equal(curve.fmr[kept], theirs_fmr)
    np.testing.assert_allclose(curve.fnmr[kept], theirs_fnmr, atol=1e-15)
    assert ((curve.fnmr[~kept] == 0) | (curve.fmr[~kept] == 0)).all()
    assert kept.sum() > 500


def test_roc_is_that_of_scikit_learn():
    comparisons = drawn(2, 2000, 5000)
    curve = det(comparisons)
    false, true, thresholds = roc_curve(*labelled(comparisons), drop_intermediate=False)
    np.testing.assert_array_equal(curve.thresholds[:-1], thresholds[:0:-1])
    np.testing.assert_array_equal(curve.fmr, false[::-1])
    np.testing.assert_allclose(1 - curve.fnmr, true[::-1], atol=1e-15)


def test_true_accept_rate_at_a_false_accept_rate_is_the_best_of_scikit_learns_points():
    comparisons = drawn(3, 2000, 5000)
    false, true, _ = roc_curve(*labelled(comparisons), drop_intermediate=False)
    for point in at_targets(comparisons, [1e-3, 1e-2, 0.1]):
        assert point.tar == pytest.approx(true[false <= point.target].max(), abs=1e-12)


@given(sides, sides, targets)
def test_the_threshold_of_a_target_is_the_smallest_that_keeps_it(mated, non_mated, target):
    comparisons = compare(mated, non_mated)
    threshold = np.float32(threshold_for(comparisons, target))
    assert fmr(comparisons, threshold) <= target
    if threshold > -1:  # else no comparison that could be made is above it
        assert fmr(comparisons, np.nextafter(threshold, np.float32(-1))) > target


@given(sides, sides)
def test_rates_of_any_two_sides(mated, non_mated):
    comparisons = compare(mated, non_mated)
    curve = det(comparisons)
    assert (np.diff(curve.thresholds) > 0).all()
    assert (np.diff(curve.fmr) <= 0).all()
    assert (np.diff(curve.fnmr) >= 0).all()
    assert (curve.fmr[-1], curve.fnmr[-1]) == (0.0, 1.0)
    np.testing.assert_allclose(curve.fmr, [(non_mated >= t).mean() for t in curve.thresholds])
    np.testing.assert_allclose(curve.fnmr, [(mated < t).mean() for t in curve.thresholds])
    rate, point = equal_error(comparisons)
    gaps = np.abs(curve.fmr - curve.fnmr)
    assert abs(point.fmr.value - point.fnmr.value) == pytest.approx(gaps.min())
    assert 0 <= rate <= 1


def test_a_point_carries_counts_and_intervals():
    comparisons = compare(np.full(1000, 0.8), np.r_[np.full(997, 0.1), np.full(3, 0.6)])
    point = at_threshold(comparisons, 0.6)
    assert (point.fmr.count, point.fmr.n) == (3, 1000)
    assert (point.fmr.low, point.fmr.high) == pytest.approx((0.00102, 0.00878), abs=1e-5)
    assert (point.fnmr.value, point.tar) == (0.0, 1.0)
    assert (point.fnmr.low, point.fnmr.high) == pytest.approx((0, 0.00383), abs=1e-5)


def test_a_target_out_of_reach_is_met_above_all_non_mated_comparisons():
    (point,) = at_targets(compare(MATED, NON_MATED), [0.003])
    assert point.threshold == np.nextafter(np.float32(0.5), np.float32(1))
    assert (point.fmr.count, point.fnmr.count) == (0, 3)
    assert point.fmr.high > 0.4


def test_equal_error_is_the_mean_where_both_differ_least():
    rate, point = equal_error(compare(MATED, NON_MATED))
    assert rate == pytest.approx((0.2 + 0.25) / 2)
    assert point.threshold == 0.5
    symmetric, _ = equal_error(drawn(4, 20_000, 20_000))
    assert symmetric == pytest.approx(0.1056, abs=0.005)  # 1 - Phi(0.25 / 0.2)


def test_a_comparison_that_could_not_be_made_never_matches():
    comparisons = compare([0.9, -np.inf], [0.1, -np.inf, -np.inf])
    assert fnmr(comparisons, [-np.inf, -1.0, 0.5]).tolist() == [0.5, 0.5, 0.5]
    assert fmr(comparisons, -1.0) == pytest.approx(1 / 3)
    assert det(comparisons).thresholds[0] == np.float32(0.1)
    assert det(compare([-np.inf], [-np.inf])).fnmr.tolist() == [1.0]


@pytest.mark.parametrize(
    ("mated", "non_mated", "words"),
    [
        ([], [0.1], "no mated comparisons"),
        ([0.1], [], "no non-mated comparisons"),
        ([0.1, np.nan], [0.1], "mated comparison 1 has no similarity"),
        ([0.1], [0.2, np.inf, np.nan], "non-mated comparison 1 has no similarity"),
    ],
)
def test_bad_similarities_are_named(mated, non_mated, words):
    with pytest.raises(StopError, match=words):
        compare(mated, non_mated)


@pytest.mark.parametrize("target", [-0.1, 1.0, float("nan")])
def test_a_target_is_a_share(target):
    with pytest.raises(ConfigError, match="at least 0 and below 1"):
        threshold_for(compare([0.1], [0.1]), target)


def test_millions_of_comparisons_take_seconds():
    random = np.random.default_rng(5)
    comparisons = compare(random.normal(0.6, 0.1, 1_000_000), random.normal(0, 0.1, 4_000_000))
    points = at_targets(comparisons, [1e-6, 1e-5, 1e-4, 1e-3])
    assert [point.fmr.count for point in points] == [4, 40, 400, 4000]
    assert points[0].fnmr.value > points[-1].fnmr.value
