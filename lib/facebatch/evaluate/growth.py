"""How FPIR, FNIR and the threshold for an FPIR target grow with the gallery, from the lists of one search of all of it.

A gallery of n of the N subjects is drawn at random without replacement; what is given is the mean over all such
galleries, by the hypergeometric distribution, so that nothing is simulated and no second search is made.

* A non-mated search with c candidates at or above T has a false positive unless none of the c is drawn:
  FPIR(n, T) = mean of 1 - C(N - c, n) / C(N, n). Its j-th candidate (j = 1 ...) comes out on top with probability
  C(N - j, n - 1) / C(N, n); added up over candidates from the most similar on, that gives the threshold for a target.
  SEL(n, T) = mean of c n / N.
* The mate of a mated search always stays, with n - 1 of the N - 1 others. A mate behind a listed non-mates is within
  rank R when at most R - 1 of these a are drawn: FNIR(n, R, T) = mean of 1 - [similarity >= T] P(X <= R - 1),
  X hypergeometric with N - 1, a, n - 1.

Lists end at rank L, or at a floor. A figure is exact where this hides nothing, and otherwise lies between two bounds:
c is at least L, at most N, where a full list ends at or above T; a mate beyond rank L may be anywhere behind L others,
unless the list ends below T. T below a floor gives the figures of the floor.
The galleries are parts of one gallery: the figures say how size matters, not how people elsewhere differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from facebatch.errors import ConfigError
from facebatch.evaluate.bootstrap import ResampleSpec, people_of, ratios, spread
from facebatch.evaluate.draws import at_most_drawn, none_drawn
from facebatch.evaluate.identification import known_rank
from facebatch.evaluate.intervals import informed
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.thresholds import MATED, NON_MATED

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bounded:
    """A mean over galleries of one size."""

    low: float
    high: float
    """Equal to `low` where the lists hide nothing."""
    interval: tuple[float, float] | None
    """95 % by a bootstrap over people: of `low` its lower end, of `high` its upper. What another gallery would add is
    not in it. None for a selectivity of 0."""

    @property
    def exact(self) -> bool:
        """Whether no list had to be longer for this figure."""
        return self.low == self.high


@dataclass(frozen=True, slots=True)
class GrowthPoint:
    """One threshold at one gallery size."""

    gallery: int
    """n."""
    threshold: float
    fpir: Bounded | None
    """None without non-mated searches."""
    fnir: Bounded | None
    """FNIR(n, R, T); None without mated searches."""
    selectivity: Bounded | None
    """Of lists of any length."""
    independent_fpir: float | None
    """1 - (1 - FMR)^n with FMR = SEL / n: what FPIR would be if comparisons were independent. A sanity line."""


def grow(
    searches: Searches, sizes: Sequence[int], threshold: float, spec: ResampleSpec, rank: int | None = None
) -> tuple[GrowthPoint, ...]:
    """FPIR, FNIR at R = `rank` (None: L) and SEL at one threshold, for each gallery size n.

    ConfigError for a size outside 1 to N or a rank outside 1 to L.
    """
    known = known_rank(searches, rank)
    return tuple(_point(searches, require_size(searches, size), threshold, known, spec) for size in sizes)


def require_size(searches: Searches, size: int) -> int:
    """`size`; ConfigError unless 1 <= size <= N."""
    if not 1 <= size <= searches.gallery.size:
        raise ConfigError(f"gallery size {size}: lists of a gallery of {searches.gallery.size} tell of 1 to that many")
    return size


def may_hide(searches: Searches, threshold: float) -> Mask:
    """(P,): subjects beyond rank L may be at or above `threshold`."""
    some_left = searches.list_size < int(searches.gallery.enrolled.sum())
    return searches.full & some_left & (searches.list_end >= np.float32(threshold))


def _point(searches: Searches, size: int, threshold: float, rank: int, spec: ResampleSpec) -> GrowthPoint:
    mated = searches.mated
    loads = _mean(searches, ~mated, _loads(searches, size, threshold), spec)
    alarms = _mean(searches, ~mated, _alarms(searches, size, threshold), spec)
    losses = _mean(searches, mated, _losses(searches, size, threshold, rank), spec)
    return GrowthPoint(
        gallery=size,
        threshold=threshold,
        fpir=None if alarms is None else _share(searches, ~mated, alarms),
        fnir=None if losses is None else _share(searches, mated, losses),
        selectivity=None if loads is None else (loads if loads.high else replace(loads, interval=None)),
        independent_fpir=None if loads is None else 1 - (1 - loads.low / size) ** size,
    )


def _alarms(searches: Searches, size: int, threshold: float) -> Numbers:
    """(2, P): bounds of P(a candidate at or above `threshold` is drawn)."""
    none = none_drawn(searches.gallery.size, size, searches.length)
    low = 1 - none[searches.nonmates.count(threshold)]
    return np.stack([low, np.where(may_hide(searches, threshold), 1.0, low)])


def _loads(searches: Searches, size: int, threshold: float) -> Numbers:
    """(2, P): bounds of the mean number of candidates drawn that are at or above `threshold`."""
    low = searches.nonmates.count(threshold) * (size / searches.gallery.size)
    return np.stack([low, np.where(may_hide(searches, threshold), float(size), low)])


def _losses(searches: Searches, size: int, threshold: float, rank: int) -> Numbers:
    """(2, P): bounds of P(the mate is outside `rank` or below `threshold`)."""
    within = at_most_drawn(searches.gallery.size - 1, size - 1, searches.length, rank - 1)
    reached = searches.listed & (searches.mate_similarity >= np.float32(threshold))
    hit = np.where(reached, within[np.maximum(searches.mate_rank - 1, 0)], 0.0)
    hidden = searches.mate_enrolled & ~searches.listed & may_hide(searches, threshold)
    return np.stack([1 - np.where(hidden, within[-1], hit), 1 - hit])


def _mean(searches: Searches, side: Mask, bounds: Numbers, spec: ResampleSpec) -> Bounded | None:
    """The mean over the searches of one side; None without any."""
    if not side.any():
        return None
    rows = bounds.T[side]
    stream = MATED if searches.mated[side][0] else NON_MATED
    replicates = ratios(people_of(searches.person[side]), rows, np.ones_like(rows), spec, stream)
    (bottom, _), (_, top) = spread(replicates)
    low, high = rows.mean(axis=0).tolist()
    return Bounded(low, high, (bottom, top))


def _share(searches: Searches, side: Mask, found: Bounded) -> Bounded:
    people = people_of(searches.person[side]).count
    return found if found.interval is None else replace(found, interval=informed(found.interval, people))
