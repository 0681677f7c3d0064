"""Error rates of searches by group of the probe: FTX, FNMR, FPIR, FNIR, all from one resample of people.

Intervals resample people of all groups together, each person with all its searches, so that ratios between groups,
and of one rate to another, can be resampled too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.bootstrap import People, Replicates, ResampleSpec, people_of, ratios, spread
from facebatch.evaluate.groups import Codes, Grouping, everyone
from facebatch.evaluate.growth import may_hide
from facebatch.evaluate.identification import NO_THRESHOLD, hits
from facebatch.evaluate.intervals import Rate, rate, rate_over_people
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.sufficiency import GroupRate, GroupRates, LeastSpec, Resampled, tell_beside

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
EVERYBODY, SUBJECTS = 2, 3
"""Streams of random numbers: people with probes, and subjects of the gallery."""


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """One kind of error, search by search; (P,) each."""

    made: Mask
    errors: Mask
    """Known ones, of those made."""
    hidden: Mask
    """Of those made, not known errors that may be errors beyond what the lists show."""


@dataclass(frozen=True, slots=True, eq=False)
class _Tally:
    """Trials by person (rows) and group (columns)."""

    made: Numbers
    errors: Numbers
    hidden: Numbers


def extraction(searches: Searches) -> Trials:
    """FTX: probes that gave no template, of all."""
    return Trials(np.ones_like(searches.failed), searches.failed, np.zeros_like(searches.failed))


def false_positives(searches: Searches, threshold: float) -> Trials:
    """FPIR(N, T): non-mated searches with a candidate at or above T; those that failed count, without one."""
    alarm = ~searches.mated & (searches.nonmates.count(threshold) > 0)
    return Trials(~searches.mated, alarm, np.zeros_like(alarm))


def missed(searches: Searches, threshold: float = NO_THRESHOLD, rank: int | None = None) -> Trials:
    """FNIR(N, R, T): mated searches whose mate is outside `rank` (None: L) or below T; failures count as misses."""
    miss = searches.mated & ~hits(searches, rank=rank, threshold=threshold)
    return Trials(searches.mated, miss, np.zeros_like(miss))


def non_matches(searches: Searches, threshold: float) -> Trials:
    """FNMR(T): comparisons of a probe with its own subject that are below T, of all that could be made.

    Searches whose probe or mate gave no template are left out: they are FTX and FTE. An unlisted mate is below T where
    the list ends below T or at a floor; otherwise it may have been crowded out, and is hidden.
    """
    made = searches.mated & searches.mate_enrolled & ~searches.failed
    short = made & ~(searches.mate_similarity >= np.float32(threshold))
    hidden = short & ~searches.listed & may_hide(searches, threshold)
    return Trials(made, short & ~hidden, hidden)


def by_group(
    searches: Searches, groupings: Sequence[Grouping], trials: Trials, least: LeastSpec, spec: ResampleSpec
) -> tuple[Resampled, ...]:
    """The rate of each group of each grouping, and of everyone."""
    people = people_of(searches.person)
    tallies = [_tally(people, trials, grouping) for grouping in (everyone(searches), *groupings)]
    found, high = _replicates(tallies, spec)
    intervals = [(low[0], top[1]) for low, top in zip(spread(found), spread(high), strict=True)]
    rates = _rates(tallies, intervals)
    overall, hidden = rates[0], int(trials.hidden.sum())
    resampled, begin = [], 1
    for grouping, tally in zip(groupings, tallies[1:], strict=True):
        columns = slice(begin, begin + grouping.size)
        begin += grouping.size
        unseen = tally.hidden.sum(axis=0).astype(int).tolist()
        groups = (
            GroupRate(name, tell_beside(one, overall, least), unlisted)
            for name, one, unlisted in zip(grouping.names, rates[columns], unseen, strict=True)
        )
        resampled.append(Resampled(GroupRates(tuple(groups), overall, hidden), found[:, columns]))
    return tuple(resampled)


def enrolment(searches: Searches, grouping: Grouping, least: LeastSpec) -> GroupRates:
    """FTE: subjects whose enrolment failed, by their group; a subject is a person, so that intervals are Wilson's."""
    lost = ~searches.gallery.enrolled
    overall = _of_subjects(int(lost.sum()), searches.gallery.size)
    totals, counts = (_by_code(grouping.subjects, which, grouping.size) for which in (np.ones_like(lost), lost))
    groups = (
        GroupRate(name, tell_beside(_of_subjects(int(count), int(n)), overall, least))
        for name, count, n in zip(grouping.names, counts, totals, strict=True)
    )
    return GroupRates(tuple(groups), overall)


def tally(people: People, codes: Codes, size: int, counts: Numbers) -> Numbers:
    """(people, size): `counts`, one per search, added up by person and by group; searches without a group left out."""
    labelled = codes >= 0
    place = people.of[labelled] * size + codes[labelled]
    found = np.bincount(place, weights=counts[labelled], minlength=people.count * size)
    return found.reshape(people.count, size).astype(np.float64, copy=False)


def one_each(people: int) -> People:
    """People with a row each, as in a tally."""
    return People(np.arange(people), people)


def _tally(people: People, trials: Trials, grouping: Grouping) -> _Tally:
    kinds = (trials.made, trials.errors, trials.hidden)
    return _Tally(*(tally(people, grouping.probes, grouping.size, kind.astype(np.float64)) for kind in kinds))


def _replicates(tallies: Sequence[_Tally], spec: ResampleSpec) -> tuple[Replicates, Replicates]:
    """Rates of all groups one after the other, hidden trials taken for none and for errors."""
    columns = zip(*((one.made, one.errors, one.hidden) for one in tallies), strict=True)
    made, errors, hidden = (np.concatenate(column, axis=1) for column in columns)
    people = one_each(len(made))
    low = ratios(people, errors, made, spec, EVERYBODY)
    return low, (ratios(people, errors + hidden, made, spec, EVERYBODY) if hidden.any() else low)


def _rates(tallies: Sequence[_Tally], intervals: Sequence[tuple[float, float]]) -> list[Rate]:
    counts, totals, people = (
        np.concatenate(columns).astype(int).tolist()
        for columns in (
            [one.errors.sum(axis=0) for one in tallies],
            [one.made.sum(axis=0) for one in tallies],
            [(one.made > 0).sum(axis=0) for one in tallies],
        )
    )
    return [rate_over_people(*one) for one in zip(counts, totals, people, intervals, strict=True)]


def _of_subjects(count: int, n: int) -> Rate:
    plain = rate(count, n)
    return Rate(count, n, plain.low, plain.high, people=n)


def _by_code(codes: Codes, which: Mask, size: int) -> npt.NDArray[np.int64]:
    return np.bincount(codes[which & (codes >= 0)], minlength=size)
