"""What of an evaluation the snapshot carries: thresholds that hold, by target, of everyone and of each band."""

from dataclasses import replace

from evaluated import drawn
from facebatch.evaluate.quality_bands import QualityBands
from facebatch.gallery.evaluation import NoThreshold
from facebatch.pipelines.evaluate_thresholds import published, published_bands, without_threshold


def bands() -> QualityBands:
    found = drawn().report.bands
    assert found is not None
    return found


def test_targets_ascend_and_those_without_threshold_are_left_out() -> None:
    points = drawn().report.identification.targets
    told = published(reversed(points))
    assert [one.fpir for one in told] == [0.02, 0.2], "0.001 cannot be shown"
    for one, point in zip(told, points[1:], strict=True):
        assert point.rates is not None
        assert (one.threshold, one.fnir) == (point.threshold, point.rates.fnir.counted.value)
        assert (one.searches, one.people) == (point.searches, point.people)
        load = point.rates.selectivity
        assert one.false_candidates == load.candidates / load.searches
        assert one.low <= one.threshold <= one.high


def test_a_threshold_that_lets_everything_through_is_none() -> None:
    point = drawn().report.identification.targets[-1]
    assert point.rates is not None
    endless = replace(point, threshold=float("-inf"), rates=replace(point.rates, threshold=float("-inf")))
    assert published([endless]) == ()
    (found,) = without_threshold([endless])
    assert (found.fpir, found.searches >= found.needed) == (0.2, True)


def test_targets_without_threshold_are_published_with_what_they_need() -> None:
    points = drawn().report.identification.targets
    assert without_threshold(points) == (NoThreshold(fpir=0.001, searches=points[0].searches, needed=3000),)


def test_each_band_has_its_own_with_its_limits_and_what_was_measured() -> None:
    told = published_bands(bands())
    expected = [
        (figures.band, point.own.target, figures.low, figures.high)
        for figures in bands().bands
        for point in figures.points
        if point.own.threshold is not None
    ]
    assert [(one.band, one.fpir, one.quality_low, one.quality_high) for one in told] == expected
    assert {one.band for one in told} == {"A", "B", "C", "D"}
    measured = {(figures.band, point.own.target): point.own for figures in bands().bands for point in figures.points}
    for one in told:
        own = measured[one.band, one.fpir]
        assert own.rates is not None
        assert (one.threshold, one.fpir_measured) == (own.threshold, own.rates.fpir.counted.value)
        assert one.fpir_measured <= one.fpir
        assert one.searches == own.searches < drawn().report.identification.targets[0].searches


def test_without_bands_none_are_published() -> None:
    assert published_bands(None) == ()
