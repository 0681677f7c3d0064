"""Who is on candidate lists: by group of the probe, whose likenesses are shown, and how often whom the lists show.

A false candidate is a listed subject that is not the probe's mate, in mated and non-mated searches alike; a lead is
any listed subject, the mate among them. Both at or above a threshold, or all that the lists hold. A list holds at most
L subjects: shares are of what is listed, and need no bounds. Shares are of people with a label: of one without nobody
knows the group, and nothing is told of a group that nobody in the gallery is known to be of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.bootstrap import People, ResampleSpec, people_of, ratios, spread
from facebatch.evaluate.group_rates import EVERYBODY, one_each, tally
from facebatch.evaluate.groups import Grouping
from facebatch.evaluate.identification import NO_THRESHOLD
from facebatch.evaluate.intervals import Rate, rate_over_people
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.sufficiency import LeastSpec, TooFew, tell

Rows = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GroupShare:
    """One group, as probes and as candidates."""

    group: str
    false: tuple[int, ...]
    """False candidates of its probes by their own group, in the order of the grouping; last those without a label."""
    same: Rate | TooFew | None
    """Share of those with a label that are of the same group as the probe; compare it with `gallery`. Few people are
    people with probes, and the errors expected of them are these candidates. None: nobody in the gallery is of it."""
    leads: Rate | TooFew | None
    """Share of this group among leads with a label. Few people are its subjects; expected are as many leads as
    `gallery` says. None as above."""
    gallery: float | None
    """Its share of subjects with a label; None where nobody has one."""
    probes: float | None
    """Its share of probes with a label; None where none has one."""


@dataclass(frozen=True, slots=True)
class ListShares:
    """Composition of the candidate lists."""

    threshold: float | None
    """None: all that is listed."""
    false: int
    """False candidates in all, those of probes without a label among them."""
    leads: int
    groups: tuple[GroupShare, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Listed:
    """Candidates, mates last."""

    probe: Rows
    subject: Rows
    false: int
    """The first so many are no mates."""


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """By person (rows) and group (columns)."""

    same: Numbers
    false: Numbers
    """With a label."""
    leads: Numbers
    all: Numbers
    """With a label."""


def list_shares(
    searches: Searches,
    groupings: Sequence[Grouping],
    threshold: float | None,
    least: LeastSpec,
    spec: ResampleSpec,
) -> tuple[ListShares, ...]:
    """Of each grouping. Intervals resample people with probes."""
    listed = _listed(searches, NO_THRESHOLD if threshold is None else threshold)
    people = people_of(searches.person)
    counts = [_counts(people, listed, grouping) for grouping in groupings]
    if not counts:
        return ()
    same, false, leads, every = (
        np.concatenate(columns, axis=1)
        for columns in zip(*((one.same, one.false, one.leads, one.all) for one in counts), strict=True)
    )
    each = one_each(people.count)
    of_false = spread(ratios(each, same, false, spec, EVERYBODY))
    of_leads = spread(ratios(each, leads, every, spec, EVERYBODY))
    found, begin = [], 0
    for grouping, one in zip(groupings, counts, strict=True):
        columns = slice(begin, begin + grouping.size)
        begin += grouping.size
        sames = _shares(one.same, one.false, of_false[columns])
        shown = _shares(one.leads, one.all, of_leads[columns])
        groups = _groups(grouping, listed, (sames, shown), least)
        found.append(ListShares(threshold, listed.false, len(listed.probe), groups))
    return tuple(found)


def _listed(searches: Searches, threshold: float) -> _Listed:
    lists = searches.nonmates
    above = lists.similarity >= np.float32(threshold)
    mates = np.flatnonzero(searches.listed & (searches.mate_similarity >= np.float32(threshold)))
    probe = np.concatenate([lists.probe[above], mates])
    subject = np.concatenate([lists.subject[above], searches.mate[mates]])
    return _Listed(probe, subject, int(above.sum()))


def _counts(people: People, listed: _Listed, grouping: Grouping) -> _Counts:
    first = slice(0, listed.false)
    of_probe, of_subject = grouping.probes[listed.probe], grouping.subjects[listed.subject]
    rows = People(people.of[listed.probe], people.count)
    nonmates = People(rows.of[first], people.count)
    labelled = (of_subject >= 0).astype(np.float64)
    same = (of_probe == of_subject)[first].astype(np.float64)
    each = tally(rows, np.zeros_like(of_probe), 1, labelled)
    return _Counts(
        same=tally(nonmates, of_probe[first], grouping.size, same),
        false=tally(nonmates, of_probe[first], grouping.size, labelled[first]),
        leads=tally(rows, of_subject, grouping.size, labelled),
        all=np.repeat(each, grouping.size, axis=1),
    )


def _shares(above: Numbers, below: Numbers, intervals: Sequence[tuple[float, float]]) -> list[Rate]:
    counts, totals = (one.sum(axis=0).astype(int).tolist() for one in (above, below))
    people = (below > 0).sum(axis=0).tolist()
    return [rate_over_people(*one) for one in zip(counts, totals, people, intervals, strict=True)]


def _groups(
    grouping: Grouping, listed: _Listed, shares: tuple[list[Rate], list[Rate]], least: LeastSpec
) -> tuple[GroupShare, ...]:
    size = grouping.size
    crossed = np.zeros((size, size + 1), dtype=np.int64)
    row, column = (
        codes[: listed.false] for codes in (grouping.probes[listed.probe], grouping.subjects[listed.subject])
    )
    labelled = row >= 0
    np.add.at(crossed, (row[labelled], column[labelled]), 1)
    subjects, probes = (
        np.bincount(codes + 1, minlength=size + 1)[1:] for codes in (grouping.subjects, grouping.probes)
    )
    found = []
    for code, name in enumerate(grouping.names):
        people, gallery = int(subjects[code]), _share(subjects, code)
        same, leads = (side[code] for side in shares)
        found.append(
            GroupShare(
                group=name,
                false=tuple(crossed[code].tolist()),
                same=tell(same, same.people or 0, float(same.n), least) if people else None,
                leads=tell(leads, people, leads.n * (gallery or 0.0), least) if people else None,
                gallery=gallery,
                probes=_share(probes, code),
            )
        )
    return tuple(found)


def _share(counts: Rows, code: int) -> float | None:
    """Of one group among all that have a label."""
    total = int(counts.sum())
    return int(counts[code]) / total if total else None
