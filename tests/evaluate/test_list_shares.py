"""Composition of candidate lists: as plain Python counts it, beside the shares of gallery and probes."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate import reference
from evaluate.grouped import ANY, FEW, crowd, grouped_worlds
from evaluate.small import EXAMPLES, GRID, searched
from facebatch.evaluate.groups import groupings
from facebatch.evaluate.intervals import Rate
from facebatch.evaluate.list_shares import list_shares
from facebatch.evaluate.sufficiency import LeastSpec, TooFew
from labelled import World


def leads(world: World, threshold: float) -> list[tuple[int, int]]:
    return [
        (p, g)
        for p in range(len(world.scores))
        for s, g in world.ranked(p)
        if reference.similarity(s) >= reference.similarity(threshold)
    ]


@settings(EXAMPLES)
@given(grouped_worlds(), st.sampled_from([*GRID, None]))
def test_lists_are_made_of_whom_plain_python_counts(world: World, threshold: float | None) -> None:
    s = searched(world)
    listed = leads(world, -math.inf if threshold is None else threshold)
    false = [(p, g) for p, g in listed if g != world.mates[p]]
    every = groupings(s, ["sex", "tone"], [["sex", "tone"]])
    for grouping, found in zip(every, list_shares(s, every, threshold, ANY, FEW), strict=True):
        assert (found.threshold, found.false, found.leads) == (threshold, len(false), len(listed))
        names = (*grouping.names, None)
        pairs = [
            (
                reference.probe_group(world, p, grouping.variables),
                reference.subject_group(world, g, grouping.variables),
            )
            for p, g in false
        ]
        shown = [reference.subject_group(world, g, grouping.variables) for _, g in listed]
        for one in found.groups:
            assert one.false == tuple(pairs.count((one.group, name)) for name in names)
            if isinstance(one.same, Rate):
                assert (one.same.count, one.same.n) == (pairs.count((one.group, one.group)), sum(one.false))
            else:
                assert sum(one.false) == 0
            if isinstance(one.leads, Rate):
                assert (one.leads.count, one.leads.n) == (shown.count(one.group), len(listed))


def test_shares_stand_beside_those_of_gallery_and_probes() -> None:
    s = crowd()
    at, all_ = (list_shares(s, groupings(s, ["sex"]), threshold, ANY, FEW)[0] for threshold in (0.3, None))
    women, men = at.groups
    assert women.gallery + men.gallery == women.probes + men.probes == 1
    assert women.leads.count + men.leads.count == at.leads == women.leads.n
    assert men.same.value > men.gallery, "men are shown for men"
    assert men.same.low < men.same.value < men.same.high
    for one in all_.groups:
        assert one.leads.value == pytest.approx(one.gallery), "lists of all show all"
        assert one.same.value == pytest.approx(one.gallery, abs=0.01)


def test_shares_of_small_groups_are_not_told() -> None:
    s = crowd()
    (found,) = list_shares(s, groupings(s, ["sex"]), 0.3, LeastSpec(people=60), FEW)
    for one in found.groups:
        assert one.same == TooFew(one.same.people, sum(one.false), sum(one.false))
        assert one.leads.expected == pytest.approx(found.leads * one.gallery)
