"""Bands of quality: each has the threshold of its own searches, which one threshold for all pictures cannot replace."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from facebatch.cases.bands import BANDS, Band, BandSpec, band_of
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.error_rates import IdentificationSpec, TargetPoint, at_targets, at_thresholds
from facebatch.evaluate.intervals import Rate
from facebatch.evaluate.population import GroupSpec, PopulationSpec, known_rates
from facebatch.evaluate.population_draw import draw_searches
from facebatch.evaluate.quality_bands import BandFigures, QualityBands, in_band, quality_bands
from facebatch.evaluate.searches import Searches, collect

BOUNDS = BandSpec(a=75, b=50, c=25)
RESAMPLE = ResampleSpec(replicates=300)
TARGETS = (0.001, 0.02)
SPEC = IdentificationSpec(targets=TARGETS, resample=RESAMPLE)
GROUP = GroupSpec(name="g", subjects=2000, mated_people=700, non_mated_people=4000, mate=0.55, failure=0.02)
POPULATION = PopulationSpec(groups=(GROUP,), quality_alike=0.1, probes_per_person=2, length=10)
"""Poor pictures have more false alarms and more misses at any threshold."""


@cache
def searches(seed: int = 0) -> Searches:
    return collect(draw_searches(POPULATION, seed).inputs)


@cache
def everyone() -> tuple[TargetPoint, ...]:
    return at_targets(searches(), TARGETS, RESAMPLE)


@cache
def bands() -> QualityBands:
    found = quality_bands(searches(), everyone(), BOUNDS, SPEC)
    assert found is not None
    return found


def firm(figures: BandFigures) -> tuple[float, Rate, Rate]:
    """Threshold of the band at the larger target; FPIR of the band there, and at the threshold of everyone."""
    point = figures.points[-1]
    assert point.own.rates is not None
    assert point.shared is not None
    return point.own.rates.threshold, point.own.rates.fpir.counted, point.shared.fpir.counted


def held(rate: Rate, value: float) -> bool:
    return rate.low is not None and rate.high is not None and rate.low <= value <= rate.high


def test_false_alarms_are_as_asked_for_in_every_band_and_not_with_one_threshold() -> None:
    target = TARGETS[-1]
    for figures in bands().bands:
        threshold, own, shared = firm(figures)
        known = known_rates(POPULATION, threshold, "excluded", (figures.low, figures.high)).fpir[0]
        assert known == pytest.approx(target, rel=0.35), "the threshold holds for the population and not only here"
        assert own.count / own.n <= target
        assert held(own, target)
        assert held(shared, target) == (figures.band == "C"), "the mean of all is that of one band at most"
    worst, best = bands().bands[-1], bands().bands[0]
    assert firm(worst)[2].count / worst.non_mated > 5 * firm(best)[2].count / best.non_mated


def test_thresholds_hold_for_searches_of_other_people() -> None:
    others = searches(1)
    for figures in bands().bands:
        inside = others.select(in_band(others.quality, figures.band, BOUNDS) & ~others.failed)
        own, shared = at_thresholds(inside, [firm(figures)[0], everyone()[-1].threshold or 0.0], RESAMPLE)
        assert own.fpir.counted.count / own.fpir.counted.n == pytest.approx(TARGETS[-1], rel=0.35)
        assert held(shared.fpir.counted, TARGETS[-1]) == (figures.band == "C")


def test_poor_pictures_need_higher_thresholds_and_cost_misses() -> None:
    for better, worse in pairwise(bands().bands):
        assert firm(worse)[0] > firm(better)[0]
        missed = [point.points[-1].own.rates for point in (better, worse)]
        assert missed[0] is not None
        assert missed[1] is not None
        assert missed[1].fnir.counted.count / worse.mated > missed[0].fnir.counted.count / better.mated


def test_a_band_is_measured_as_everyone_is() -> None:
    figures = bands().bands[1]
    alone = searches().select(in_band(searches().quality, "B", BOUNDS) & ~searches().failed)
    assert tuple(point.own for point in figures.points) == at_targets(alone, TARGETS, RESAMPLE)
    thresholds = [point.threshold for point in everyone() if point.threshold is not None]
    shared = tuple(point.shared for point in figures.points if point.shared is not None)
    assert shared == at_thresholds(alone, thresholds, RESAMPLE)
    assert (figures.mated, figures.non_mated) == (int(alone.mated.sum()), int((~alone.mated).sum()))
    assert (figures.mated_people, figures.people) == tuple(
        len(np.unique(alone.person[side])) for side in (alone.mated, ~alone.mated)
    )


def test_a_band_needs_as_many_searches_as_everyone() -> None:
    """About 2 000 non-mated ones a band: too few for 0.001, of which everyone has enough, and enough for 0.02."""
    assert [point.threshold is not None for point in everyone()] == [True, True]
    for figures in bands().bands:
        low, high = figures.points
        assert (low.own.threshold, low.own.rates) == (None, None)
        assert low.own.needed == 3000 > figures.non_mated
        assert low.shared is not None, "what everyone's threshold gives can be told all the same"
        assert high.own.wanted == 1500 < figures.non_mated


def test_every_search_is_in_one_band_or_counted_as_being_in_none() -> None:
    found = searches()
    unknown = np.array(found.quality)
    unknown[:7] = np.nan
    told = quality_bands(replace(found, quality=unknown), everyone(), BOUNDS, SPEC)
    assert told is not None
    assert told.failed == int(found.failed.sum())
    assert told.unknown == int((~found.failed[:7]).sum())
    inside = sum(figures.mated + figures.non_mated for figures in told.bands)
    assert inside + told.failed + told.unknown == len(found.mated)
    assert [figures.band for figures in told.bands] == list(BANDS)


def test_a_search_is_in_the_band_of_its_probe() -> None:
    quality = np.array([100, 75, 74.999, 50, 25, 24.999, 0, np.nextafter(np.float32(75), np.float32(0))], np.float32)
    found: list[Band] = [band_of(float(value), BOUNDS) for value in quality]
    for band in BANDS:
        assert in_band(quality, band, BOUNDS).tolist() == [each == band for each in found]
    assert not any(in_band(np.array([np.nan], np.float32), band, BOUNDS)[0] for band in BANDS)


def test_without_any_quality_there_are_no_bands() -> None:
    found = searches()
    blind = replace(found, quality=np.full_like(found.quality, np.nan))
    assert quality_bands(blind, everyone(), BOUNDS, SPEC) is None


@pytest.mark.parametrize("mated", [True, False])
def test_an_empty_band_and_a_missing_side_are_told_as_not_measured(mated: bool) -> None:
    found = searches()
    good = found.select((found.mated == mated) & (found.quality >= 75))
    points = at_targets(good, TARGETS, RESAMPLE)
    told = quality_bands(good, points, BOUNDS, SPEC)
    assert told is not None
    best, *others = told.bands
    assert (best.mated > 0, best.non_mated > 0) == (mated, not mated)
    assert all(figures.mated == figures.non_mated == 0 for figures in others)
    for figures in others:
        assert all(point.own.rates is None for point in figures.points)
        assert all(point.shared is None or point.shared.fpir.counted.value is None for point in figures.points)
