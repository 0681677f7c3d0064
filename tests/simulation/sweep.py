"""Many seeds, on all cores that this process may use. What is told is in the order of the seeds."""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from facebatch.runtime.capacity import available_cpus
from simulation.bugs import PROTOCOL
from simulation.bugs_reindex import REINDEX
from simulation.fast import evening
from simulation.finding import Playing
from simulation.theatre import Plant, sound
from simulation.whole import nights
from simulation.world import BreachError

LAYERS: dict[str, Playing] = {"fast": evening.playing, "whole": nights.playing}
PLANTS: dict[str, Plant] = {"": sound, **{plant.__name__: plant for plant in (*PROTOCOL, *REINDEX)}}
FEW = 50
"""So many seeds, or fewer, are one portion, since a process takes seconds to start and a theatre a part of one."""
PORTIONS = 8
"""Of the seeds, per process, so that one that is done early finds more to do."""


class Played(NamedTuple):
    """What came of some seeds."""

    breaches: list[str]
    began: float
    ended: float
    """On `time.monotonic`, which is one clock for all processes of a machine."""


def sweep(layer: str, bug: str, seeds: range) -> bool:
    """Whether all schedules of these seeds kept all rules."""
    processes = 1 if len(seeds) <= FEW else available_cpus()
    breaches, began, ended = 0, [], []
    for played in _portions(layer, bug, seeds, processes):
        for breach in played.breaches:
            print(breach)
        breaches += len(played.breaches)
        began.append(played.began)
        ended.append(played.ended)
    rate = len(seeds) / (max(ended) - min(began))
    print(f"{breaches} of {len(seeds)} schedules broke a rule; {rate:.0f} seeds a second, processes: {processes}")
    return not breaches


def play(layer: str, bug: str, seeds: range) -> Played:
    """Play these seeds in this process."""
    breaches = []
    with LAYERS[layer](PLANTS[bug]) as theatre:
        began = time.monotonic()
        for seed in seeds:
            try:
                theatre.play(seed)
            except BreachError as error:
                breaches.append(str(error))
        return Played(breaches, began, time.monotonic())


def _portions(layer: str, bug: str, seeds: range, processes: int) -> Iterator[Played]:
    if processes == 1:
        yield play(layer, bug, seeds)
        return
    size = max(FEW, -(-len(seeds) // (PORTIONS * processes)))
    portions = [seeds[first : first + size] for first in range(0, len(seeds), size)]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(processes, context) as pool:
        yield from pool.map(partial(play, layer, bug), portions)
