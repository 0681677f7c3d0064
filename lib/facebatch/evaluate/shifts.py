"""Where the similarities of a group lie: shifts between groups at which one threshold cannot be right for all.

Quantiles are values that occurred (inverted distribution function). A mate that is not listed, and a non-mated search
without candidates, counts below all values that are known: its similarity is at most that at which its list ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.bootstrap import Replicates, ResampleSpec, draw, people_of, spread
from facebatch.evaluate.group_rates import EVERYBODY
from facebatch.evaluate.groups import Grouping
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.sufficiency import LeastSpec, TooFew

Rows = npt.NDArray[np.int64]
Similarities = npt.NDArray[np.float32]
LOW, MIDDLE, HIGH = 0.01, 0.5, 0.99
Side = Literal["mated", "non-mated"]
SIDES: Final[tuple[Side, ...]] = ("mated", "non-mated")


@dataclass(frozen=True, slots=True)
class Quantile:
    """A similarity; None where it lies among those that lists do not show."""

    value: float | None
    low: float | None
    """95 % by a bootstrap over people."""
    high: float | None


@dataclass(frozen=True, slots=True)
class Quantiles:
    """1st percentile, median and 99th percentile. Of fewer than 100 values the outer two are the ends."""

    low: Quantile
    median: Quantile
    high: Quantile


@dataclass(frozen=True, slots=True)
class Shift:
    """Similarities of one group of probes."""

    group: str
    side: Side
    """mated: of the mate, where probe and mate gave a template. non-mated: of the best candidate, where the probe did.
    """
    n: int
    """Searches."""
    unlisted: int
    """Of these, without a similarity."""
    told: Quantiles | TooFew


def shifts(searches: Searches, grouping: Grouping, least: LeastSpec, spec: ResampleSpec) -> tuple[Shift, ...]:
    """Of each group, mated ones first. The least number of errors is not asked for here, only that of people."""
    return tuple(
        _shift(searches, side, name, grouping.probes == code, least, spec)
        for side in SIDES
        for code, name in enumerate(grouping.names)
    )


def _shift(
    searches: Searches, side: Side, group: str, chosen: npt.NDArray[np.bool_], least: LeastSpec, spec: ResampleSpec
) -> Shift:
    if side == "mated":
        rows = np.flatnonzero(chosen & searches.mate_enrolled & ~searches.failed)
        values = np.nan_to_num(searches.mate_similarity[rows], nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    else:
        rows = np.flatnonzero(chosen & ~searches.mated & ~searches.failed)
        values = searches.best_nonmate[rows]
    people = people_of(searches.person[rows]).count
    told: Quantiles | TooFew = TooFew(people, len(rows), 0.0)
    if len(rows) and people >= least.people:
        told = _quantiles(values, searches.person[rows], spec)
    return Shift(group, side, len(rows), int(np.isneginf(values).sum()), told)


def _quantiles(values: Similarities, person: Rows, spec: ResampleSpec) -> Quantiles:
    people, order = people_of(person), np.argsort(values, kind="stable")
    ordered, of = values[order], people.of[order]
    wanted = np.array([LOW, MIDDLE, HIGH])
    found: list[Replicates] = [_at(ordered, np.ones((1, len(of)), dtype=np.int32), wanted)]
    found += [_at(ordered, counts[:, of], wanted) for counts in draw(people, len(of), spec, EVERYBODY)]
    replicates = np.concatenate(found)
    numbers = zip(replicates[0].tolist(), spread(replicates[1:]), strict=True)
    return Quantiles(*(_quantile([value, *interval]) for value, interval in numbers))


def _at(ordered: Similarities, weights: npt.NDArray[np.int32], wanted: npt.NDArray[np.float64]) -> Replicates:
    """(b, wanted): the smallest value with at least that share of the weights, (b, n), at or below it."""
    reached = np.cumsum(weights, axis=1, dtype=np.int32)
    least = np.ceil(np.round(wanted * reached[:, -1:], 6))
    places = [np.count_nonzero(reached < column[:, None], axis=1) for column in least.T]
    found: Replicates = ordered[np.stack(places, axis=1)].astype(np.float64)
    return found


def _quantile(numbers: Sequence[float]) -> Quantile:
    return Quantile(*(None if np.isneginf(number) else number for number in numbers))
