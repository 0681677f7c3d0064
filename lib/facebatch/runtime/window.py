"""The items of a run that were pulled from the input and are not finished: which one is tried next.

Three places: ready (waiting for a worker), in flight (handed to a worker), paused (waiting for its retry). The input
is pulled only while ready and in flight together hold less than `capacity`, and at most `capacity` are paused: a pause
takes no place from other items, yet a storm of retries does not pull the whole input into memory.
"""

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Generic

from facebatch.runtime.executor import ItemT


@dataclass(frozen=True, slots=True)
class Attempt(Generic[ItemT]):
    """One try of one item."""

    index: int
    """Position of the item in the input, 0-based."""
    item: ItemT
    number: int = 1
    """1 for the first try."""
    losses: int = 0
    """Earlier tries whose worker was lost."""
    alone: bool = False
    """Was on a worker that was lost. From now on it gets an idle worker and nothing is queued behind it, so that a
    further loss is its own and never that of a neighbour."""


class Window(Generic[ItemT]):
    """Bounded look-ahead over `items`. Times are seconds of one monotonic clock, passed in by the caller."""

    def __init__(self, items: Iterable[ItemT], capacity: int) -> None:
        self._source = enumerate(items)
        self._capacity = capacity
        self._exhausted = False
        self._ready: deque[Attempt[ItemT]] = deque()
        self._in_flight = 0
        self._paused: list[tuple[float, int, Attempt[ItemT]]] = []

    @property
    def unfinished(self) -> int:
        """Items pulled and not finished; at most `capacity`, or twice that during retries."""
        return len(self._ready) + self._in_flight + len(self._paused)

    def fill(self, now: float) -> bool:
        """End the pauses that are over, pull what there is room for; False when the run is complete."""
        due = []
        while self._paused and self._paused[0][0] <= now:
            due.append(heapq.heappop(self._paused)[2])
        self._ready.extendleft(reversed(due))
        while self._may_pull():
            pulled = next(self._source, None)
            if pulled is None:
                self._exhausted = True
            else:
                self._ready.append(Attempt(index=pulled[0], item=pulled[1]))
        return self.unfinished > 0

    def take(self, *, room: bool, idle: bool) -> Attempt[ItemT] | None:
        """The next attempt to hand out, now in flight.

        `room`: some worker can take one more; `idle`: some worker has nothing to do. None when nothing is ready or
        the first in line, which nothing overtakes, does not find the worker it needs.
        """
        if not self._ready or not (idle if self._ready[0].alone else room):
            return None
        self._in_flight += 1
        return self._ready.popleft()

    def finish(self) -> None:
        """One attempt in flight ended for good."""
        self._in_flight -= 1

    def retry(self, attempt: Attempt[ItemT], *, due: float, lost: bool) -> None:
        """An attempt in flight ended and is tried again at `due`; `lost` when it took its worker with it."""
        self._in_flight -= 1
        again = replace(
            attempt,
            number=attempt.number + 1,
            losses=attempt.losses + lost,
            alone=attempt.alone or lost,
        )
        heapq.heappush(self._paused, (due, again.index, again))

    def hand_back(self, attempt: Attempt[ItemT]) -> None:
        """An attempt in flight was interrupted, perhaps by another: it is first in line, alone, and not counted."""
        self._in_flight -= 1
        self._ready.appendleft(replace(attempt, alone=True))

    def pause_left(self, now: float) -> float | None:
        """Seconds until the next pause is over; None when nothing is paused."""
        return max(0.0, self._paused[0][0] - now) if self._paused else None

    def _may_pull(self) -> bool:
        waiting = len(self._ready) + self._in_flight
        return not self._exhausted and waiting < self._capacity and len(self._paused) <= self._capacity
