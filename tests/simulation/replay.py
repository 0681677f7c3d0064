"""Plays seeds of the commit protocol.

`cd tests && python -m simulation.replay SEED [BUG]` prints every request of one schedule, and how it ended.
`cd tests && python -m simulation.replay FIRST-LAST [BUG]` plays many and prints what was broken, and seeds per second.
"""

import sys
import time

from simulation.bugs import PLANTED
from simulation.nights import BreachError, Plant, carry_out, play, sound
from simulation.world import World, draw_shape


def replay(seed: int, plant: Plant) -> bool:
    """Whether one schedule, printed request by request, kept all rules."""
    world = World(seed, draw_shape(seed))
    print(world.shape)
    breach = None
    try:
        carry_out(world, plant)
    except BreachError as error:
        breach = error
    for step, process, request, fate in world.scheduler.trace:
        print(f"{step:5} {process:32} {request:88} {fate}")
    print(breach or f"seed {seed}: no rule was broken in {world.scheduler.steps} steps")
    return breach is None


def sweep(first: int, last: int, plant: Plant) -> bool:
    """Whether all schedules of these seeds kept all rules."""
    breaches, began = 0, time.perf_counter()
    for seed in range(first, last + 1):
        try:
            play(seed, plant)
        except BreachError as error:
            breaches += 1
            print(error)
    seeds = last + 1 - first
    print(f"{breaches} of {seeds} schedules broke a rule; {seeds / (time.perf_counter() - began):.0f} seeds a second")
    return not breaches


def main(seeds: str, bug: str = "") -> int:
    """Exit code: 1 when a rule was broken."""
    plant = next((plant for plant in PLANTED if plant.__name__ == bug), sound)
    first, _, last = seeds.partition("-")
    kept = sweep(int(first), int(last), plant) if last else replay(int(first), plant)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
