"""The figures of quality bands in rows of `schemas.FIGURES`: variable `quality_band`, group A to D."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from facebatch.evaluate.quality_bands import BandFigures, QualityBands
from facebatch.pipelines.evaluate_rows import Row, rates_rows, target_rows

VARIABLE: Final = "quality_band"
_OWN: Final = ("threshold", "fnir", "fpir", "false_candidates_per_1000")
_SHARED: Final = ("fnir", "fpir")


def band_rows(bands: QualityBands) -> Iterator[Row]:
    """band.<figure> at the threshold of the band, band.shared.<figure> at that of everyone, and how many searches."""
    yield Row("band.none.unknown_quality", value=float(bands.unknown))
    yield Row("band.none.failed", value=float(bands.failed))
    for figures in bands.bands:
        for row in _of_band(figures):
            yield replace(row, figure=f"band.{row.figure}", variable=VARIABLE, group=figures.band)


def _of_band(figures: BandFigures) -> Iterator[Row]:
    yield Row("least_quality", value=figures.low)
    yield Row("searches.mated", value=float(figures.mated), people=figures.mated_people)
    yield Row("searches.non_mated", value=float(figures.non_mated), people=figures.people)
    for point in figures.points:
        yield from (row for row in target_rows(point.own, 0.0) if row.figure in _OWN)
        if point.shared is not None:
            shared = rates_rows(point.own.target, point.shared, 0.0)
            yield from (replace(row, figure=f"shared.{row.figure}") for row in shared if row.figure in _SHARED)
