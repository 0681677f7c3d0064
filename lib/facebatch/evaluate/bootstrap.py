"""Percentile bootstrap over people: all searches of a person are drawn together, since they err together.

B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13. No resample is written out: a
replicate is how often each person was drawn, and every figure is a sum weighted by that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field

from facebatch.evaluate.intervals import LEVEL
from facebatch.spec import Spec

Counts = npt.NDArray[np.int32]
Replicates = npt.NDArray[np.float64]
CHUNK_WEIGHTS = 4_000_000
"""Weights held at a time; replicates are drawn in chunks of as many as fit, which changes nothing of what is drawn."""


class ResampleSpec(Spec):
    """How the bootstrap draws."""

    replicates: int = Field(default=1000, ge=100)
    seed: int = Field(default=0, ge=0)
    """The same seed, the same intervals."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Which person each of n searches shows."""

    of: npt.NDArray[np.int64]
    """(n,): 0 to count - 1."""
    count: int
    """Different people."""

    def sums(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(count, m): the rows of an (n, m) matrix added up by person."""
        columns = [np.bincount(self.of, weights=column, minlength=self.count) for column in values.T]
        return np.stack(columns, axis=1) if columns else np.empty((self.count, 0))


def people_of(person: npt.NDArray[np.int64]) -> People:
    """The people among searches, from any numbers that tell them apart."""
    names, of = np.unique(person, return_inverse=True)
    return People(of.astype(np.int64), len(names))


def draw(people: People, width: int, spec: ResampleSpec, stream: int) -> Iterator[Counts]:
    """(b, people.count) in turn, `spec.replicates` rows in all: how often each person was drawn, with replacement.

    b is such that (b, width) numbers stay below CHUNK_WEIGHTS. Another `stream` draws independently of this one, the
    same stream with the same number of people draws the same, whatever the width. Nothing for no people.
    """
    if not people.count:
        return
    random = np.random.default_rng([spec.seed, stream])
    most = max(1, CHUNK_WEIGHTS // max(width, people.count))
    for begin in range(0, spec.replicates, most):
        rows = min(most, spec.replicates - begin)
        drawn = random.integers(0, people.count, size=(rows, people.count), dtype=np.int64)
        drawn += np.arange(rows)[:, None] * people.count
        yield np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.int32)


def ratios(
    people: People,
    numerators: npt.NDArray[np.float64],
    denominators: npt.NDArray[np.float64],
    spec: ResampleSpec,
    stream: int,
) -> Replicates:
    """(replicates, m): sum(numerators) / sum(denominators) of each replicate, both (n, m); NaN where the latter is 0.

    With numerators of 0 and 1 and denominators of 1 that is a share; (0, m) when there are no people.
    """
    (found,) = ratios_of_each(people, [(numerators, denominators)], spec, stream)
    return found


def ratios_of_each(
    people: People,
    fractions: Sequence[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]],
    spec: ResampleSpec,
    stream: int,
) -> list[Replicates]:
    """`ratios` of each pair of numerators and denominators, drawn once for all: the same as one by one, bit for bit."""
    sums = [(people.sums(numerators), people.sums(denominators)) for numerators, denominators in fractions]
    found = [[np.empty((0, numerators.shape[1]))] for numerators, _ in fractions]
    for counts in draw(people, people.count, spec, stream):
        weights = counts.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            for (above, below), parts in zip(sums, found, strict=True):
                parts.append((weights @ above) / (weights @ below))
    return [np.concatenate(parts) for parts in found]


def spread(replicates: Replicates) -> list[tuple[float, float]]:
    """The 95 % percentile interval of each column of (replicates, m), from values that occurred; NaN left out.

    (nan, nan) for a column without any. Infinite values are allowed, as thresholds have them.
    """
    return [_spread(np.sort(column[~np.isnan(column)])) for column in replicates.T]


def _spread(ordered: npt.NDArray[np.float64]) -> tuple[float, float]:
    if not len(ordered):
        return float("nan"), float("nan")
    tail = (1 - LEVEL) / 2
    first = int(np.floor(tail * len(ordered)))
    return float(ordered[first]), float(ordered[len(ordered) - 1 - first])
