"""The definitions once more, in plain Python over every similarity of small worlds."""

import math
from fractions import Fraction

import numpy as np

from labelled import World


def similarity(value: float) -> float:
    """As it is stored."""
    return float(np.float32(value))


def is_mated(world: World, probe: int) -> bool:
    return world.mates[probe] is not None


def is_hit(world: World, probe: int, rank: int, threshold: float) -> bool:
    """The mate is listed among the first `rank`, after equal listed non-mates, at or above `threshold`."""
    row = world.ranked(probe)
    mate = next((s for s, g in row if g == world.mates[probe]), None)
    if mate is None:
        return False
    rivals = [s for s, g in row if g != world.mates[probe] and s >= mate]
    return len(rivals) < rank and similarity(mate) >= similarity(threshold)


def is_out(world: World, probe: int, failures: str) -> bool:
    """Left out because something failed."""
    mate = world.mates[probe]
    lost = mate is not None and (mate in world.lost or mate >= world.subjects)
    return failures == "excluded" and (probe in world.failed or lost)


def fnir(world: World, rank: int, threshold: float, failures: str = "counted") -> tuple[int, int]:
    made = [p for p in range(len(world.scores)) if is_mated(world, p) and not is_out(world, p, failures)]
    return sum(not is_hit(world, p, rank, threshold) for p in made), len(made)


def false_candidates(world: World, probe: int, threshold: float) -> int:
    """Listed in a non-mated search at or above `threshold`."""
    if probe in world.failed:
        return 0
    least = max(similarity(threshold), -math.inf if world.floor is None else world.floor)
    found = [g for g, s in enumerate(world.scores[probe]) if g not in world.lost and similarity(s) >= least]
    return min(len(found), world.length)


def strangers(world: World, failures: str = "counted") -> list[int]:
    return [p for p in range(len(world.scores)) if not is_mated(world, p) and not is_out(world, p, failures)]


def fpir(world: World, threshold: float, failures: str = "counted") -> tuple[int, int]:
    made = strangers(world, failures)
    return sum(false_candidates(world, p, threshold) > 0 for p in made), len(made)


def load(world: World, threshold: float) -> int:
    return sum(false_candidates(world, p, threshold) for p in strangers(world))


def smallest_threshold(world: World, target: Fraction) -> float:
    """The smallest float32 T with FPIR(T) <= target, tried one by one: only at floats next to a similarity does FPIR
    change. Below the floor, or where any T will do, the floor or -inf."""
    lowest = -math.inf if world.floor is None else similarity(world.floor)
    values = {np.float32(s) for p in strangers(world) for s in world.scores[p]}
    nexts = {float(np.nextafter(value, np.float32(np.inf))) for value in values}
    tried = sorted({lowest} | {value for value in nexts if value >= lowest})
    made = strangers(world)
    return next(t for t in tried if not made or Fraction(fpir(world, t)[0], len(made)) <= target)


def group(labels: list[dict[str, str]], row: int, variables: tuple[str, ...]) -> str | None:
    """Labels of all variables, crossed; None where one is missing."""
    found = [labels[row].get(name) for name in variables]
    return None if None in found else " x ".join(found)


def probe_group(world: World, probe: int, variables: tuple[str, ...]) -> str | None:
    return group(world.groups, probe, variables)


def subject_group(world: World, subject: int, variables: tuple[str, ...]) -> str | None:
    return group(world.gallery_groups, subject, variables)


def compared(world: World, variables: tuple[str, ...], groups: tuple[str, str]) -> list[tuple[int, int]]:
    """Non-mates of two groups of which both gave a template."""
    return [
        (p, g)
        for p in range(len(world.scores))
        for g in range(world.subjects)
        if p not in world.failed and g not in world.lost and g != world.mates[p]
        if (probe_group(world, p, variables), subject_group(world, g, variables)) == groups
    ]


def may_match(world: World, probe: int, subject: int, threshold: float) -> bool:
    """Not listed, and not known to be below `threshold`."""
    row = world.ranked(probe)
    listed = {g for _, g in row}
    return len(row) >= world.length and row[-1][0] >= similarity(threshold) and subject not in listed


def is_match(world: World, probe: int, subject: int, threshold: float) -> bool:
    """Whether lists show it or not; at a floor that is higher, there."""
    least = max(similarity(threshold), -math.inf if world.floor is None else world.floor)
    return similarity(world.scores[probe][subject]) >= least
