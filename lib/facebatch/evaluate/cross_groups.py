"""FMR across groups: how often a probe of one group is taken for a subject of another, at one threshold for all.

A comparison is of a probe that gave a template, mated or not, with an enrolled subject that is not its mate; a subject
counts once, however many templates it has. FMR_ij(T) is the share at or above T of the comparisons of probes of group
i with subjects of group j. Probes and subjects without a label count in the overall rate alone.

Lists show all comparisons at or above T unless a full list ends there (`growth.may_hide`). Of such a probe all
comparisons that are not listed may be at or above T too; they are counted as hidden, not as matches.

Intervals resample the people of probes and, independently, the subjects: a replicate weighs each comparison by how
often its person times how often its subject was drawn (A. B. Owen, The pigeonhole bootstrap, Annals of Applied
Statistics 1, 2007, which shows it to be mildly conservative; [K]: check before quoting it). In a cell without a match
all replicates are 0, and the interval is Wilson's of the comparisons: where matches are rare, it is rare that two are
of one person, so that they are nearly independent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.bootstrap import Replicates, ResampleSpec, spread
from facebatch.evaluate.groups import Grouping, everyone
from facebatch.evaluate.intervals import Rate, rate, rate_over_people
from facebatch.evaluate.pair_sums import PairSums, resample_sums, sums_by_cell
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.sufficiency import GroupRate, GroupRates, LeastSpec, Resampled, TooFew, tell_beside

Rows = npt.NDArray[np.int64]
_Found = tuple[Rate, int]
"""A rate, and comparisons that lists may hide."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Comparisons of the probes of one group with the subjects of one."""

    count: int
    """Listed at or above T."""
    hidden: int
    """Unlisted, and perhaps at or above T; 0: `count` is exact. The interval's upper end takes them for matches."""
    pairs: int
    told: Rate | TooFew
    """`people` is of the side that has fewer."""

    @property
    def log10(self) -> float | None:
        """Of the listed share, for colours; None where there is none, or no number is told."""
        return math.log10(self.told.count / self.told.n) if isinstance(self.told, Rate) and self.told.count else None


@dataclass(frozen=True, slots=True)
class FmrMatrix:
    """FMR_ij(T)."""

    groups: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    """Rows are groups of probes, columns those of subjects."""
    overall: Cell
    """Of everyone."""


@dataclass(frozen=True, slots=True, eq=False)
class CrossGroups:
    """The matrix of one grouping, and its diagonal: FMR within groups."""

    matrix: FmrMatrix
    within: Resampled
    """Replicates are of the same resamples of people as those of `group_rates.by_group`."""


def cross_groups(
    searches: Searches, groupings: Sequence[Grouping], threshold: float, least: LeastSpec, spec: ResampleSpec
) -> tuple[CrossGroups, ...]:
    """FMR_ij(T) of each grouping. T below a floor gives the figures of the floor."""
    every = (everyone(searches), *groupings)
    sums = sums_by_cell(searches, every, threshold)
    replicates = resample_sums(searches, every, threshold, spec)
    (everybody, _), *rates = (
        _rates(counts, drawn, grouping, searches)
        for counts, drawn, grouping in zip(sums, replicates, every, strict=True)
    )
    return tuple(
        _cross(grouping, found, everybody[0], low, least)
        for grouping, (found, low) in zip(groupings, rates, strict=True)
    )


def _rates(
    counts: PairSums, drawn: PairSums, grouping: Grouping, searches: Searches
) -> tuple[list[_Found], Replicates]:
    """The cells of a grouping row by row, and (b, cells) replicates of listed shares."""
    with np.errstate(invalid="ignore", divide="ignore"):
        low = drawn.matches / drawn.pairs
        high = (drawn.matches + drawn.hidden) / drawn.pairs if counts.hidden.any() else low
    intervals = [(below[0], above[1]) for below, above in zip(spread(low), spread(high), strict=True)]
    columns = (counts.matches[0], counts.hidden[0], counts.pairs[0])
    numbers = zip(*(column.astype(int).tolist() for column in columns), strict=True)
    people = _fewer(searches, grouping).tolist()
    found = [
        (_rate(count, n, smaller, interval), hidden)
        for (count, hidden, n), smaller, interval in zip(numbers, people, intervals, strict=True)
    ]
    return found, low


def _rate(count: int, n: int, people: int, interval: tuple[float, float]) -> Rate:
    if not n or interval == (0.0, 0.0):
        plain = rate(count, n)
        return Rate(count, n, plain.low, plain.high, people=people)
    return rate_over_people(count, n, people, interval)


def _fewer(searches: Searches, grouping: Grouping) -> Rows:
    """(cells,): people with probes that gave a template, or enrolled subjects, whichever are fewer."""
    kept = ~searches.failed & (grouping.probes >= 0)
    pairs = np.unique(searches.person[kept] * grouping.size + grouping.probes[kept])
    people = np.bincount(pairs % grouping.size, minlength=grouping.size)
    enrolled = searches.gallery.enrolled & (grouping.subjects >= 0)
    subjects = np.bincount(grouping.subjects[enrolled], minlength=grouping.size)
    return np.minimum(people[:, None], subjects).ravel()


def _cross(
    grouping: Grouping, found: Sequence[_Found], everybody: _Found, low: Replicates, least: LeastSpec
) -> CrossGroups:
    size, (overall, hidden) = grouping.size, everybody
    cells = [Cell(one.count, unlisted, one.n, tell_beside(one, overall, least)) for one, unlisted in found]
    rows = tuple(tuple(cells[begin : begin + size]) for begin in range(0, size * size, size))
    diagonal = slice(None, None, size + 1)
    groups = (
        GroupRate(name, cell.told, cell.hidden) for name, cell in zip(grouping.names, cells[diagonal], strict=True)
    )
    within = GroupRates(tuple(groups), overall, hidden)
    matrix = FmrMatrix(grouping.names, rows, Cell(overall.count, hidden, overall.n, overall))
    return CrossGroups(matrix, Resampled(within, low[:, diagonal]))
