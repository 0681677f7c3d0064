"""A deterministic scheduler: simulated processes that run one at a time, and whose requests fare as a seed decides.

A process is a greenlet. Before each request it makes it may give way to the others; whether it does, which one is next,
and whether the request is answered, refused, lost, late, or the last thing its process lives to see, follows from the
seed alone.
"""

import heapq
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import inf
from typing import TypeVar

from greenlet import getcurrent

from simulation.faults import Faults, Late
from simulation.processes import Actor, Crash, running

ValueT = TypeVar("ValueT")

DAWN = datetime(2026, 1, 1, tzinfo=UTC)
HOUR_S = 3600.0
AWAKE = ("put-if-absent snapshots/", "delete ")
"""Requests that a process makes as soon as it has seen that its lease lasts. A lease cannot help one that falls asleep
in between.
"""
LONGEST_DELAY = 40
LONGEST_DELAY_S = 300.0
"""Steps and seconds that a late request is under way, at most."""


class UnansweredError(Exception):
    """A request whose reply did not come; it may have been carried out, or still be."""


@lru_cache(maxsize=4096)
def _instant(seconds: float) -> datetime:
    """Time of day on `Scheduler.seconds`. The days of all schedules are the same ones."""
    return DAWN + timedelta(seconds=seconds)


def never() -> bool:
    """What somebody waits for who only lets time pass."""
    return False


Event = tuple[int, str, str, str, str]
"""Step, process, what it asks for, of what, and how that fares."""


class Scheduler:
    """Who is next, the clock, and the fate of requests."""

    def __init__(self, seed: int, stay: float, faults: Faults) -> None:
        self.hub = getcurrent()
        self.steps = 0
        self._until = 0.0
        """Step at which the hub is asked again, whoever gives way."""
        self.trace: list[Event] = []
        self._random = random.Random(f"schedule {seed}")
        self._draw = self._random.random
        self._stay = stay
        """Chance that a process makes its next request before any other is asked."""
        self.faults = faults
        self._skipped = 0.0
        """Seconds in which nobody made a step."""
        self._actors: list[Actor] = []
        self._spawned = 0
        self.ended = 0
        """Processes that have ended or were killed."""
        self._waiting = 0
        """Processes that wait for something."""
        self._late: list[Late] = []

    @property
    def faults(self) -> Faults:
        """What goes wrong from now on."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._share = faults.share
        self._stall_below = self._share + faults.hang + faults.sleep
        self._stay_below = self._stall_below + self._stay * (1 - self._stall_below)

    @property
    def seconds(self) -> float:
        """The one clock of all processes: a second per step, and what was skipped."""
        return self._skipped + self.steps

    def clock(self) -> datetime:
        """`seconds` as a time of day."""
        return _instant(self._skipped + self.steps)

    @property
    def now(self) -> datetime:
        """The same."""
        return self.clock()

    @property
    def alive(self) -> tuple[Actor, ...]:
        """Processes that have not ended."""
        return tuple(self._actors)

    def skip(self, time: timedelta) -> None:
        """Nothing happens for `time`, except that late requests arrive."""
        self._pass(time.total_seconds())

    def _pass(self, seconds: float) -> None:
        if self._late:
            latest = self.seconds + seconds - LONGEST_DELAY_S
            for late in sorted(self._late):
                if late.made < latest:
                    self._late.remove(late)
                    self._arrive(late)
            heapq.heapify(self._late)
        self._skipped += seconds

    def spawn(self, name: str, body: Callable[[], None]) -> Actor:
        """A new process; one in four is ten times slower than others."""
        actor = Actor(self, name, body, 1.0 if self._draw() < 0.75 else 0.1)
        self._spawned += 1
        actor.number = self._spawned
        self._actors.append(actor)
        return actor

    def step(self) -> bool:
        """Let one process run until it gives way; False when none can."""
        return self.run(self.steps)

    def run(self, until: float = inf) -> bool:
        """Let processes run until one has ended, or one gives way at step `until` or later; False when none can."""
        self._until = until
        chosen = self._next()
        if chosen is None:
            return False
        self.steps += 1
        chosen.go_on()
        for actor in [actor for actor in self._actors if actor.dead]:
            self.ended += 1
            self._actors.remove(actor)
            if actor.crashed:
                self._end_together(actor)
        return True

    def stop(self) -> None:
        """Ask the hub as soon as somebody gives way."""
        self._until = 0.0

    def _next(self) -> Actor | None:
        """Who makes the next step; None when nobody can."""
        while self._late and self._late[0].due <= self.steps:
            self._arrive(heapq.heappop(self._late))
        able = self._actors
        if self._waiting:
            now = self._skipped + self.steps
            able = [actor for actor in able if actor.due <= now or (actor.ready is not None and actor.ready())]
            able = able or self._next_due()
        if not able:
            return None
        return self._choose(able) if len(able) > 1 else able[0]

    def _give_way(self, actor: Actor) -> None:
        """Called by the process `actor`: let others make steps, until it is the next one."""
        chosen = self._next() if self.steps < self._until else None
        if chosen is None:
            self.hub.switch()
            return
        self.steps += 1
        if chosen is not actor:
            chosen.go_on()

    def _next_due(self) -> list[Actor]:
        """Let the time pass that all wait for."""
        due = min([actor.due for actor in self._actors], default=inf)
        if due == inf:
            return []
        self._pass(due - self.seconds)
        return [actor for actor in self._actors if actor.due <= self.seconds]

    def _end_together(self, crashed: Actor) -> None:
        """A process and its threads are one."""
        for actor in self.alive:
            if actor in crashed.threads or crashed in actor.threads:
                self.kill(actor)

    def _choose(self, able: list[Actor]) -> Actor:
        """In proportion to their pace."""
        paces = 0.0
        for actor in able:
            paces += actor.pace
        drawn = self._draw() * paces
        for actor in able:
            drawn -= actor.pace
            if drawn < 0:
                return actor
        return able[-1]

    def kill(self, actor: Actor) -> None:
        """End a process where it stands."""
        if actor in self._actors:
            self.trace.append((self.steps, actor.name, "-", "", "killed"))
            self.ended += 1
            self._actors.remove(actor)
            actor.kill()
            self._end_together(actor)

    def close(self) -> None:
        """End all processes, so that none is left to the garbage collector, in the middle of another schedule."""
        while self._actors:
            self.kill(self._actors[-1])

    def wait(self, ready: Callable[[], bool], seconds: float | None = None) -> None:
        """Called by a process: give way until `ready()` or for some seconds, and at least once."""
        actor = running()
        if actor is None:
            raise RuntimeError("Scheduler.wait was called outside a process of the simulation")
        if actor.crashed:
            raise Crash
        actor.ready = None if ready is never else ready
        actor.due = inf if seconds is None else self.seconds + seconds
        self._waiting += 1
        try:
            self._give_way(actor)
        finally:
            self._waiting -= 1
        actor.ready, actor.due = None, -inf

    def request(self, actor: Actor, asked: str, of: str, effect: Callable[[], ValueT]) -> ValueT:
        """Called by the process `actor`: one request, perhaps after giving way. UnansweredError when no reply comes.

        `asked` and `of` say what it is; `effect` is what the other side does. It raises nothing: a refusal is a reply.
        """
        if actor.crashed:
            raise Crash
        drawn = self._draw()
        if self._stall_below <= drawn < self._stay_below and not self._late:
            self.steps += 1
            self.trace.append((self.steps, actor.name, asked, of, "done"))
            return effect()
        if not self._share <= drawn < self._stall_below or not self._stall(actor, asked, of, drawn - self._share):
            self._give_way(actor)
        fate = "done" if drawn >= self._share else self._faults.fate(drawn)
        self.trace.append((self.steps, actor.name, asked, of, fate))
        if fate == "done":
            return effect()
        if fate == "crash before":
            raise self._crash(actor)
        if fate == "refused":
            raise UnansweredError
        if fate == "late":
            due = self.steps + self._random.randint(1, LONGEST_DELAY)
            late = Late(due, len(self.trace), self.seconds, f"{actor.name}: {asked}", of, effect)
            heapq.heappush(self._late, late)
            raise UnansweredError
        reply = effect()
        if fate == "crash after":
            raise self._crash(actor)
        if fate == "lost":
            raise UnansweredError
        return reply

    def _stall(self, actor: Actor, asked: str, of: str, drawn: float) -> bool:
        """Hang or sleep before a request; False for one that is made at once."""
        if drawn < self._faults.hang:
            self.trace.append((self.steps, actor.name, asked, of, "hangs"))
            self.wait(never, self._random.uniform(200, 1500))
        elif not f"{asked} {of}".startswith(AWAKE):
            self.trace.append((self.steps, actor.name, asked, of, "asleep"))
            for thread in actor.threads:
                if thread.due > -inf:
                    thread.due = max(thread.due, self.seconds + HOUR_S)
            self.wait(never, HOUR_S)
        else:
            return False
        return True

    def chance(self, probability: float) -> bool:
        """A draw of the schedule."""
        return self._draw() < probability

    def between(self, low: int, high: int) -> int:
        """A draw of the schedule, both ends included."""
        return self._random.randint(low, high)

    def _arrive(self, late: Late) -> None:
        late.effect()
        self.trace.append((self.steps, "network", late.asked, late.of, "carried out"))

    def _crash(self, actor: Actor) -> Crash:
        actor.crashed = True
        return Crash()
