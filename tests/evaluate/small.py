"""Worlds small enough for plain Python: the vectors of the definition, and any with ties, failures and empty lists."""

from hypothesis import settings
from hypothesis import strategies as st

from facebatch.evaluate.searches import Searches, collect
from labelled import World, inputs

VECTORS = World(
    [[0.9, 0.2, 0.1], [0.3, 0.4, 0.5], [0.6, 0.6, 0.1], [0.2, 0.7, 0.3], [0.1, 0.2, 0.55]], [0, 1, 1, None, None], 3
)
EXAMPLES = settings(max_examples=60, deadline=None)
"""The first joins of a process take their time."""
GRID = (-0.25, 0.0, 0.25, 0.5, 0.75)
"""Few values, so that ties are common; all are float32 values."""


@st.composite
def worlds(draw: st.DrawFn) -> World:
    subjects, probes = draw(st.integers(1, 5)), draw(st.integers(0, 6))
    row = st.lists(st.sampled_from(GRID), min_size=subjects, max_size=subjects)
    mate = st.none() | st.integers(0, subjects)
    return World(
        scores=[draw(row) for _ in range(probes)],
        mates=[draw(mate) for _ in range(probes)],
        length=draw(st.integers(1, 6)),
        floor=draw(st.sampled_from([None, 0.25])),
        failed=frozenset(draw(st.sets(st.integers(0, max(0, probes - 1)))) if probes else ()),
        lost=frozenset(draw(st.sets(st.integers(0, subjects - 1), max_size=subjects - 1))),
    )


def searched(world: World) -> Searches:
    return collect(inputs(world))
