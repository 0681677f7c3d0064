"""Comparisons of probes with subjects added up by pairs of groups, as they are and in resamples of both sides.

Only matches, and pairs of a probe and its own mate, are gone through one by one. All other comparisons are products:
the weight of a group's probes times that of a group's subjects.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.bootstrap import CHUNK_WEIGHTS, Counts, People, ResampleSpec, draw, people_of
from facebatch.evaluate.group_rates import EVERYBODY, SUBJECTS, tally
from facebatch.evaluate.groups import Codes, Grouping
from facebatch.evaluate.growth import may_hide
from facebatch.evaluate.searches import Searches

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PairSums:
    """(b, groups * groups) each, row by row: `Grouping.cells`; of b replicates, or b = 1 of what is."""

    matches: Numbers
    """Listed non-mates at or above T."""
    hidden: Numbers
    """Unlisted non-mates of full lists that end at or above T."""
    pairs: Numbers
    """Probes that gave a template with enrolled subjects, mates left out."""


@dataclass(frozen=True, slots=True, eq=False)
class _Links:
    """Single comparisons, (n,) each."""

    person: Rows
    """Of the probe, 0 to people - 1."""
    place: Rows
    """Of the subject among those followed."""
    hiding: Mask
    """The probe's list may leave out subjects at or above T."""
    cells: tuple[Codes, ...]
    """Of each grouping."""

    def weights(self, people: Counts, followed: Counts) -> Numbers:
        """(b, n): how often each comparison is in each replicate."""
        times = people[:, self.person]
        times *= followed[:, self.place]
        return times.astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    people: People
    """Of all probes."""
    probed: Mask
    """(P,): gave a template."""
    hiding: Mask
    """(P,): full lists that end at or above T; all they list is."""
    enrolled: Mask
    """(N,)."""
    followed: Rows
    """(K,): subjects in `matches` or `mates`; the others count by group only."""
    matches: _Links
    mates: _Links
    """Probes that gave a template with their enrolled mates."""


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """Weights of b replicates."""

    people: Counts
    """(b, people)."""
    followed: Counts
    """(b, K)."""
    others: Rows
    """(b,): draws of subjects that are not followed."""


def sums_by_cell(searches: Searches, groupings: Sequence[Grouping], threshold: float) -> tuple[PairSums, ...]:
    """Of each grouping, everybody counting once."""
    pairs = _pairs(searches, groupings, threshold)
    ones = [np.ones((1, n), dtype=np.int32) for n in (pairs.people.count, len(pairs.followed))]
    drawn = _Drawn(ones[0], ones[1], np.array([int(pairs.enrolled.sum()) - len(pairs.followed)]))
    others = (_others(pairs, grouping)[None, : grouping.size] for grouping in groupings)
    return tuple(_sums(pairs, groupings, drawn, list(others)))


def resample_sums(
    searches: Searches, groupings: Sequence[Grouping], threshold: float, spec: ResampleSpec
) -> tuple[PairSums, ...]:
    """Of each grouping, in `spec.replicates` resamples of people and of enrolled subjects; none without either."""
    pairs = _pairs(searches, groupings, threshold)
    random = np.random.default_rng([spec.seed, SUBJECTS])
    width = max(len(pairs.matches.person), len(pairs.mates.person), *(grouping.size**2 for grouping in groupings))
    found = [[PairSums(*np.zeros((3, 0, grouping.size**2)))] for grouping in groupings]
    for drawn in _draws(pairs, width, spec, random):
        others = [_drawn_others(pairs, grouping, drawn.others, random) for grouping in groupings]
        for sums, of_grouping in zip(_sums(pairs, groupings, drawn, others), found, strict=True):
            of_grouping.append(sums)
    return tuple(_joined(parts) for parts in found)


def _pairs(searches: Searches, groupings: Sequence[Grouping], threshold: float) -> _Pairs:
    probed = ~searches.failed
    hiding = may_hide(searches, threshold)
    above = np.flatnonzero(searches.nonmates.similarity >= np.float32(threshold))
    matching = np.searchsorted(searches.nonmates.starts, above, side="right") - 1
    mated = np.flatnonzero(probed & searches.mate_enrolled)
    subjects = (searches.nonmates.subject[above], searches.mate[mated])
    followed = np.unique(np.concatenate(subjects))
    people = people_of(searches.person)
    matches, mates = (
        _Links(
            person=people.of[probe],
            place=np.searchsorted(followed, subject),
            hiding=hiding[probe],
            cells=tuple(grouping.cells(probe, subject) for grouping in groupings),
        )
        for probe, subject in zip((matching, mated), subjects, strict=True)
    )
    return _Pairs(people, probed, hiding, searches.gallery.enrolled, followed, matches, mates)


def _draws(pairs: _Pairs, width: int, spec: ResampleSpec, random: np.random.Generator) -> Iterator[_Drawn]:
    """Subjects that are not followed are drawn as one number: of n enrolled ones, K of them followed, so many of n
    draws hit one of K as a binomial count says."""
    enrolled, followed = int(pairs.enrolled.sum()), len(pairs.followed)
    if not enrolled:
        return
    most = max(1, CHUNK_WEIGHTS // max(width, followed))
    for counts in draw(pairs.people, pairs.people.count, spec, EVERYBODY):
        for begin in range(0, len(counts), most):
            people = counts[begin : begin + most]
            hit = random.binomial(enrolled, followed / enrolled, len(people))
            chosen = random.integers(0, max(followed, 1), int(hit.sum()))
            chosen += np.repeat(np.arange(len(people)) * followed, hit)
            times = np.bincount(chosen, minlength=len(people) * followed).reshape(len(people), followed)
            yield _Drawn(people, times.astype(np.int32), enrolled - hit)


def _others(pairs: _Pairs, grouping: Grouping) -> Numbers:
    """(groups + 1,): enrolled subjects that are not followed, by group, those without a label last."""
    rest = pairs.enrolled.copy()
    rest[pairs.followed] = False
    codes = grouping.subjects[rest]
    return np.bincount(np.where(codes < 0, grouping.size, codes), minlength=grouping.size + 1).astype(np.float64)


def _drawn_others(pairs: _Pairs, grouping: Grouping, draws: Rows, random: np.random.Generator) -> Numbers:
    """(b, groups)."""
    sizes = _others(pairs, grouping)
    chances = sizes / max(1.0, sizes.sum())
    chances[-1] += max(0.0, 1 - chances.sum())
    return random.multinomial(draws, chances)[:, : grouping.size].astype(np.float64)


def _sums(pairs: _Pairs, groupings: Sequence[Grouping], drawn: _Drawn, others: Sequence[Numbers]) -> Iterator[PairSums]:
    """`others` is (b, groups) of each grouping: weights of subjects that are not followed."""
    matches, mates = (links.weights(drawn.people, drawn.followed) for links in (pairs.matches, pairs.mates))
    cells = zip(groupings, others, pairs.matches.cells, pairs.mates.cells, strict=True)
    for grouping, rest, found, own in cells:
        size = grouping.size
        subjects = rest + _added(drawn.followed, grouping.subjects[pairs.followed], size)
        probes, hiding = (
            drawn.people @ tally(pairs.people, grouping.probes, size, side.astype(np.float64))
            for side in (pairs.probed, pairs.hiding)
        )
        seen, apart = (
            _by_cell(links, weights, of_cell, size)
            for links, weights, of_cell in ((pairs.matches, matches, found), (pairs.mates, mates, own))
        )
        hidden = _products(hiding, subjects) - seen[..., 1] - apart[..., 1]
        yield PairSums(seen.sum(axis=-1), hidden, _products(probes, subjects) - apart.sum(axis=-1))


def _by_cell(links: _Links, weights: Numbers, cells: Codes, size: int) -> Numbers:
    """(b, size * size, 2): those of probes whose lists hide nothing, and of the others."""
    to = np.where(cells < 0, -1, 2 * cells + links.hiding)
    return _added(weights, to, 2 * size * size).reshape(len(weights), -1, 2)


def _products(rows: Numbers, columns: Numbers) -> Numbers:
    """(b, r * c) of (b, r) and (b, c)."""
    found: Numbers = (rows[:, :, None] * columns[:, None, :]).reshape(len(rows), -1)
    return found


def _added(weights: Counts | Numbers, to: Codes, size: int) -> Numbers:
    """(b, size): the columns of (b, n) added up by `to`, (n,); those of -1 left out."""
    found = np.zeros((len(weights), size))
    place = to + 1
    for row, of_row in zip(found, weights, strict=True):
        row += np.bincount(place, weights=of_row, minlength=size + 1)[1:]
    return found


def _joined(parts: Sequence[PairSums]) -> PairSums:
    return PairSums(
        matches=np.concatenate([one.matches for one in parts]),
        hidden=np.concatenate([one.hidden for one in parts]),
        pairs=np.concatenate([one.pairs for one in parts]),
    )
