"""Small worlds with group labels, some missing, one for hypothesis and one of many people."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from evaluate.small import searched, worlds
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.sufficiency import LeastSpec
from labelled import World

ANY = LeastSpec(people=1, errors=0)
"""Tells every group that has a trial."""
FEW = ResampleSpec(replicates=100)
SEX, TONE = ("f", "m"), ("dark", "light")

_LABELS = st.fixed_dictionaries({}, optional={"sex": st.sampled_from(SEX), "tone": st.sampled_from(TONE)})


@st.composite
def grouped_worlds(draw: st.DrawFn) -> World:
    """Both variables occur, on one side at least."""
    world = draw(worlds().filter(lambda one: one.scores))
    probes, subjects = len(world.scores), world.subjects
    groups, gallery = (draw(st.lists(_LABELS, min_size=n, max_size=n)) for n in (probes, subjects))
    gallery[0] = {"sex": "f", "tone": "dark"}
    persons = draw(st.lists(st.sampled_from(["x", "y", None]), min_size=probes, max_size=probes))
    return replace(world, groups=groups, gallery_groups=gallery, persons=persons)


def crowd(people: int = 80, subjects: int = 70, seed: int = 0, length: int | None = None) -> Searches:
    """Two probes a person, half the people in the gallery; men are more alike than women, dark and light ones are not.

    All are labelled, and lists leave nothing out unless `length` cuts them.
    """
    drawn = np.random.default_rng(seed)
    codes, others = (drawn.integers(0, 2, (n, 2)) for n in (people, subjects))
    mates = [person if person < people // 2 else None for person in range(people)]
    others[: people // 2] = codes[: people // 2]
    scores = drawn.normal(0, 0.2, (2 * people, subjects))
    rows = np.repeat(codes, 2, axis=0)
    scores += 0.1 * ((rows[:, None, 0] == 1) & (others[None, :, 0] == 1))
    for person in range(people // 2):
        scores[2 * person : 2 * person + 2, person] += 0.6
    labels, gallery = ([{"sex": SEX[s], "tone": TONE[t]} for s, t in side.tolist()] for side in (rows, others))
    return searched(
        World(
            scores=scores.astype(np.float32).astype(float).tolist(),
            mates=[mate for mate in mates for _ in range(2)],
            length=length or subjects,
            persons=[f"q{person}" for person in range(people) for _ in range(2)],
            groups=labels,
            gallery_groups=gallery,
        )
    )
