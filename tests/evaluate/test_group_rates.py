"""Rates by group: as plain Python counts them, with hidden mates held apart, and small groups not told."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate import reference
from evaluate.grouped import ANY, FEW, crowd, grouped_worlds
from evaluate.small import EXAMPLES, GRID, searched
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.group_rates import (
    by_group,
    enrolment,
    extraction,
    false_positives,
    missed,
    non_matches,
)
from facebatch.evaluate.groups import groupings
from facebatch.evaluate.intervals import Rate, rate
from facebatch.evaluate.sufficiency import GroupRates, LeastSpec, TooFew
from labelled import World

ALL = (("sex",), ("tone",), ("sex", "tone"))
Counts = dict[str, tuple[int, int]]


def counts(rates: GroupRates) -> Counts:
    return {one.group: (one.told.count, one.told.n) for one in rates.groups if isinstance(one.told, Rate)}


def expected(world: World, variables: tuple[str, ...], error, made) -> Counts:
    """Of groups with a trial."""
    found: Counts = {}
    for probe in range(len(world.scores)):
        name = reference.probe_group(world, probe, variables)
        if name is not None and made(probe):
            count, n = found.get(name, (0, 0))
            found[name] = (count + error(probe), n + 1)
    return found


@settings(EXAMPLES)
@given(grouped_worlds(), st.sampled_from([*GRID, -math.inf]), st.data())
def test_rates_of_groups_are_those_of_plain_python(world: World, threshold: float, data) -> None:
    s, rank = searched(world), data.draw(st.integers(1, world.length))
    every = groupings(s, ["sex", "tone"], [["sex", "tone"]])
    kinds = {
        "ftx": (extraction(s), lambda p: p in world.failed, lambda p: True),
        "fpir": (
            false_positives(s, threshold),
            lambda p: reference.false_candidates(world, p, threshold) > 0,
            lambda p: not reference.is_mated(world, p),
        ),
        "fnir": (
            missed(s, threshold, rank),
            lambda p: not reference.is_hit(world, p, rank, threshold),
            lambda p: reference.is_mated(world, p),
        ),
    }
    for trials, error, made in kinds.values():
        for variables, found in zip(ALL, by_group(s, every, trials, ANY, FEW), strict=True):
            assert counts(found.rates) == expected(world, variables, error, made)
            assert all(not one.hidden for one in found.rates.groups)


@settings(EXAMPLES)
@given(grouped_worlds(), st.sampled_from([*GRID, -math.inf]))
def test_non_matches_are_counted_or_said_to_be_hidden(world: World, threshold: float) -> None:
    s = searched(world)
    made = {p for p in range(len(world.scores)) if reference.is_mated(world, p)}
    made = {p for p in made - world.failed if world.mates[p] < world.subjects and world.mates[p] not in world.lost}
    every = groupings(s, ["sex", "tone"], [["sex", "tone"]])
    for variables, found in zip(ALL, by_group(s, every, non_matches(s, threshold), ANY, FEW), strict=True):
        truth = expected(
            world,
            variables,
            lambda p: not reference.is_match(world, p, world.mates[p], threshold),
            lambda p: p in made,
        )
        for one in found.rates.groups:
            hiding = [
                p
                for p in made
                if reference.probe_group(world, p, variables) == one.group
                and reference.may_match(world, p, world.mates[p], threshold)
            ]
            assert one.hidden == len(hiding)
            if one.group in truth:
                count, n = truth[one.group]
                assert one.told.n == n
                assert one.told.count <= count <= one.told.count + one.hidden


@settings(EXAMPLES)
@given(grouped_worlds())
def test_failed_enrolments_are_counted_by_group_of_the_subject(world: World) -> None:
    s = searched(world)
    for variables, grouping in zip(ALL, groupings(s, ["sex", "tone"], [["sex", "tone"]]), strict=True):
        found: Counts = {}
        for subject in range(world.subjects):
            name = reference.subject_group(world, subject, variables)
            if name is not None:
                count, n = found.get(name, (0, 0))
                found[name] = (count + (subject in world.lost), n + 1)
        assert counts(enrolment(s, grouping, ANY)) == found


def test_intervals_keep_the_probes_of_a_person_together() -> None:
    """Everyone's two probes err alike: intervals as wide as those of half as many trials."""
    world = World(
        scores=[[0.9 if person % 4 == 0 else 0.1] for person in range(120) for _ in range(2)],
        mates=[None] * 240,
        length=1,
        persons=[f"q{person}" for person in range(120) for _ in range(2)],
        groups=[{"half": "ab"[person % 2]} for person in range(120) for _ in range(2)],
    )
    s = searched(world)
    (found,) = by_group(s, groupings(s), false_positives(s, 0.5), LeastSpec(), ResampleSpec())
    first, second = (one.told for one in found.rates.groups)
    assert (first.count, first.n, first.people, first.method) == (60, 120, 60, "bootstrap")
    honest, narrow = rate(30, 60), rate(60, 120)
    assert first.high - first.low == pytest.approx(honest.high - honest.low, rel=0.15)
    assert first.high - first.low > 1.2 * (narrow.high - narrow.low)
    assert (second.count, second.method) == (0, "wilson")
    assert second.high == rate(0, 60).high


@pytest.mark.parametrize(("people", "errors", "told"), [(29, 30, False), (30, 30, True), (30, 29.9, False)])
def test_a_group_is_told_from_thirty_people_and_thirty_expected_errors(people, errors, told) -> None:
    assert LeastSpec().enough(people, errors) is told


def test_small_groups_have_no_number_and_say_why() -> None:
    s = crowd()
    (found,) = by_group(s, groupings(s, ["sex"]), false_positives(s, 0.6), LeastSpec(people=1), FEW)
    shares = [one.told for one in found.rates.groups]
    assert all(isinstance(one, TooFew) for one in shares)
    overall = found.rates.overall
    assert [one.expected for one in shares] == pytest.approx([one.n * overall.value for one in shares])
    assert sum(one.n for one in shares) == overall.n == 80
    assert shares[0].words.startswith(f"too few: {shares[0].people} people, {shares[0].n} trials, ")


def test_nobody_expects_errors_where_nobody_has_one() -> None:
    s = crowd()
    (found,) = by_group(s, groupings(s, ["sex"]), extraction(s), LeastSpec(), FEW)
    assert [one.told.expected for one in found.rates.groups] == [0.0, 0.0]
    assert (found.rates.overall.count, found.rates.overall.below) == (0, 3 / 160)


def test_replicates_of_all_kinds_are_of_the_same_people() -> None:
    s = crowd()
    every = groupings(s, ["sex"])
    (alarms,), (again,) = (by_group(s, every, false_positives(s, 0.3), ANY, FEW) for _ in range(2))
    assert np.array_equal(alarms.replicates, again.replicates)
    (hit,) = by_group(s, every, missed(s, -math.inf), ANY, FEW)
    (both,) = by_group(s, every, missed(s, 2.0), ANY, FEW)
    assert (hit.replicates == 0).all()
    assert (both.replicates == 1).all()
