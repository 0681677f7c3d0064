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
unless the list ends below T. A mate that ends a full list is taken as ahead of everybody beyond it, as `searches` does,
though one of them may be equal. T below a floor gives the figures of the floor.
The galleries are parts of one gallery: the figures say how size matters, not how people elsewhere differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from facebatch.errors import ConfigError
from facebatch.evaluate.bootstrap import ResampleSpec, people_of, ratios_of_each, spread
from facebatch.evaluate.draws import at_most_drawn, none_drawn
from facebatch.evaluate.identification import known_rank
from facebatch.evaluate.intervals import Method, informed, method_of
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
    not in it. None for a selectivity of 0. Mended by `intervals.informed`."""
    method: Method = "bootstrap"
    """Of `interval`."""

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
    known, wanted = known_rank(searches, rank), [require_size(searches, size) for size in sizes]
    mated = searches.mated
    loads = [_loads(searches, size, threshold) for size in wanted]
    alarms = [_alarms(searches, size, threshold) for size in wanted]
    losses = [_losses(searches, size, threshold, known) for size in wanted]
    scales = [*(float(min(size, searches.length)) for size in wanted), *(1.0 for _ in wanted)]
    of_strangers = _means(searches, ~mated, list(zip([*loads, *alarms], scales, strict=True)), spec)
    of_mated = _means(searches, mated, [(both, 1.0) for both in losses], spec)
    found = zip(wanted, of_strangers[: len(wanted)], of_strangers[len(wanted) :], of_mated, strict=True)
    return tuple(_point(threshold, *means) for means in found)


def require_size(searches: Searches, size: int) -> int:
    """`size`; ConfigError unless 1 <= size <= N."""
    if not 1 <= size <= searches.gallery.size:
        raise ConfigError(f"gallery size {size}: lists of a gallery of {searches.gallery.size} tell of 1 to that many")
    return size


def may_hide(searches: Searches, threshold: float) -> Mask:
    """(P,): subjects beyond rank L may be at or above `threshold`."""
    some_left = searches.list_size < int(searches.gallery.enrolled.sum())
    return searches.full & some_left & (searches.list_end >= np.float32(threshold))


def _point(
    threshold: float, size: int, loads: Bounded | None, fpir: Bounded | None, fnir: Bounded | None
) -> GrowthPoint:
    return GrowthPoint(
        gallery=size,
        threshold=threshold,
        fpir=fpir,
        fnir=fnir,
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


def _means(
    searches: Searches, side: Mask, bounds: Sequence[tuple[Numbers, float]], spec: ResampleSpec
) -> list[Bounded | None]:
    """The mean of each (2, P), of numbers up to the one beside it, over one side's searches; None without any."""
    if not side.any():
        return [None for _ in bounds]
    rows = [both.T[side] for both, _ in bounds]
    stream = MATED if searches.mated[side][0] else NON_MATED
    people = people_of(searches.person[side])
    drawn = ratios_of_each(people, [(both, np.ones_like(both)) for both in rows], spec, stream)
    most = (scale for _, scale in bounds)
    return [_bounded(*one, people.count) for one in zip(rows, drawn, most, strict=True)]


def _bounded(rows: Numbers, replicates: Numbers, most: float, people: int) -> Bounded:
    (bottom, _), (_, top) = spread(replicates)
    low, high = rows.mean(axis=0).tolist()
    mended = informed((bottom, top), people, most)
    return Bounded(low, high, mended, method_of(mended, (bottom, top)))
