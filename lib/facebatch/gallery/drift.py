"""Whether faces that come in tonight lie where faces used to lie: similarities to a frozen set of strangers. Pure.

Measured on pairs, not on candidate lists: the best of a whole gallery grows with the gallery, a pair does not.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from facebatch.gallery.figures import GateFigure, Histogram, History, earlier, tidy
from facebatch.gallery.gates import GateSpec

NAME = "drift.new"
BIN_WIDTH = 0.005
"""Of a stored histogram; about a tenth of the standard deviation of similarities of strangers."""
BINS = 401
"""Over [-1, 1], and one for similarities that rounding left above 1."""


def count_similarities(found: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """(BINS,): how many of any number of cosines lie in each bin of BIN_WIDTH from -1 up; outliers in the end bins."""
    bins = np.floor((found.astype(np.float64).ravel() + 1) / BIN_WIDTH).astype(np.int64)
    return np.bincount(np.clip(bins, 0, BINS - 1), minlength=BINS)


def histogram(counts: npt.NDArray[np.int64], n: int) -> Histogram:
    """What is stored of (BINS,) `counts` of similarities between frozen probes and `n` templates."""
    used = np.flatnonzero(counts)
    first, last = (int(used[0]), int(used[-1])) if len(used) else (0, -1)
    return Histogram(width=BIN_WIDTH, first=first, counts=tuple(counts[first : last + 1].tolist()), n=n)


def drift(tonight: Histogram, history: History, basis: str, spec: GateSpec) -> GateFigure:
    """Two-sample Kolmogorov-Smirnov distance D between tonight's similarities and those of earlier snapshots together.

    D is the largest difference between the two shares below any one similarity. It was chosen over PSI, which depends
    on the bins, is unbounded where one is empty, and knows no sample size; and over means, which miss a change of
    spread. Fails when D is above `spec.drift_most` and above `usual_distance`. Only figures of the same `basis`, the
    frozen set, are compared, the latest `spec.nights_most`: a drift of months passes here, and is for the impostor
    gate, whose reference does not move. It sees another population, or crops upside down (D = 0.17 on 15 new
    people of the London photos, pack open_yunet_omz); it does not see swapped colour channels (0.015), which only known
    photos, embedded again, show: the figure `canary.photos`.
    """
    if tonight.n == 0:
        return GateFigure(name=NAME, passed=None, words="no template is new", n=0, basis=basis)
    nights = [figure.histogram for figure in earlier(history, NAME, basis)[-spec.nights_most :]]
    past = [night for night in nights if night is not None and night.width == tonight.width]
    if not past:
        words = f"no earlier snapshot measured the same frozen probes; recorded for the next: {_shape(tonight)}"
        return GateFigure(name=NAME, passed=None, words=words, n=tonight.n, basis=basis, histogram=tonight)
    found, usual = ks_distance([tonight], past), usual_distance(tonight.n, past, spec)
    highest = min(1.0, max(spec.drift_most, usual))
    words = (
        f"similarities of {tonight.n} new templates to frozen strangers are {found:.3f} away from those after "
        f"{len(past)} snapshot{'s' * (len(past) != 1)}; the limit is {highest:.3f} ({_shape(tonight)})"
    )
    return GateFigure(
        name=NAME,
        passed=found <= highest,
        words=words,
        value=found,
        highest=highest,
        n=tonight.n,
        basis=basis,
        histogram=tonight,
    )


def usual_distance(n: int, past: Sequence[Histogram], spec: GateSpec) -> float:
    """How far from `past` together the similarities of `n` templates may be.

    `spec.sigmas` sqrt(pi / 2) times the mean distance of each past night from the others, all in units of
    sqrt(1/n + 1/m): what a half-normal variable with that mean reaches as rarely as `sigmas`. So it follows how much
    the nights of this gallery differ. With fewer than `spec.nights_least` nights, `critical_distance`, in which n
    counts templates and not pairs: the probes are the same on both sides, and a template's share of probes below a
    similarity varies no more than a single yes or no, so that it is, if anything, too wide.
    """
    m = sum(night.n for night in past)
    if len(past) < spec.nights_least:
        return critical_distance(n, m, spec.sigmas)
    units = [
        ks_distance([night], [*past[:place], *past[place + 1 :]]) / math.sqrt(1 / night.n + 1 / (m - night.n))
        for place, night in enumerate(past)
    ]
    return tidy(spec.sigmas * math.sqrt(math.pi / 2) * sum(units) / len(units) * math.sqrt(1 / n + 1 / m))


def ks_distance(left: Sequence[Histogram], right: Sequence[Histogram]) -> float:
    """Largest difference of the cumulative shares at any edge of a bin; both sides of one width, neither empty."""
    cumulative = [np.cumsum(_together(side)) for side in (left, right)]
    shares = [counts / counts[-1] for counts in cumulative]
    return tidy(float(np.max(np.abs(shares[0] - shares[1]))))


def critical_distance(n: int, m: int, sigmas: float) -> float:
    """The distance that independent samples of one distribution exceed as rarely as a normal variable `sigmas`.

    c sqrt(1/n + 1/m) with c = sqrt(ln(2 / alpha) / 2), alpha the two-sided tail (N. Smirnov, Annals of Mathematical
    Statistics 19, 1948).
    """
    alpha = math.erfc(sigmas / math.sqrt(2))
    return tidy(math.sqrt(math.log(2 / alpha) / 2 * (1 / n + 1 / m)))


def _together(parts: Sequence[Histogram]) -> npt.NDArray[np.int64]:
    counts = np.zeros(BINS, dtype=np.int64)
    for part in parts:
        counts[part.first : part.first + len(part.counts)] += np.asarray(part.counts, dtype=np.int64)
    return counts


def _shape(seen: Histogram) -> str:
    return ", ".join(f"{name} {seen.quantile(level):.3f}" for name, level in (("median", 0.5), ("99.9 %", 0.999)))
