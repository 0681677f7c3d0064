"""How a test looks for a planted bug, how many seeds it may take, and that a seed can be played again."""

import os
import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from simulation.theatre import Plant, Theatre, sound
from simulation.world import BreachError

FACTOR = int(os.environ.get("FACEBATCH_SIMULATION", "1"))
"""How many times as many seeds are played as usual."""
Playing = Callable[[Plant], AbstractContextManager[Theatre[Any]]]


def require_found(playing: Playing, plant: Plant, words: str, seeds: Iterable[int]) -> None:
    """The bug breaks a rule, in these words, in one of these schedules, and does so again when replayed."""
    with playing(plant) as theatre:
        seed, found = _first(theatre, seeds)
        name = f"{theatre.mark}{seed}"
        pattern = rf"seed {name}, step \d+: .*({words}).*simulation\.replay {name} {plant.__name__}$"
        assert re.match(pattern, found, re.S), found
        with pytest.raises(BreachError, match=re.escape(found)):
            theatre.play(seed)


def require_repeatable(playing: Playing, seed: int, other: int) -> None:
    """A seed is one schedule, whatever was played before, and another seed is another."""
    with playing(sound) as theatre:
        first = theatre.play(seed).scheduler.trace
        assert theatre.play(other).scheduler.trace != first
    with playing(sound) as theatre:
        assert theatre.play(seed).scheduler.trace == first


def _first(theatre: Theatre[Any], seeds: Iterable[int]) -> tuple[int, str]:
    for seed in seeds:
        try:
            theatre.play(seed)
        except BreachError as breach:
            return seed, str(breach)
    pytest.fail("the planted bug was not found")
