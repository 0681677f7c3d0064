"""Error rates of 1:1 comparisons. For comparison with published tables only: one search is as many comparisons as the
gallery has people, so that no threshold for searches may be read off here.

A comparison counts as a match at or above the threshold (`>=`, both as float32). One that could not be made, because
an image gave no template, has similarity -inf and so never matches; leave such rows out to see the rates without them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.errors import ConfigError, StopError
from facebatch.evaluate.intervals import Rate, rate
from facebatch.evaluate.thresholds import allowed

Similarities = npt.NDArray[np.float32]
Rates = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """Similarities in ascending order, made by `compare`."""

    mated: Similarities
    """(m,), of two images of one person, m >= 1."""
    non_mated: Similarities
    """(n,), of images of two people, n >= 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Det:
    """Detection error trade-off: all (FMR, FNMR) that any threshold gives, each once."""

    thresholds: Similarities
    """(t,), ascending: every distinct similarity above -inf, then the next float above the greatest."""
    fmr: Rates
    """(t,), never rising."""
    fnmr: Rates
    """(t,), never falling; TAR is 1 - fnmr."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The rates at one threshold, with Wilson intervals.

    These take comparisons for independent: where people occur in many of them they are too narrow, and the bootstrap
    over people is the one to state.
    """

    threshold: float
    fmr: Rate
    fnmr: Rate
    target: float | None = None
    """The FMR the threshold was chosen for."""

    @property
    def tar(self) -> float:
        """True accept rate, 1 - FNMR: "TAR at FAR" of published tables."""
        return 1.0 - self.fnmr.count / self.fnmr.n


def compare(mated: npt.ArrayLike, non_mated: npt.ArrayLike) -> Comparisons:
    """Both sides as float32 in ascending order. StopError for an empty side, NaN and +inf."""
    return Comparisons(_ascending(mated, "mated"), _ascending(non_mated, "non-mated"))


def _ascending(similarities: npt.ArrayLike, side: str) -> Similarities:
    found = np.sort(np.asarray(similarities, dtype=np.float32), axis=None)
    if not len(found):
        raise StopError(f"there are no {side} comparisons; give at least one")
    if not found[-1] < np.inf:  # NaN is sorted to the end
        row = int(np.argmax(~(np.ravel(np.asarray(similarities, dtype=np.float32)) < np.inf)))
        raise StopError(f"{side} comparison {row} has no similarity (NaN or infinity); compute it again")
    return found


def fmr(comparisons: Comparisons, thresholds: npt.ArrayLike) -> Rates:
    """False match rate at each threshold: share of non-mated comparisons at or above it. Shape of `thresholds`."""
    below = np.searchsorted(comparisons.non_mated, _rounded(thresholds), side="left")
    return (len(comparisons.non_mated) - below) / len(comparisons.non_mated)


def fnmr(comparisons: Comparisons, thresholds: npt.ArrayLike) -> Rates:
    """False non-match rate at each threshold: share of mated comparisons below it. Shape of `thresholds`."""
    below = np.searchsorted(comparisons.mated, _rounded(thresholds), side="left")
    return below / len(comparisons.mated)


def _rounded(thresholds: npt.ArrayLike) -> Similarities:
    """As float32, as similarities are; above -inf, which no comparison that could not be made may reach."""
    found: Similarities = np.maximum(np.asarray(thresholds, dtype=np.float32), np.finfo(np.float32).min)
    return found


def det(comparisons: Comparisons) -> Det:
    """Exact, with a point per distinct similarity; thin it out for a plot."""
    found = np.unique(np.concatenate([comparisons.mated, comparisons.non_mated]))
    found = found[found > -np.inf]
    top = found[-1:] if len(found) else np.array([-1.0], dtype=np.float32)
    thresholds = np.concatenate([found, np.nextafter(top, np.float32(np.inf))])
    return Det(thresholds, fmr(comparisons, thresholds), fnmr(comparisons, thresholds))


def threshold_for(comparisons: Comparisons, target: float) -> float:
    """The smallest float32 T with FMR(T) <= target: the rule of `evaluate.thresholds`, over non-mated comparisons.

    ConfigError unless 0 <= target < 1.
    """
    if not 0 <= target < 1:
        raise ConfigError(f"target {target}: a false match rate to aim at is at least 0 and below 1")
    n = len(comparisons.non_mated)
    spare = int(allowed(np.array([n]), target)[0])
    return float(np.nextafter(comparisons.non_mated[n - 1 - spare], np.float32(np.inf)))


def at_threshold(comparisons: Comparisons, threshold: float, target: float | None = None) -> OperatingPoint:
    """FMR and FNMR with counts and intervals; the threshold is rounded to float32, as similarities are."""
    rounded = _rounded(threshold)
    true_non_matches = int(np.searchsorted(comparisons.non_mated, rounded, side="left"))
    false_non_matches = int(np.searchsorted(comparisons.mated, rounded, side="left"))
    return OperatingPoint(
        threshold=float(rounded),
        fmr=rate(len(comparisons.non_mated) - true_non_matches, len(comparisons.non_mated)),
        fnmr=rate(false_non_matches, len(comparisons.mated)),
        target=target,
    )


def at_targets(comparisons: Comparisons, targets: Sequence[float]) -> tuple[OperatingPoint, ...]:
    """FNMR at each FMR target, by the rule of `threshold_for`.

    With fewer than 1 / target non-mated comparisons the target is out of reach: the threshold then lies just above the
    greatest of them, FMR counts 0, and its interval says how little that means.
    """
    chosen = ((target, threshold_for(comparisons, target)) for target in targets)
    return tuple(at_threshold(comparisons, threshold, target) for target, threshold in chosen)


def equal_error(comparisons: Comparisons) -> tuple[float, OperatingPoint]:
    """Equal error rate and its operating point.

    Both rates are step functions that rarely meet. Defined here as the mean of FMR and FNMR at the threshold of `det`
    where they differ least, of several such thresholds the smallest; nothing is interpolated. The point beside it
    shows the two rates apart. Infinitely many comparisons make this the usual crossing of both curves.
    """
    curve = det(comparisons)
    point = at_threshold(comparisons, float(curve.thresholds[np.argmin(np.abs(curve.fmr - curve.fnmr))]))
    return (point.fmr.count / point.fmr.n + point.fnmr.count / point.fnmr.n) / 2, point
