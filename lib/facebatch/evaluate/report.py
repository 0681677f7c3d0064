"""Everything one evaluation measured: what pages, files and gates are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from pydantic import Field

from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.curves import TradeOff, trade_off
from facebatch.evaluate.discard import Discard, discard
from facebatch.evaluate.error_rates import IdentificationFigures, IdentificationSpec, measure
from facebatch.evaluate.findings import Finding
from facebatch.evaluate.growth import GrowthPoint, grow
from facebatch.evaluate.score_histograms import ScoreHistograms, histograms
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.threshold_growth import SizedThreshold, threshold_at_size
from facebatch.spec import Spec


class ReportSpec(Spec):
    """What a report holds."""

    identification: IdentificationSpec = IdentificationSpec()
    sizes: int = Field(default=8, ge=0, le=50)
    """Gallery sizes at which growth is told, evenly spaced in log N up to N; 0: none."""
    minutes: float = Field(default=1.0, gt=0)
    """Of a reviewer, per candidate."""


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
    """What a template or a search costs."""

    what: str
    value: float
    unit: str
    basis: str
    """How it was obtained, in words."""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """The figures of one evaluation without those of groups."""

    identification: IdentificationFigures
    curves: TradeOff
    histograms: ScoreHistograms
    discard: Discard | None
    """None where probes have no quality."""
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
        histograms=histograms(searches),
        discard=discard(searches, _threshold_of_middle(figures)),
        growth={
            point.target: grow(searches, sizes, point.threshold, resample)
            for point in figures.targets
            if point.threshold is not None
        },
        threshold_growth={
            target: _thresholds(searches, sizes, target, resample) for target in spec.identification.targets
        },
        minutes=spec.minutes,
        findings=searches.findings,
    )


def gallery_sizes(size: int, count: int) -> tuple[int, ...]:
    """At most `count` sizes from 10 (or N, if that is less) to N = `size`, evenly spaced in log N."""
    if count == 0 or size == 0:
        return ()
    spaced = np.geomspace(min(10, size), size, count) if count > 1 else np.array([size])
    return tuple(sorted({round(value) for value in spaced.tolist()}))


def _thresholds(
    searches: Searches, sizes: Sequence[int], target: float, resample: ResampleSpec
) -> tuple[SizedThreshold, ...]:
    found = (threshold_at_size(searches, size, target, resample) for size in sizes)
    return tuple(point for point in found if point is not None)


def _threshold_of_middle(figures: IdentificationFigures) -> float | None:
    """The threshold of the middle one of the targets that have one: the point of which details are shown."""
    able = [point.threshold for point in figures.targets if point.threshold is not None]
    return able[len(able) // 2] if able else None
