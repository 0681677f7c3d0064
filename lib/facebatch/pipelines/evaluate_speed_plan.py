"""Which parts of a gallery searches are timed on, and how often, within the seconds there are. Pure arithmetic."""

from collections.abc import Sequence

PROBES = 60
"""Searched together: a multiple of `match.planning.GROUP`, and the same at every size."""
LEAST_ROUNDS = 3
MOST_ROUNDS = 15
OPENING = 0.5
"""Share of the time that segments may take to be opened, which checks their digests."""
OPENED_PER_SECOND = 1e9
"""Bytes, until one was opened: with two cores and files in memory it is about as many."""


def templates_at(size: int, subjects: int, templates: int) -> int:
    """Templates of so many of a gallery's subjects, on average; at least 1. 1 <= size <= subjects."""
    return max(1, round(templates * size / subjects))


def split(templates: int, live: Sequence[int]) -> tuple[int, ...] | None:
    """Live rows to take of each segment, from the first on, until there are `templates`; None where there are fewer."""
    taken: list[int] = []
    for rows in live:
        left = templates - sum(taken)
        if left <= 0:
            break
        taken.append(min(rows, left))
    return tuple(taken) if sum(taken) == templates else None


def may_open(size: int, opened: int, spent: float, seconds: float) -> bool:
    """Whether the next segment, of `size` bytes, is likely to be open within OPENING of `seconds`.

    `opened` bytes took `spent` seconds so far.
    """
    speed = opened / spent if opened and spent > 0 else OPENED_PER_SECOND
    return spent + size / speed <= OPENING * seconds


def may_time(first: Sequence[float], growth: float, left: float) -> bool:
    """Whether LEAST_ROUNDS of all sizes fit into `left` seconds with one more size, `growth` times the last one.

    `first` are the seconds of the first run of each size so far. The size's own first run is counted too.
    """
    expected = first[-1] * growth if first else 0.0
    return (1 + LEAST_ROUNDS) * expected + LEAST_ROUNDS * sum(first) <= left


def rounds(first: Sequence[float], left: float) -> int:
    """How often each size is run, by the seconds of the first run of each."""
    return min(MOST_ROUNDS, max(LEAST_ROUNDS, int(left / max(sum(first), 1e-9))))
