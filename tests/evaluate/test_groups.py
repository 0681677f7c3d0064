"""Groups: everyone is in one, crossed groups add up to single ones, and what is missing is counted."""

import pytest
from hypothesis import given, settings

from evaluate import reference
from evaluate.grouped import SEX, TONE, crowd, grouped_worlds
from evaluate.small import EXAMPLES, searched
from facebatch.errors import ConfigError
from facebatch.evaluate.groups import GroupSize, Who, everyone, groupings, who
from facebatch.evaluate.searches import Searches
from labelled import World

COUNTS = ("probes", "mated", "subjects")


def sizes(s: Searches, *variables: str) -> Who:
    (grouping,) = groupings(s, variables) if len(variables) == 1 else groupings(s, ["sex"], [variables])[1:]
    return who(s, grouping)


@settings(EXAMPLES)
@given(grouped_worlds())
def test_groups_are_counted_as_in_plain_python(world: World) -> None:
    s = searched(world)
    for variables in (("sex",), ("tone",), ("sex", "tone")):
        found = sizes(s, *variables)
        for size in (*found.groups, found.missing):
            probes = [p for p in range(len(world.scores)) if reference.probe_group(world, p, variables) == size.group]
            named = [world.mates[p] if world.mates[p] is not None else (world.persons[p] or f"#{p}") for p in probes]
            subjects = [g for g in range(world.subjects) if reference.subject_group(world, g, variables) == size.group]
            mated = sum(reference.is_mated(world, p) for p in probes)
            assert size == GroupSize(size.group, len(set(named)), len(probes), mated, len(subjects))


def test_crossed_groups_add_up_to_single_ones() -> None:
    s = crowd()
    crossed = {size.group: size for size in sizes(s, "sex", "tone").groups}
    assert list(crossed) == [f"{sex} x {tone}" for sex in SEX for tone in TONE]
    for size in sizes(s, "sex").groups:
        for count in (*COUNTS, "people"):
            parts = [getattr(crossed[f"{size.group} x {tone}"], count) for tone in TONE]
            assert sum(parts) == getattr(size, count)
    (everybody,) = who(s, everyone(s)).groups
    assert sum(size.probes for size in sizes(s, "tone").groups) == everybody.probes == 160


def test_labels_that_contradict_each_other_are_counted() -> None:
    world = World(
        scores=[[0.5, 0.1]] * 4,
        mates=[0, 0, 1, None],
        length=2,
        groups=[{"sex": "f"}, {"sex": "m"}, {}, {"sex": "m"}],
        gallery_groups=[{"sex": "m"}, {"sex": "f"}],
    )
    found = sizes(searched(world), "sex")
    assert (found.contradicted, found.mixed) == (1, 1)
    assert (found.missing.probes, found.missing_probes, found.missing_subjects) == (1, 0.25, 0.0)
    assert [size.people for size in found.groups] == [1, 2], "one person is in both"


def test_labels_of_one_side_alone_leave_the_other_unlabelled() -> None:
    world = World([[0.5, 0.1]], [0], 2, groups=[{"sex": "f"}], gallery_groups=[{"tone": "dark"}] * 2)
    s = searched(world)
    assert [grouping.name for grouping in groupings(s)] == ["sex", "tone"]
    assert sizes(s, "sex").missing == GroupSize(None, 0, 0, 0, 2)
    assert sizes(s, "tone").missing_probes == 1.0


@pytest.mark.parametrize(
    ("variables", "intersections", "words"),
    [
        (["hair"], [], "'hair': no probe or subject has it; known: sex, tone"),
        (["sex"], [["sex", "hair"]], "'hair'"),
        (["sex"], [["sex", "sex"]], "'sex x sex': name two or more different variables"),
        (["sex"], [["sex"]], "name two or more"),
    ],
)
def test_groupings_that_cannot_be_made_are_refused(variables, intersections, words) -> None:
    with pytest.raises(ConfigError, match=words):
        groupings(crowd(4, 4), variables, intersections)


def test_a_label_for_everyone_is_no_group() -> None:
    labels = [{"name": f"n{row}"} for row in range(129)]
    world = World([[0.1]] * 129, [None] * 129, 1, groups=labels)
    with pytest.raises(ConfigError, match="name: has 129 groups, at most 128"):
        groupings(searched(world))
