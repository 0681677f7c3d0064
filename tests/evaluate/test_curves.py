"""Curves: every point is the pair of rates at its threshold, from no false positive to as many as there are."""

import numpy as np
import pytest
from hypothesis import given, settings

from evaluate.small import EXAMPLES, VECTORS, searched, worlds
from facebatch.evaluate.curves import trade_off
from facebatch.evaluate.identification import fnir, fpir


@settings(EXAMPLES)
@given(worlds())
def test_points_are_the_rates_at_their_thresholds(world) -> None:
    s = searched(world)
    for failures in ("counted", "excluded"):
        curve = trade_off(s, failures)
        assert (np.diff(curve.thresholds) > 0).all()
        for threshold, alarms, misses in zip(curve.thresholds, curve.fpir, curve.fnir, strict=True):
            assert fpir(s, threshold, failures).value == pytest.approx(alarms)
            assert fnir(s, threshold=threshold, failures=failures).value == pytest.approx(misses)


def test_the_curve_ends_without_false_positives() -> None:
    curve = trade_off(searched(VECTORS))
    assert curve.fpir.tolist() == [0.5, 0.0]
    assert curve.fnir == pytest.approx([1 / 3, 2 / 3])


def test_few_points_are_enough_for_many_searches() -> None:
    drawn = np.random.default_rng(0)
    scores = drawn.normal(0, 0.2, (600, 2)).astype(np.float32).astype(float).tolist()
    from_many = trade_off(searched(type(VECTORS)(scores, [0] * 100 + [None] * 500, 2)), points=20)
    assert 10 <= len(from_many.thresholds) <= 20
    assert from_many.fpir[-1] == 0
    assert from_many.fpir[0] > 0.5
