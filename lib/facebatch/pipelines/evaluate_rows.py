"""The figures of an evaluation in rows of one form, as its files hold them: `schemas.FIGURES`, one row a figure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from facebatch.evaluate.error_rates import BothWays, ErrorRates, IdentificationFigures, TargetPoint
from facebatch.evaluate.growth import Bounded, GrowthPoint
from facebatch.evaluate.identification import Misses
from facebatch.evaluate.intervals import Rate
from facebatch.evaluate.report import Report
from facebatch.evaluate.score_histograms import edges
from facebatch.evaluate.sized_curves import SizedCurve
from facebatch.evaluate.sufficiency import TooFew
from facebatch.evaluate.threshold_growth import SizedThreshold
from facebatch.evaluate.words import NO_THRESHOLD, per_thousand, tell_hours, tell_load

CURVES: Final = ("curve.", "histogram.", "discard.")
"""Beginnings of the names of points that are drawn and not printed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; the columns of `schemas.FIGURES`."""

    figure: str
    variable: str | None = None
    group: str | None = None
    group_b: str | None = None
    target: float | None = None
    threshold: float | None = None
    threshold_name: str | None = None
    rank: int | None = None
    gallery: int | None = None
    share: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    count: int | None = None
    n: int | None = None
    people: int | None = None
    method: str | None = None
    words: str | None = None


def rows_of(report: Report) -> Iterator[Row]:
    """All figures of a report, those of groups apart."""
    figures = report.identification
    yield from _material(figures)
    yield with_rate(Row("fte"), figures.fte)
    yield with_rate(Row("ftx"), figures.ftx)
    for rank, both in figures.cmc:
        yield from _both_ways(Row("cmc", rank=rank), both)
    yield from _both_ways(Row("rank_one_miss", rank=1), figures.investigation)
    yield from _reasons(Row("misses"), figures.misses, figures.investigation.counted)
    for point in figures.targets:
        yield from target_rows(point, report.minutes)
    for rates in figures.thresholds:
        yield from rates_rows(None, rates, report.minutes)
    yield from _growth(report)
    yield from _drawn(report)


def with_rate(row: Row, rate: Rate) -> Row:
    """The row of a rate."""
    return replace(
        row,
        value=rate.value,
        low=rate.low,
        high=rate.high,
        count=rate.count,
        n=rate.n,
        people=rate.people,
        method=rate.method if rate.n else None,
        words=row.words if rate.n else "not measured: there was no trial",
    )


def finite(number: float | None) -> float | None:
    """None for what files cannot hold: infinity, NaN."""
    return number if number is not None and math.isfinite(number) else None


def _material(figures: IdentificationFigures) -> Iterator[Row]:
    yield Row("gallery", value=float(figures.gallery))
    yield Row("list_length", value=float(figures.length))
    yield Row("floor", value=figures.floor, words=None if figures.floor is not None else "lists were not cut off")
    mated, strangers = figures.investigation.counted, figures.targets[0]
    yield Row("searches.mated", value=float(mated.n), people=mated.people)
    yield Row("searches.non_mated", value=float(strangers.searches), people=strangers.people)


def _both_ways(row: Row, both: BothWays) -> Iterator[Row]:
    yield with_rate(row, both.counted)
    yield with_rate(replace(row, figure=f"{row.figure}.excluded"), both.excluded)


def _reasons(row: Row, misses: Misses, rate: Rate) -> Iterator[Row]:
    """Counts of misses by reason, of all mated searches."""
    for reason in Misses.__dataclass_fields__:
        count = getattr(misses, reason)
        yield replace(row, figure=f"{row.figure}.{reason}", value=float(count), count=count, n=rate.n)


def _at(target: float | None, threshold: float) -> Row:
    """A row without a figure yet, at a threshold that may be -inf."""
    words = None if math.isfinite(threshold) else f"threshold {NO_THRESHOLD}"
    return Row("", target=target, threshold=finite(threshold), words=words)


def target_rows(point: TargetPoint, minutes: float) -> Iterator[Row]:
    """The threshold for a target with what it gives, or why there is none."""
    row = Row("threshold", target=point.target, n=point.searches, people=point.people, words=point.words)
    if point.rates is None or point.threshold is None:
        yield row
        return
    low, high = point.interval or (None, None)
    words = point.words if math.isfinite(point.threshold) else f"{NO_THRESHOLD}; {point.words}"
    yield replace(
        row, value=finite(point.threshold), low=finite(low), high=finite(high), method="bootstrap", words=words
    )
    yield from rates_rows(point.target, point.rates, minutes)


def rates_rows(target: float | None, rates: ErrorRates, minutes: float) -> Iterator[Row]:
    """What a threshold gives."""
    row = _at(target, rates.threshold)
    yield from _both_ways(replace(row, figure="fnir"), rates.fnir)
    yield from _both_ways(replace(row, figure="fpir"), rates.fpir)
    load = rates.selectivity
    for figure, scale, told in (
        ("false_candidates_per_1000", 1000.0, tell_load(load)),
        ("reviewer_hours_per_1000", 1000 * minutes / 60, tell_hours(load, minutes)),
    ):
        low, high = load.interval or (None, None)
        yield replace(
            row,
            figure=figure,
            value=None if load.value is None else scale * load.value,
            low=None if low is None else scale * low,
            high=None if high is None else scale * high,
            count=load.candidates,
            n=load.searches,
            people=rates.fpir.counted.people,
            method=load.method if load.interval else None,
            words=told.note or row.words,
        )
    yield from _reasons(replace(row, figure="misses"), rates.misses, rates.fnir.counted)


def _growth(report: Report) -> Iterator[Row]:
    mated, strangers = report.identification.investigation.counted, report.identification.targets[0]
    sides = {"mated": (mated.n, mated.people), "strangers": (strangers.searches, strangers.people)}
    for target, points in report.growth.items():
        for point in points:
            yield from _grown(target, point, sides)
    for target, thresholds in report.threshold_growth.items():
        for sized in thresholds:
            yield from _sized(
                sized, Row("growth.threshold", target=target, n=strangers.searches, people=strangers.people)
            )


_Sides = dict[str, tuple[int, int | None]]


def _grown(target: float, point: GrowthPoint, sides: _Sides) -> Iterator[Row]:
    for name, found, side in (
        ("fpir", point.fpir, "strangers"),
        ("fnir", point.fnir, "mated"),
        (
            "false_candidates_per_1000",
            None if point.selectivity is None else per_thousand(point.selectivity),
            "strangers",
        ),
    ):
        n, people = sides[side]
        row = replace(_at(target, point.threshold), figure=f"growth.{name}", gallery=point.gallery, n=n, people=people)
        yield from [] if found is None else bounded(row, found)
    if point.independent_fpir is not None:
        independent = replace(_at(target, point.threshold), figure="curve.independent_fpir", gallery=point.gallery)
        yield replace(independent, value=point.independent_fpir)


def bounded(row: Row, found: Bounded | SizedThreshold) -> Iterator[Row]:
    """One row, or the least and the most it may be where lists hide something."""
    low, high = found.interval or (None, None)
    method = found.method if isinstance(found, Bounded) else "bootstrap"
    told = replace(row, low=finite(low), high=finite(high), method=method if found.interval else None)
    if found.exact:
        yield replace(told, value=finite(found.low))
        return
    words = "lists end too early to tell: the truth lies between the least and the most"
    yield replace(told, figure=f"{row.figure}.least", value=finite(found.low), words=words)
    yield replace(told, figure=f"{row.figure}.most", value=finite(found.high), words=words)


def _sized(found: SizedThreshold, row: Row) -> Iterator[Row]:
    words = None if math.isfinite(found.low) else NO_THRESHOLD
    yield from bounded(replace(row, gallery=found.gallery, words=words), found)


def _drawn(report: Report) -> Iterator[Row]:
    """The points of the curves, and the bins by their lower border."""
    curves, found = report.curves, report.histograms
    for figure, values in (("curve.fpir", curves.fpir), ("curve.fnir", curves.fnir)):
        yield from _points(figure, curves.thresholds.tolist(), values.tolist())
    for one in report.sized_curves:
        yield from _sized_points(one)
    for figure, counts in (("histogram.mated", found.mated), ("histogram.non_mated", found.nonmated)):
        for bin_ in np.flatnonzero(counts).tolist():
            count, border = int(counts[bin_]), round(float(edges()[bin_]), 9)
            yield Row(figure, threshold=border, value=float(count), count=count, n=int(counts.sum()))
    if report.discard is not None:
        row = replace(_at(None, report.discard.threshold), figure="discard.fnir", n=report.discard.searches)
        for share, value in zip(report.discard.share.tolist(), report.discard.fnir.tolist(), strict=True):
            yield replace(row, share=share, value=value)


def _sized_points(curve: SizedCurve) -> Iterator[Row]:
    """The points of one smaller gallery, without intervals; or the one row that says why there are none."""
    told = curve.told
    if isinstance(told, TooFew):
        yield Row("curve.growth.fpir", gallery=curve.gallery, n=told.n, people=told.people, words=told.words)
        return
    for figure, (least, most) in (("curve.growth.fpir", told.fpir), ("curve.growth.fnir", told.fnir)):
        for threshold, low, high in zip(told.thresholds.tolist(), least.tolist(), most.tolist(), strict=True):
            yield from bounded(Row(figure, threshold=threshold, gallery=curve.gallery), Bounded(low, high, None))


def _points(figure: str, thresholds: Sequence[float], values: Sequence[float]) -> Iterator[Row]:
    for threshold, value in zip(thresholds, values, strict=True):
        yield Row(figure, threshold=threshold, value=value)
