"""Plays seeds of the commit protocol. A seed of the fast layer is written with an f, as in f104.

`cd tests && python -m simulation.replay SEED [BUG]` prints every request of one schedule, and how it ended.
`cd tests && python -m simulation.replay FIRST-LAST [BUG]` plays many and prints what was broken, and seeds per second.
"""

import sys
import time
from typing import Any

from simulation.bugs import PROTOCOL
from simulation.bugs_reindex import REINDEX
from simulation.fast import evening
from simulation.theatre import Theatre, sound
from simulation.whole import nights
from simulation.world import BreachError


def replay(theatre: Theatre[Any], seed: int) -> bool:
    """Whether one schedule, printed request by request, kept all rules."""
    world = theatre.world(seed)
    print(world.shape)
    breach = None
    try:
        theatre.carry_out(world)
    except BreachError as error:
        breach = error
    for step, process, request, fate in world.scheduler.trace:
        print(f"{step:5} {process:32} {request:88} {fate}")
    print(breach or f"seed {theatre.mark}{seed}: no rule was broken in {world.scheduler.steps} steps")
    return breach is None


def sweep(theatre: Theatre[Any], first: int, last: int) -> bool:
    """Whether all schedules of these seeds kept all rules."""
    breaches, began = 0, time.perf_counter()
    for seed in range(first, last + 1):
        try:
            theatre.play(seed)
        except BreachError as error:
            breaches += 1
            print(error)
    seeds = last + 1 - first
    print(f"{breaches} of {seeds} schedules broke a rule; {seeds / (time.perf_counter() - began):.0f} seeds a second")
    return not breaches


def main(seeds: str, bug: str = "") -> int:
    """Exit code: 1 when a rule was broken."""
    planted = {plant.__name__: plant for plant in (*PROTOCOL, *REINDEX)}
    if bug and bug not in planted:
        print(f"there is no bug {bug!r}; there are: {', '.join(planted)}")
        return 2
    layer = evening if seeds.startswith("f") else nights
    first, _, last = seeds.removeprefix("f").partition("-")
    with layer.playing(planted.get(bug, sound)) as theatre:
        kept = sweep(theatre, int(first), int(last)) if last else replay(theatre, int(first))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
