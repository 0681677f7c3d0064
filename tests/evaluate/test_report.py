"""The report: each part is what the part's own function gives, at the points that it says."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate.small import VECTORS, searched
from evaluated import EMPTY, FEW, SPEC, drawn, empty
from facebatch.cases.bands import BandSpec
from facebatch.evaluate.curves import trade_off
from facebatch.evaluate.discard import discard
from facebatch.evaluate.error_rates import IdentificationSpec, measure
from facebatch.evaluate.growth import grow
from facebatch.evaluate.quality_bands import quality_bands
from facebatch.evaluate.report import ReportSpec, gallery_sizes, report
from facebatch.evaluate.score_histograms import histograms
from facebatch.evaluate.sized_curves import BoundedTradeOff, sized_curves
from facebatch.evaluate.threshold_growth import threshold_at_size


def test_the_parts_are_those_of_their_functions() -> None:
    searches, found = drawn().searches, drawn().report
    assert found.identification == measure(searches, SPEC.identification)
    assert np.array_equal(found.curves.fnir, trade_off(searches).fnir)
    for drawn_, made in zip(found.sized_curves, sized_curves(searches, gallery_sizes(560, 3)[:2]), strict=True):
        assert isinstance(drawn_.told, BoundedTradeOff)
        assert isinstance(made.told, BoundedTradeOff)
        assert np.array_equal(drawn_.told.fpir, made.told.fpir)
    assert np.array_equal(found.histograms.mated, histograms(searches).mated)
    assert found.minutes == SPEC.minutes
    assert found.findings == searches.findings


def test_growth_is_told_at_the_threshold_of_each_target_that_has_one() -> None:
    searches, found = drawn().searches, drawn().report
    able = {point.target: point.threshold for point in found.identification.targets if point.threshold is not None}
    assert set(able) == {0.02, 0.2}
    assert set(found.growth) == set(able)
    sizes = gallery_sizes(560, 3)
    for target, points in found.growth.items():
        assert points == grow(searches, sizes, able[target], FEW)
    assert found.threshold_growth[0.001] == ()
    assert found.threshold_growth[0.2] == tuple(threshold_at_size(searches, size, 0.2, FEW) for size in sizes)
    assert found.threshold_growth[0.2][-1].low == able[0.2]


def test_discard_is_told_at_the_middle_one_of_the_thresholds() -> None:
    found = drawn().report
    able = [point.threshold for point in found.identification.targets if point.threshold is not None]
    assert found.discard is not None
    assert found.discard.threshold == able[1]
    expected = discard(drawn().searches, able[1])
    assert expected is not None
    assert np.array_equal(found.discard.fnir, expected.fnir)


@pytest.mark.parametrize("kind", EMPTY)
def test_one_sided_searches_have_a_report(kind: str) -> None:
    found = empty(kind).report
    assert found.discard is None
    assert found.bands is None
    assert len(found.curves.thresholds) == (0 if kind != "one of each" else len(found.curves.fpir))
    assert all(not points for points in found.threshold_growth.values()) or found.growth


def test_bands_are_those_of_their_function_and_only_where_they_are_asked_for() -> None:
    searches, found = drawn().searches, drawn().report
    expected = quality_bands(searches, found.identification.targets, BandSpec(), SPEC.identification)
    assert found.bands == expected is not None
    assert report(searches, SPEC.model_copy(update={"bands": None})).bands is None


def test_no_sizes_no_growth() -> None:
    spec = ReportSpec(identification=IdentificationSpec(targets=(1.0,), ranks=(1,), resample=FEW), sizes=0)
    found = report(searched(VECTORS), spec)
    assert all(not points for points in (*found.growth.values(), *found.threshold_growth.values()))


@given(st.integers(0, 10**8), st.integers(0, 50))
def test_sizes_ascend_to_the_whole_gallery_in_even_steps(size: int, count: int) -> None:
    sizes = gallery_sizes(size, count)
    assert len(sizes) <= count
    assert all(0 < small < large for small, large in pairwise(sizes))
    if size and count:
        assert sizes[-1] == size
        assert sizes[0] >= min(10, size)
    if size >= 10 and len(sizes) == count > 1:
        step = (size / 10) ** (1 / (count - 1))
        for small, large in pairwise(sizes):  # each is rounded by at most a half
            assert (large - 0.5) / (small + 0.5) * (1 - 1e-9) <= step <= (large + 0.5) / (small - 0.5) * (1 + 1e-9)
