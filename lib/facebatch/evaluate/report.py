"""Everything one evaluation measured: what pages, files and gates are made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from pydantic import Field

from facebatch.cases.bands import BandSpec
from facebatch.evaluate.curves import TradeOff, trade_off
from facebatch.evaluate.discard import Discard, discard
from facebatch.evaluate.error_rates import IdentificationFigures, IdentificationSpec, measure
from facebatch.evaluate.findings import Finding
from facebatch.evaluate.growth import GrowthPoint, grow
from facebatch.evaluate.quality_bands import QualityBands, quality_bands
from facebatch.evaluate.score_histograms import ScoreHistograms, histograms
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.sized_curves import SizedCurve, few_of, sized_curves
from facebatch.evaluate.threshold_growth import SizedThreshold, thresholds_at_sizes
from facebatch.spec import Spec

MOST_LINES = 4
"""Smaller galleries that are drawn beside the gallery's own trade-off, so that the plot can be read."""


class ReportSpec(Spec):
    """What a report holds."""

    identification: IdentificationSpec = IdentificationSpec()
    sizes: int = Field(default=8, ge=0, le=50)
    """Gallery sizes at which growth is told, evenly spaced in log N up to N; 0: none."""
    minutes: float = Field(default=1.0, gt=0)
    """Of a reviewer, per candidate."""
    bands: BandSpec | None = BandSpec()
    """Quality bands, each with thresholds of its own; absent: none."""
    timing_s: float = Field(default=6.0, ge=0, le=3600)
    """Seconds for timing searches at those sizes on this machine; 0: none are timed. Decides nothing else."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """What was measured, for whoever reads the figures later."""

    gallery: str
    """URI."""
    snapshot: int
    model: str
    """Fingerprint."""
    model_name: str
    search: str
    """Id of the search whose lists these are."""
    at: datetime
    """When the figures were made; aware UTC."""
    templates: int
    """Live templates of the gallery."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """What a template or a search costs; the columns of `schemas.COSTS`."""

    what: str
    value: float | None
    """A median where the method is quartiles. None: not measured, and `basis` says why."""
    unit: str
    basis: str
    """How it was obtained, in words."""
    gallery: int | None = None
    """N that it holds for; None: the gallery's own, or any."""
    templates: int | None = None
    """Compared with each probe, where it is of one N."""
    low: float | None = None
    """Of the interval that `method` names."""
    high: float | None = None
    count: int | None = None
    """How often it was measured, or the numerator of a share."""
    n: int | None = None
    """Denominator, where the value is a share."""
    people: int | None = None
    """Different ones behind n."""
    method: Literal["quartiles", "wilson", "bootstrap"] | None = None
    """quartiles: the middle half of what was measured; else the 95 % interval of a share."""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """The figures of one evaluation without those of groups."""

    identification: IdentificationFigures
    curves: TradeOff
    sized_curves: tuple[SizedCurve, ...]
    """The same in smaller galleries, MOST_LINES at most, ascending by size."""
    histograms: ScoreHistograms
    discard: Discard | None
    """None where probes have no quality."""
    bands: QualityBands | None
    """None where probes have no quality, or bands were not asked for."""
    growth: Mapping[float, tuple[GrowthPoint, ...]]
    """By FPIR target that has a threshold: its threshold, kept, at each gallery size."""
    threshold_growth: Mapping[float, tuple[SizedThreshold, ...]]
    """By FPIR target: the threshold that keeps it, at each gallery size."""
    minutes: float
    """Of a reviewer, per candidate."""
    findings: tuple[Finding, ...]


def report(searches: Searches, spec: ReportSpec) -> Report:
    """All figures of the searches. Deterministic for the seed in `spec`."""
    figures = measure(searches, spec.identification)
    resample = spec.identification.resample
    sizes = gallery_sizes(searches.gallery.size, spec.sizes)
    return Report(
        identification=figures,
        curves=trade_off(searches),
        sized_curves=sized_curves(searches, few_of(sizes, MOST_LINES)),
        histograms=histograms(searches),
        discard=discard(searches, _threshold_of_middle(figures)),
        bands=quality_bands(searches, figures.targets, spec.bands, spec.identification) if spec.bands else None,
        growth={
            point.target: grow(searches, sizes, point.threshold, resample)
            for point in figures.targets
            if point.threshold is not None
        },
        threshold_growth=thresholds_at_sizes(searches, sizes, spec.identification.targets, resample),
        minutes=spec.minutes,
        findings=searches.findings,
    )


def gallery_sizes(size: int, count: int) -> tuple[int, ...]:
    """At most `count` sizes from 10 (or N, if that is less) to N = `size`, evenly spaced in log N."""
    if count == 0 or size == 0:
        return ()
    spaced = np.geomspace(min(10, size), size, count) if count > 1 else np.array([size])
    return tuple(sorted({round(value) for value in spaced.tolist()}))


def _threshold_of_middle(figures: IdentificationFigures) -> float | None:
    """The threshold of the middle one of the targets that have one: the point of which details are shown."""
    able = [point.threshold for point in figures.targets if point.threshold is not None]
    return able[len(able) // 2] if able else None
