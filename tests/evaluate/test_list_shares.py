"""Composition of candidate lists: as plain Python counts it, beside the shares of gallery and probes."""

import math
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate import reference
from evaluate.grouped import ANY, FEW, crowd, grouped_worlds
from evaluate.small import EXAMPLES, GRID, searched
from facebatch.evaluate.differentials import DifferentialSpec, differentials
from facebatch.evaluate.groups import groupings
from facebatch.evaluate.intervals import Rate
from facebatch.evaluate.list_shares import ListShares, list_shares
from facebatch.evaluate.sufficiency import LeastSpec, TooFew
from facebatch.evaluate.unlabelled import without_label
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
        shown = [name for _, g in listed if (name := reference.subject_group(world, g, grouping.variables))]
        gallery = {reference.subject_group(world, g, grouping.variables) for g in range(world.subjects)}
        for one in found.groups:
            assert one.false == tuple(pairs.count((one.group, name)) for name in names)
            assert (one.same is None) == (one.leads is None) == (one.group not in gallery)
            if isinstance(one.same, Rate):
                assert (one.same.count, one.same.n) == (pairs.count((one.group, one.group)), sum(one.false[:-1]))
            else:
                assert one.same is None or sum(one.false[:-1]) == 0
            if isinstance(one.leads, Rate):
                assert (one.leads.count, one.leads.n) == (shown.count(one.group), len(shown))


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


def labelled(gallery: Sequence[str | None]) -> World:
    """Three people of f are searched and each is shown all of the gallery."""
    return World(
        scores=[[0.5, 0.4, 0.3, 0.2]] * 3,
        mates=[None] * 3,
        length=4,
        persons=["x", "y", "z"],
        groups=[{"sex": "f"}] * 3,
        gallery_groups=[{} if label is None else {"sex": label} for label in gallery],
    )


def of_labelled(gallery: Sequence[str | None]) -> ListShares:
    s = searched(labelled(gallery))
    return list_shares(s, groupings(s, ["sex"]), None, ANY, FEW)[0]


def test_candidates_without_a_label_are_of_no_other_group() -> None:
    (women,) = of_labelled([None] * 4).groups
    assert (women.same, women.leads, women.gallery, women.probes) == (None, None, None, 1.0)
    assert women.false == (0, 12)


def test_shares_are_of_those_with_a_label() -> None:
    women, men = of_labelled(["f", "m", "m", None]).groups
    assert (women.same.count, women.same.n, women.same.people) == (3, 9, 3)
    assert (women.leads.count, women.leads.n, women.gallery) == (3, 9, 1 / 3)
    assert (men.leads.count, men.leads.n, men.gallery, men.probes) == (6, 9, 2 / 3, 0.0)


def test_a_group_that_the_gallery_lacks_has_no_share_of_its_candidates() -> None:
    women, men = of_labelled(["m", "m", None, None]).groups
    assert (women.same, women.leads, women.gallery) == (None, None, 0.0)
    assert (men.leads.count, men.leads.n) == (6, 6)


@pytest.mark.parametrize(
    ("gallery", "rows", "said"),
    [
        ([None] * 4, 4, "have no label of sex, that is everybody: nothing is measured"),
        (["f", "m", "m", None], 1, "have no label of sex, of 4: .* of the others alone"),
    ],
)
def test_people_without_a_label_are_a_finding(gallery: list[str | None], rows: int, said: str) -> None:
    (found,) = without_label(differentials(searched(labelled(gallery)), {}, DifferentialSpec(resample=FEW)))
    assert (found.name, found.rows, found.weight) == ("gallery.without_group_label", rows, "note")
    assert re.search(said, found.words)


def test_a_gallery_with_all_labels_has_no_such_finding() -> None:
    assert without_label(differentials(crowd(), {}, DifferentialSpec(resample=FEW))) == ()
