"""Plays seeds of the commit protocol. A seed of the fast layer is written with an f, as in f104.

`cd tests && python -m simulation.replay SEED [BUG]` prints every request of one schedule, and how it ended.
`cd tests && python -m simulation.replay FIRST-LAST [BUG]` plays many on all cores that it may use, and prints what was
broken, in the order of the seeds, and seeds per second.
"""

import sys
from typing import Any

from simulation.sweep import LAYERS, PLANTS, sweep
from simulation.theatre import Theatre
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
    for step, process, asked, of, fate in world.scheduler.trace:
        request = f"{asked} {of}"
        print(f"{step:5} {process:32} {request:88} {fate}")
    print(breach or f"seed {theatre.mark}{seed}: no rule was broken in {world.scheduler.steps} steps")
    return breach is None


def main(seeds: str, bug: str = "") -> int:
    """Exit code: 1 when a rule was broken."""
    if bug not in PLANTS:
        print(f"there is no bug {bug!r}; there are: {', '.join(name for name in PLANTS if name)}")
        return 2
    layer = "fast" if seeds.startswith("f") else "whole"
    first, _, last = seeds.removeprefix("f").partition("-")
    if last:
        return 0 if sweep(layer, bug, range(int(first), int(last) + 1)) else 1
    with LAYERS[layer](PLANTS[bug]) as theatre:
        return 0 if replay(theatre, int(first)) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
