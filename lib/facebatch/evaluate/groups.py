"""Who was measured: people by given group labels, variables alone and crossed, with what is missing counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from facebatch.errors import ConfigError
from facebatch.evaluate.searches import Labels, Searches

Codes = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]
MOST_GROUPS = 128
"""Of one grouping: a matrix of all pairs of groups and its replicates must fit in memory."""
CROSS = " x "
"""Between variables, and between their labels, of an intersection."""


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """One variable, or several crossed, over probes and subjects with the same codes."""

    variables: tuple[str, ...]
    names: tuple[str, ...]
    """Labels that probes or subjects have, ascending; all combinations where variables are crossed, empty ones too."""
    probes: Codes
    """(P,): place in `names`, -1 where a label is missing."""
    subjects: Codes
    """(N,)."""

    @property
    def name(self) -> str:
        """Of the variable, or of all crossed."""
        return CROSS.join(self.variables)

    @property
    def size(self) -> int:
        """Number of groups."""
        return len(self.names)

    def cells(self, probe: Rows, subject: Rows) -> Codes:
        """The pair of groups, probe's * size + subject's, of pairs of a probe and a subject; -1 without both labels."""
        row, column = self.probes[probe], self.subjects[subject]
        return np.where((row < 0) | (column < 0), -1, row * self.size + column)


@dataclass(frozen=True, slots=True)
class GroupSize:
    """How many a group has."""

    group: str | None
    """None: those without a label."""
    people: int
    """Different people with probes."""
    probes: int
    """Images searched, mated or not, failed ones among them."""
    mated: int
    """Of the probes."""
    subjects: int
    """In the gallery, failed enrolments among them."""


@dataclass(frozen=True, slots=True)
class Who:
    """The people behind the figures of one grouping."""

    groups: tuple[GroupSize, ...]
    missing: GroupSize
    """Probes and subjects without a label. They count in overall rates and in no group's."""
    missing_probes: float | None
    """Share of all probes in [0, 1]; None without any."""
    missing_subjects: float | None
    contradicted: int
    """Mated probes whose label is another than that of their subject; each side counts under its own."""
    mixed: int
    """People whose probes have different labels; they count in every group they are in."""


def everyone(searches: Searches) -> Grouping:
    """One group of all probes and subjects."""
    probes, subjects = (np.zeros(rows, dtype=np.int64) for rows in (len(searches.mated), searches.gallery.size))
    return Grouping((), ("all",), probes, subjects)


def groupings(
    searches: Searches, variables: Sequence[str] = (), intersections: Sequence[Sequence[str]] = ()
) -> tuple[Grouping, ...]:
    """A grouping for each variable (none named: for all there are), then for each intersection.

    ConfigError for a variable that neither probes nor subjects have, one crossed with itself, and more groups than
    MOST_GROUPS.
    """
    known = sorted({*searches.groups, *searches.gallery.groups})
    single = {
        name: _single(searches, name, known) for name in {*(variables or known), *sum(map(tuple, intersections), ())}
    }
    crossed = [_crossed([single[name] for name in names]) for names in intersections]
    return (*(single[name] for name in variables or known), *crossed)


def who(searches: Searches, grouping: Grouping) -> Who:
    """Counts of every group, and of those in none."""
    everybody = (len(searches.mated), searches.gallery.size)
    people = _people(searches.person, grouping)
    counts = [
        people,
        *(
            np.bincount(codes + 1, minlength=grouping.size + 1)
            for codes in (grouping.probes, grouping.probes[searches.mated], grouping.subjects)
        ),
    ]
    missing, *groups = (
        GroupSize(name, *(int(count) for count in row))
        for name, row in zip((None, *grouping.names), np.stack(counts, axis=1), strict=True)
    )
    mated = np.flatnonzero(searches.mate >= 0)
    pair = grouping.probes[mated], grouping.subjects[searches.mate[mated]]
    labelled = grouping.probes >= 0
    labels = _labels_each(searches.person[labelled], grouping.probes[labelled])
    return Who(
        groups=tuple(groups),
        missing=missing,
        missing_probes=missing.probes / everybody[0] if everybody[0] else None,
        missing_subjects=missing.subjects / everybody[1] if everybody[1] else None,
        contradicted=int(((pair[0] >= 0) & (pair[1] >= 0) & (pair[0] != pair[1])).sum()),
        mixed=int((labels > 1).sum()),
    )


def _people(person: Rows, grouping: Grouping) -> Rows:
    """(groups + 1,): different people without a label, then of each group."""
    width = grouping.size + 1
    found: Rows = np.bincount(np.unique(person * width + grouping.probes + 1) % width, minlength=width)
    return found


def _labels_each(person: Rows, codes: Codes) -> Rows:
    """Different codes of each person."""
    pairs = np.unique(np.stack([person, codes]), axis=1)
    found: Rows = np.unique(pairs[0], return_counts=True)[1]
    return found


def _single(searches: Searches, name: str, known: Sequence[str]) -> Grouping:
    if name not in known:
        raise ConfigError(f"variable {name!r}: no probe or subject has it; known: {', '.join(known) or 'none'}")
    empty = Labels((), np.empty(0, dtype=np.int32))
    sides = (searches.groups.get(name, empty), searches.gallery.groups.get(name, empty))
    names = tuple(sorted({*sides[0].names, *sides[1].names}))
    lengths = (len(searches.mated), searches.gallery.size)
    probes, subjects = (_recoded(side, names, length) for side, length in zip(sides, lengths, strict=True))
    return _limited(Grouping((name,), names, probes, subjects))


def _recoded(labels: Labels, names: tuple[str, ...], rows: int) -> Codes:
    if not labels.names:
        return np.full(rows, -1, dtype=np.int64)
    places = [*np.searchsorted(np.array(names), np.array(labels.names)).tolist(), -1]
    return np.array(places, dtype=np.int64)[labels.codes]


def _crossed(parts: Sequence[Grouping]) -> Grouping:
    variables = tuple(part.variables[0] for part in parts)
    if len(set(variables)) < max(2, len(variables)):
        raise ConfigError(f"intersection {CROSS.join(variables)!r}: name two or more different variables")
    names = tuple(CROSS.join(labels) for labels in product(*(part.names for part in parts)))
    probes, subjects = parts[0].probes, parts[0].subjects
    for part in parts[1:]:
        probes = np.where((probes < 0) | (part.probes < 0), -1, probes * part.size + part.probes)
        subjects = np.where((subjects < 0) | (part.subjects < 0), -1, subjects * part.size + part.subjects)
    return _limited(Grouping(variables, names, probes, subjects))


def _limited(grouping: Grouping) -> Grouping:
    if grouping.size > MOST_GROUPS:
        raise ConfigError(f"{grouping.name}: has {grouping.size} groups, at most {MOST_GROUPS} can be; merge labels")
    return grouping
