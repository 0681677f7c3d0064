"""The thresholds of an evaluation as the gallery's snapshot carries them: of everyone, and of each quality band."""

from collections.abc import Iterable, Iterator
from operator import attrgetter

from facebatch.evaluate.error_rates import ErrorRates, TargetPoint
from facebatch.evaluate.quality_bands import BandFigures, QualityBands
from facebatch.gallery.evaluation import NoThreshold, PublishedBand, PublishedThreshold


def published(points: Iterable[TargetPoint]) -> tuple[PublishedThreshold, ...]:
    """By ascending target, without those that the searches cannot support or that need no threshold."""
    return tuple(_threshold(point, rates) for point, rates in _told(points))


def without_threshold(points: Iterable[TargetPoint]) -> tuple[NoThreshold, ...]:
    """Those that `published` leaves out, by ascending target."""
    ordered = sorted(points, key=attrgetter("target"))
    told = {point.target for point, _ in _told(ordered)}
    return tuple(
        NoThreshold(fpir=point.target, searches=point.searches, needed=point.needed)
        for point in ordered
        if point.target not in told
    )


def published_bands(bands: QualityBands | None) -> tuple[PublishedBand, ...]:
    """The same of each band, best first; empty where no bands were measured."""
    return tuple(
        _band(figures, point, rates)
        for figures in (bands.bands if bands else ())
        for point, rates in _told(found.own for found in figures.points)
    )


def _told(points: Iterable[TargetPoint]) -> Iterator[tuple[TargetPoint, ErrorRates]]:
    for point in sorted(points, key=attrgetter("target")):
        if point.rates is not None and point.rates.threshold != float("-inf"):
            yield point, point.rates


def _threshold(point: TargetPoint, rates: ErrorRates) -> PublishedThreshold:
    low, high = point.interval or (rates.threshold, rates.threshold)
    return PublishedThreshold(
        fpir=point.target,
        threshold=rates.threshold,
        low=max(low, -1.0),
        high=high,
        searches=point.searches,
        people=point.people,
        fnir=rates.fnir.counted.value,
        false_candidates=rates.selectivity.value,
    )


def _band(figures: BandFigures, point: TargetPoint, rates: ErrorRates) -> PublishedBand:
    alarms = rates.fpir.counted
    return PublishedBand(
        **_threshold(point, rates).model_dump(),
        band=figures.band,
        quality_low=figures.low,
        quality_high=figures.high,
        fpir_measured=alarms.count / alarms.n,
    )
