"""Which share of tonight's images would be in line with shares seen before. Pure.

All on the scale y = asin sqrt((count + 3/8) / (n + 3/4)), where a binomial share has variance 1 / (4 n + 2) whatever
its size (F. J. Anscombe, Biometrika 35, 1948), so that rates near 0 and small samples need no rule of their own.
"""

import math
from collections.abc import Sequence

from facebatch.gallery.figures import Proportion, tidy


def expected_range(past: Sequence[Proportion], n: int, sigmas: float) -> tuple[float, float]:
    """Shares that tonight's `n` images may have, given those of earlier nights (at least 2, each n >= 1).

    Nights differ by more than chance, v = 1 / (4 n + 2): their own variance t2 is that of DerSimonian and Laird
    (Controlled Clinical Trials 7, 1986). With weights w = 1 / (v + t2) the centre is sum(w y) / sum(w), and tonight may
    be q sqrt(V) away, V = v(n) + t2 + 1 / sum(w): the prediction interval of Higgins, Thompson and Spiegelhalter (JRSS
    A 172, 2009). q is the quantile of Student's t as rare as `sigmas`, so that a short history allows more; since V was
    learnt from k nights of typical variance u = k / sum(w), it has (k - 1) (V / u)^2 degrees of freedom (Satterthwaite,
    Biometrics Bulletin 2, 1946).
    v(n) is the floor: after a history without any failure, one failed image is never too many. A history that rises or
    falls evenly stays inside: the next point of a line is less than 2 of its standard deviations away.
    """
    points = [_stable(night) for night in past]
    noise = [1 / (4 * night.n + 2) for night in past]
    between = _between(points, noise)
    weights = [1 / (variance + between) for variance in noise]
    centre = _mean(points, weights)
    variance = 1 / (4 * n + 2) + between + 1 / sum(weights)
    freedom = (len(past) - 1) * (variance * sum(weights) / len(past)) ** 2
    reach = _student(sigmas, freedom) * math.sqrt(variance)
    return tidy(_share(centre - reach, n)), tidy(_share(centre + reach, n))


def range_around(reference: Proportion, n: int, sigmas: float) -> tuple[float, float]:
    """Shares of `n` within `sigmas` standard deviations of one earlier share of n >= 1."""
    reach = sigmas * math.sqrt(1 / (4 * n + 2) + 1 / (4 * reference.n + 2))
    centre = _stable(reference)
    return tidy(_share(centre - reach, n)), tidy(_share(centre + reach, n))


def most_by_chance(rate: float, n: int, sigmas: float) -> float:
    """The largest share of `n` images within `sigmas` standard deviations of a true `rate`."""
    return tidy(_share(math.asin(math.sqrt(rate)) + sigmas * math.sqrt(1 / (4 * n + 2)), n))


def _between(points: Sequence[float], noise: Sequence[float]) -> float:
    """Variance of the nights beyond their `noise`, by DerSimonian and Laird."""
    weights = [1 / variance for variance in noise]
    mean, total = _mean(points, weights), sum(weights)
    scatter = sum(weight * (point - mean) ** 2 for weight, point in zip(weights, points, strict=True))
    scale = total - sum(weight * weight for weight in weights) / total
    return max(0.0, (scatter - (len(points) - 1)) / scale)


def _mean(points: Sequence[float], weights: Sequence[float]) -> float:
    return sum(weight * point for weight, point in zip(weights, points, strict=True)) / sum(weights)


def _student(z: float, freedom: float) -> float:
    """Quantile of Student's t at the level of the normal quantile z (Abramowitz and Stegun, 26.7.5, two terms)."""
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def _stable(seen: Proportion) -> float:
    return math.asin(math.sqrt((seen.count + 0.375) / (seen.n + 0.75)))


def _share(angle: float, n: int) -> float:
    """The share of n whose `_stable` is `angle`, in [0, 1]."""
    squared = math.sin(min(max(angle, 0.0), math.pi / 2)) ** 2
    return min(max((squared * (n + 0.75) - 0.375) / n, 0.0), 1.0)
