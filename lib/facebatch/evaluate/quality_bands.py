"""Error rates by quality band: each band with the threshold that its own non-mated searches set, so that a poor picture
gets as few false alarms as a good one, and beside it what the threshold of everyone gives there.

A band's threshold comes of the same routine, and needs as many searches, as the one of everyone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.cases.bands import BANDS, Band, BandSpec
from facebatch.evaluate.bootstrap import people_of
from facebatch.evaluate.error_rates import ErrorRates, IdentificationSpec, TargetPoint, at_targets, at_thresholds
from facebatch.evaluate.searches import Searches, Similarities

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BandPoint:
    """One FPIR target in one band."""

    own: TargetPoint
    """At the band's own threshold."""
    shared: ErrorRates | None
    """At the threshold of everyone, taken as given; None where that has none."""


@dataclass(frozen=True, slots=True)
class BandFigures:
    """The searches of one band."""

    band: Band
    low: float
    """Least quality."""
    high: float
    """Exclusive, unless it is 100."""
    mated: int
    """Searches."""
    mated_people: int
    non_mated: int
    people: int
    """Of non-mated searches."""
    points: tuple[BandPoint, ...]
    """In the order of the targets."""


@dataclass(frozen=True, slots=True)
class QualityBands:
    """All bands, best first, D among them: it shows what refusing it is worth."""

    spec: BandSpec
    bands: tuple[BandFigures, ...]
    unknown: int
    """Searches that were made with a probe of unknown quality; in no band."""
    failed: int
    """Probes without a template, and so without a quality; in no band."""


def quality_bands(
    searches: Searches, everyone: Sequence[TargetPoint], bands: BandSpec, spec: IdentificationSpec
) -> QualityBands | None:
    """The figures of each band at the targets of `everyone`. None where no search has a quality."""
    made = ~searches.failed
    rated = made & ~np.isnan(searches.quality)
    if not rated.any():
        return None
    found = (
        _figures(searches.select(rated & in_band(searches.quality, band, bands)), band, everyone, (bands, spec))
        for band in BANDS
    )
    return QualityBands(bands, tuple(found), int((made & ~rated).sum()), int(searches.failed.sum()))


def in_band(quality: Similarities, band: Band, spec: BandSpec) -> Mask:
    """(P,): whose quality is of the band, as `cases.bands.band_of` says of one; NaN is in none."""
    low, high = (np.float32(end) for end in spec.range_of(band))
    return (quality >= low) & ((quality < high) | (band == BANDS[0]))


def _figures(
    searches: Searches, band: Band, everyone: Sequence[TargetPoint], settings: tuple[BandSpec, IdentificationSpec]
) -> BandFigures:
    bands, spec = settings
    shared = {point.target: point.threshold for point in everyone if point.threshold is not None}
    rates = dict(zip(shared, at_thresholds(searches, list(shared.values()), spec.resample), strict=True))
    own = at_targets(searches, [point.target for point in everyone], spec.resample)
    counts = ((int(side.sum()), people_of(searches.person[side]).count) for side in (searches.mated, ~searches.mated))
    (mated, mated_people), (non_mated, people) = counts
    low, high = bands.range_of(band)
    return BandFigures(
        band=band,
        low=low,
        high=high,
        mated=mated,
        mated_people=mated_people,
        non_mated=non_mated,
        people=people,
        points=tuple(BandPoint(point, rates.get(point.target)) for point in own),
    )
