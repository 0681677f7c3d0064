"""Searches drawn from a population of known error rates, as the tables that an evaluation reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facebatch.errors import ConfigError
from facebatch.evaluate.inputs import Inputs, lazy
from facebatch.evaluate.population import PopulationSpec, locations
from facebatch.schemas import CANDIDATES, GROUPS, TRUTH

VARIABLE = "group"
"""Name of the one group variable."""
CHUNK = 2048
"""Probes drawn at a time; part of what a seed means."""
STEPS = 10_000
"""Greatest distance in the gallery of one candidate and the next."""

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
_Lists = tuple[Rows, Rows, Rows, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class DrawnSearches:
    """One experiment with a population."""

    candidates: pa.Table
    """`schemas.CANDIDATES`, lists of spec.length without a floor; none of failed probes."""
    truth: pa.Table
    """`schemas.TRUTH`, with person_id for non-mated probes."""
    gallery: pa.Table
    """subject_id, groups: a row per subject."""
    failed: pa.Table
    """probe_id of probes without a template."""
    length: int

    @property
    def inputs(self) -> Inputs:
        """As `searches.collect` takes them."""
        tables = (self.candidates, self.truth, self.gallery, self.failed)
        candidates, truth, gallery, failed = (lazy(table) for table in tables)
        return Inputs(candidates, truth, gallery, self.length, failed=failed)


@dataclass(frozen=True, slots=True, eq=False)
class _Probes:
    """(P,) each."""

    group: Rows
    person: Rows
    mate: Rows
    """Number of the subject in the gallery; -1: non-mated."""
    quality: Values
    failed: npt.NDArray[np.bool_]
    stranger_effect: Values
    """G of the person."""
    mate_effect: Values
    """H of the person."""

    def take(self, rows: Rows) -> "_Probes":
        return _Probes(
            group=self.group[rows],
            person=self.person[rows],
            mate=self.mate[rows],
            quality=self.quality[rows],
            failed=self.failed[rows],
            stranger_effect=self.stranger_effect[rows],
            mate_effect=self.mate_effect[rows],
        )


def draw_searches(spec: PopulationSpec, seed: int) -> DrawnSearches:
    """`spec.probes_per_person` searches of everyone with probes. The same arguments give the same tables.

    Any gallery size costs the same, because only the L greatest of N independent similarities are drawn: of N
    exponentials the smallest are cumulative sums of E_i / (N - i + 1) (A. Renyi, 1953). ConfigError when a group has
    more mated people than subjects, or nobody has probes.
    """
    random = np.random.default_rng(seed)
    probes = _draw_probes(spec, random)
    searched = np.flatnonzero(~probes.failed)
    lists = []
    for begin in range(0, len(searched), CHUNK):
        rows = searched[begin : begin + CHUNK]
        lists.append(_draw_lists(spec, probes.take(rows), rows, random))
    names = [group.name for group in spec.groups]
    gallery_groups = np.repeat(np.arange(len(names)), [group.subjects for group in spec.groups])
    probe_ids, subject_ids = _ids("p", len(probes.group)), _ids("s", len(gallery_groups))
    stranger = probes.mate < 0
    truth = {
        "probe_id": probe_ids,
        "subject_id": subject_ids.take(pa.array(probes.mate, mask=stranger)),
        "person_id": _ids("x", int(probes.person.max()) + 1).take(pa.array(probes.person, mask=~stranger)),
        "quality": pa.array(probes.quality, pa.float32()),
        "groups": group_labels(names, probes.group),
    }
    return DrawnSearches(
        candidates=_candidates(lists, probe_ids, subject_ids),
        truth=pa.table(truth, schema=TRUTH),
        gallery=pa.table({"subject_id": subject_ids, "groups": group_labels(names, gallery_groups)}),
        failed=pa.table({"probe_id": probe_ids.filter(pa.array(probes.failed))}),
        length=spec.length,
    )


def _candidates(lists: Sequence[_Lists], probe_ids: pa.Array, subject_ids: pa.Array) -> pa.Table:
    if not lists:
        return CANDIDATES.empty_table()
    probe, rank, subject, similarity = (pa.array(np.concatenate(column)) for column in zip(*lists, strict=True))
    columns = {
        "probe_id": probe_ids.take(probe),
        "rank": rank.cast(pa.int32()),
        "subject_id": subject_ids.take(subject),
        "template_id": _ids("t", len(subject_ids)).take(subject),
        "similarity": similarity,
        "snapshot": pa.array(np.zeros(len(probe), dtype=np.int64)),
    }
    return pa.table(columns, schema=CANDIDATES)


def _draw_probes(spec: PopulationSpec, random: np.random.Generator) -> _Probes:
    """Mated people of the first group, its non-mated people, those of the second group and so on."""
    groups, mates, first = [], [], 0
    for row, group in enumerate(spec.groups):
        if group.mated_people > group.subjects:
            raise ConfigError(f"group {group.name!r} has more mated people than its {group.subjects} subjects")
        mates += [first + random.choice(group.subjects, group.mated_people, replace=False)]
        mates += [np.full(group.non_mated_people, -1)]
        groups.append(np.full(group.mated_people + group.non_mated_people, row))
        first += group.subjects
    people = sum(map(len, groups))
    if not people:
        raise ConfigError("nobody in the population has probes; give a group mated_people or non_mated_people")
    effects = random.gamma(spec.person_shape, 1 / spec.person_shape, (2, people))
    person = np.repeat(np.arange(people), spec.probes_per_person)
    group_of = np.concatenate(groups)[person]
    failure = np.array([group.failure for group in spec.groups])[group_of]
    return _Probes(
        group=group_of,
        person=person,
        mate=np.concatenate(mates)[person],
        quality=random.uniform(0, 100, len(person)),
        failed=random.random(len(person)) < failure,
        stranger_effect=effects[0][person],
        mate_effect=effects[1][person],
    )


def _draw_lists(spec: PopulationSpec, probes: _Probes, rows: Rows, random: np.random.Generator) -> _Lists:
    """Probe (of `rows`), rank, subject and similarity of each candidate, by probe and rank."""
    similarities, subjects, first = [_draw_mates(spec, probes, random)[:, None]], [probes.mate[:, None]], 0
    for column, group in enumerate(spec.groups):
        mate = np.where((probes.mate >= first) & (probes.mate < first + group.subjects), probes.mate - first, -1)
        others = group.subjects - (mate >= 0)
        place = _distinct(others, group.subjects, min(spec.length, group.subjects), random)
        subjects.append(first + place + ((mate[:, None] >= 0) & (place >= mate[:, None])))
        location = locations(spec)[probes.group, column] - spec.quality_alike * (probes.quality - 50) / 100
        similarities.append(location[:, None] - spec.spread * _greatest(others, place.shape[1], probes, random))
        first += group.subjects
    subject = np.hstack(subjects)
    drawn = np.hstack(similarities)
    similarity = np.where(np.isneginf(drawn), drawn, np.clip(drawn, -1, 1)).astype(np.float32)
    order = np.lexsort((subject, -similarity), axis=1)[:, : spec.length]
    listed = np.take_along_axis(similarity, order, 1)
    there = listed > -np.inf
    probe = np.repeat(rows, there.sum(axis=1))
    rank = np.broadcast_to(np.arange(1, order.shape[1] + 1), order.shape)[there]
    return probe, rank, np.take_along_axis(subject, order, 1)[there], listed[there]


def _draw_mates(spec: PopulationSpec, probes: _Probes, random: np.random.Generator) -> Values:
    """(probes,): similarity of the mate before it is cut to [-1, 1], -inf of non-mated probes."""
    mates = np.array([group.mate for group in spec.groups])[probes.group]
    mates += spec.quality_effect * (probes.quality - 50) / 100
    noise = np.log(random.standard_exponential(len(mates)) / probes.mate_effect)
    return np.where(probes.mate >= 0, mates + spec.mate_spread * noise, -np.inf)


def _greatest(others: Rows, length: int, probes: _Probes, random: np.random.Generator) -> Values:
    """(probes, length): log(E / G) of the `length` smallest of `others` exponentials E, ascending; +inf where none."""
    left = others[:, None] - np.arange(length)
    gaps = random.standard_exponential(left.shape) / np.maximum(left, 1)
    smallest = np.log(np.cumsum(gaps, axis=1) / probes.stranger_effect[:, None])
    return np.where(left > 0, smallest, np.inf)


def _distinct(others: Rows, subjects: int, length: int, random: np.random.Generator) -> Rows:
    """(probes, length): for each probe distinct numbers below `others`, as far as there are so many."""
    steps = np.arange(1, min(subjects, STEPS) + 1)
    steps = steps[np.gcd(steps, subjects) * np.gcd(steps, max(1, subjects - 1)) == 1]  # a step of 1 always qualifies
    offset = random.integers(0, subjects, (len(others), 1))
    step = steps[random.integers(0, len(steps), (len(others), 1))]
    found: Rows = (offset + step * np.arange(length)) % np.maximum(others, 1)[:, None]
    return found


def _ids(letter: str, n: int) -> pa.Array:
    return pa.array([f"{letter}{number:08d}" for number in range(n)], pa.string())


def group_labels(names: Sequence[str], codes: Rows) -> pa.Array:
    """(n,) of `schemas.GROUPS`: each row with the one variable VARIABLE, `codes` being places in `names`."""
    values = pa.array(names, pa.string()).take(pa.array(codes))
    keys = pa.array([VARIABLE] * len(codes), pa.string())
    return pa.MapArray.from_arrays(pa.array(np.arange(len(codes) + 1), pa.int32()), keys, values).cast(GROUPS)
