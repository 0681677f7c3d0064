"""The trade-off of FPIR and FNIR in galleries of other sizes, from the lists of one search: lines of a DET plot.

Galleries are drawn as in `growth`, and at every threshold the bounds are those of `growth.grow`: the chances of all
candidates to come out on top are added up from the most similar one on, and what full lists may hide is added where
they end. R = L, failures are counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.bootstrap import people_of
from facebatch.evaluate.draws import at_most_drawn, first_drawn, none_drawn
from facebatch.evaluate.growth import may_hide, require_size
from facebatch.evaluate.intervals import ENOUGH_ERRORS
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.sufficiency import TooFew

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Similarities = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class BoundedTradeOff:
    """Points of one line, of even spacing in log FPIR; at each, one false alarm or more is to be expected."""

    thresholds: Numbers
    """(t,), ascending float32 values."""
    fpir: Numbers
    """(2, t), FPIR(n, T), never rising: the least that it may be and the most. Equal where the lists hide nothing."""
    fnir: Numbers
    """(2, t), FNIR(n, L, T), never falling: the least and the most."""


@dataclass(frozen=True, slots=True, eq=False)
class SizedCurve:
    """One line, or why there is none."""

    gallery: int
    """n."""
    told: BoundedTradeOff | TooFew
    """TooFew: lists as long as these show fewer than ENOUGH_ERRORS false alarms in a gallery of n, whatever T is."""


@dataclass(frozen=True, slots=True, eq=False)
class _Strangers:
    """Candidates of non-mated searches, most similar first."""

    searches: int
    people: int
    similarity: Similarities
    """(c,)."""
    place: Rows
    """(c,): in its own list, from 0."""
    ends: Similarities
    """(e,), never rising: where lists end that may hide somebody."""
    listed: Rows
    """(e,): how many each of these lists."""


@dataclass(frozen=True, slots=True, eq=False)
class _Mates:
    """Of mated searches."""

    searches: int
    similarity: Similarities
    """(m,), never rising: mates that are listed."""
    ends: Similarities
    """(e,), never rising: where lists end that may hide the mate."""


def sized_curves(searches: Searches, sizes: Sequence[int], points: int = 200) -> tuple[SizedCurve, ...]:
    """A line of at most `points` for each gallery size n; none at all when one side has no searches.

    ConfigError for a size outside 1 to N.
    """
    wanted = [require_size(searches, size) for size in sizes]
    if not wanted or searches.mated.all() or not searches.mated.any():
        return ()
    strangers, mates = _strangers(searches.select(~searches.mated)), _mates(searches)
    return tuple(_curves(searches, wanted, (strangers, mates), points))


def few_of(sizes: Sequence[int], most: int) -> tuple[int, ...]:
    """At most `most` of all `sizes` but the last, evenly taken, the first among them."""
    smaller = max(0, len(sizes) - 1)
    taken = min(smaller, most)
    return tuple(sizes[row * smaller // taken] for row in range(taken))


def _strangers(searches: Searches) -> _Strangers:
    lists = searches.nonmates
    order = np.argsort(-lists.similarity, kind="stable")
    hiding = np.flatnonzero(may_hide(searches, float("-inf")))
    hiding = hiding[np.argsort(-searches.list_end[hiding], kind="stable")]
    return _Strangers(
        searches=len(searches.mated),
        people=people_of(searches.person).count,
        similarity=lists.similarity[order],
        place=(np.arange(len(order)) - lists.starts[lists.probe])[order],
        ends=searches.list_end[hiding],
        listed=searches.list_size[hiding].astype(np.int64),
    )


def _mates(searches: Searches) -> _Mates:
    hiding = searches.mate_enrolled & ~searches.listed & may_hide(searches, float("-inf"))
    return _Mates(
        searches=int(searches.mated.sum()),
        similarity=np.sort(searches.mate_similarity[searches.mated & searches.listed])[::-1],
        ends=np.sort(searches.list_end[hiding])[::-1],
    )


def _curves(
    searches: Searches, sizes: Sequence[int], sides: tuple[_Strangers, _Mates], points: int
) -> Iterator[SizedCurve]:
    (strangers, mates), subjects, length = sides, searches.gallery.size, searches.length
    for size in sizes:
        none = none_drawn(subjects, size, length)
        reached = np.append(0.0, np.cumsum(first_drawn(subjects, size, length)[strangers.place]))
        expected = float(reached[-1])
        if expected < ENOUGH_ERRORS:
            yield SizedCurve(size, TooFew(strangers.people, strangers.searches, expected))
            continue
        steps = np.searchsorted(reached, np.geomspace(1.0, expected, max(2, points)), side="left")
        thresholds = np.unique(strangers.similarity[np.minimum(steps, len(reached) - 1) - 1])
        hidden = np.append(0.0, np.cumsum(none[strangers.listed]))
        alarms = reached[_above(strangers.similarity, thresholds)]
        more = hidden[_above(strangers.ends, thresholds)]
        found = at_most_drawn(subjects - 1, size - 1, length, length - 1)[-1] * _above(mates.ends, thresholds)
        hits = _above(mates.similarity, thresholds)
        fpir = np.minimum(1.0, np.stack([alarms, alarms + more]) / strangers.searches)
        fnir = 1 - np.stack([hits + found, hits]) / mates.searches
        yield SizedCurve(size, BoundedTradeOff(thresholds.astype(np.float64), fpir, fnir))


def _above(falling: Similarities, thresholds: Similarities) -> Rows:
    """(t,): how many of `falling`, which never rises, are at or above each threshold."""
    found: Rows = np.searchsorted(-falling, -thresholds, side="right").astype(np.int64)
    return found
