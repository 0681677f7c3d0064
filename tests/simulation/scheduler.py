"""A deterministic scheduler: simulated processes that run one at a time, and whose requests fare as a seed decides.

A process is a greenlet. It gives way to the others before each request it makes; which one is next, and whether the
request is answered, refused, lost, late, or the last thing its process lives to see, follows from the seed alone.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from greenlet import getcurrent, greenlet

ValueT = TypeVar("ValueT")

DAWN = datetime(2026, 1, 1, tzinfo=UTC)
HOUR_S = 3600.0
AWAKE = ("put-if-absent snapshots/", "delete ")
"""Requests that a process makes as soon as it has seen that its lease lasts. A lease cannot help one that falls asleep
in between.
"""
LONGEST_DELAY = 40
"""Steps that a late request is under way, at most."""


class Crash(BaseException):
    """The process ends here, without cleaning up: what it asks of the scheduler from now on raises this again."""


class UnansweredError(Exception):
    """A request whose reply did not come; it may have been carried out, or still be."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities per request."""

    crash: float = 0.0
    """Half of them before the request, half after."""
    lost: float = 0.0
    """Carried out, but the reply does not come."""
    refused: float = 0.0
    """503, 409, or a connection that breaks: not carried out."""
    late: float = 0.0
    """Carried out some steps after the client gave it up."""
    hang: float = 0.0
    """Made only after some minutes, in which the other threads of the process go on."""
    sleep: float = 0.0
    """Made only after an hour, in which the whole process does nothing, as when its machine is suspended."""
    zombies: float = 0.0
    """Per attempt of a task: it is declared dead while it lives, and goes on."""


class Actor(greenlet):
    """One simulated process."""

    def __init__(self, scheduler: "Scheduler", name: str, body: Callable[[], None], pace: float) -> None:
        super().__init__(self._live, scheduler.hub)
        self.scheduler = scheduler
        self.name = name
        self.pace = pace
        """Weight in the choice of who is next."""
        self.born = scheduler.now
        self.crashed = False
        self.threads: list[Actor] = []
        """They die with it, and it with them."""
        self.ready: Callable[[], bool] | None = None
        """What it waits for; None: nothing."""
        self.due: float | None = None
        """Until when it waits at most, on `Scheduler.seconds`."""
        self._body = body

    def _live(self) -> None:
        try:
            self._body()
        except Crash:
            self.crashed = True

    def kill(self) -> None:
        """End it where it stands."""
        self.crashed = True
        if self and not self.dead:
            self.throw(Crash)


def running() -> Actor | None:
    """The process that is calling; None outside the simulation."""
    current = getcurrent()
    return current if isinstance(current, Actor) else None


class Scheduler:
    """Who is next, the clock, and the fate of requests."""

    def __init__(self, seed: int, stay: float, faults: Faults) -> None:
        self.hub = getcurrent()
        self.faults = faults
        self.steps = 0
        self.trace: list[tuple[int, str, str, str]] = []
        """(step, process, request, fate)."""
        self._random = random.Random(f"schedule {seed}")
        self._stay = stay
        self._skipped = 0.0
        """Seconds in which nobody made a step."""
        self._actors: list[Actor] = []
        self._last: Actor | None = None
        self._late: list[tuple[int, int, str, Callable[[], object]]] = []

    @property
    def faults(self) -> Faults:
        """What goes wrong from now on."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._share = faults.crash + faults.lost + faults.refused + faults.late
        self._stalls = faults.hang + faults.sleep > 0

    @property
    def seconds(self) -> float:
        """The one clock of all processes: a second per step, and what was skipped."""
        return self._skipped + self.steps

    @property
    def now(self) -> datetime:
        """`seconds` as a time of day."""
        return DAWN + timedelta(seconds=self.seconds)

    @property
    def alive(self) -> tuple[Actor, ...]:
        """Processes that have not ended."""
        return tuple(self._actors)

    def skip(self, time: timedelta) -> None:
        """Nothing happens for `time`, except that late requests arrive."""
        for _, _, label, effect in sorted(self._late, key=lambda item: item[:2]):
            self._arrive(label, effect)
        self._late.clear()
        self._skipped += time.total_seconds()

    def spawn(self, name: str, body: Callable[[], None]) -> Actor:
        """A new process; one in four is ten times slower than others."""
        actor = Actor(self, name, body, self._random.choice((1.0, 1.0, 1.0, 0.1)))
        self._actors.append(actor)
        return actor

    def step(self) -> bool:
        """Let one process run up to its next request; False when none can."""
        while self._late and self._late[0][0] <= self.steps:
            _, _, label, effect = heapq.heappop(self._late)
            self._arrive(label, effect)
        chosen = self._last
        if chosen is None or chosen.dead or chosen.ready is not None or self._random.random() >= self._stay:
            able = self._able() or self._next_due()
            if not able:
                return False
            chosen = self._last = self._choose(able)
        self.steps += 1
        chosen.switch()
        if chosen.dead:
            self._actors.remove(chosen)
            if chosen.crashed:
                self._end_together(chosen)
        return True

    def _able(self) -> list[Actor]:
        now = self.seconds
        return [
            actor
            for actor in self._actors
            if actor.ready is None or (actor.due is not None and actor.due <= now) or actor.ready()
        ]

    def _next_due(self) -> list[Actor]:
        """Let the time pass that all wait for."""
        due = [actor.due for actor in self._actors if actor.due is not None]
        if due:
            self._skipped += min(due) - self.seconds
        return self._able() if due else []

    def _end_together(self, crashed: Actor) -> None:
        """A process and its threads are one."""
        for actor in self.alive:
            if actor in crashed.threads or crashed in actor.threads:
                self.kill(actor)

    def _choose(self, able: list[Actor]) -> Actor:
        """In proportion to their pace."""
        if len(able) == 1:
            return able[0]
        drawn = self._random.random() * sum(actor.pace for actor in able)
        for actor in able:
            drawn -= actor.pace
            if drawn < 0:
                return actor
        return able[-1]

    def kill(self, actor: Actor) -> None:
        """End a process where it stands."""
        if actor in self._actors:
            self.trace.append((self.steps, actor.name, "-", "killed"))
            self._actors.remove(actor)
            actor.kill()
            self._end_together(actor)

    def wait(self, ready: Callable[[], bool], seconds: float | None = None) -> None:
        """Called by a process: give way until `ready()` or for some seconds, and at least once."""
        actor = running()
        if actor is None:
            raise RuntimeError("Scheduler.wait was called outside a process of the simulation")
        if actor.crashed:
            raise Crash
        actor.ready = ready
        actor.due = None if seconds is None else self.seconds + seconds
        self.hub.switch()
        actor.ready = actor.due = None

    def request(self, actor: Actor, label: str, effect: Callable[[], ValueT]) -> ValueT:
        """Called by the process `actor`: one request, after giving way. UnansweredError when no reply comes.

        `effect` is what the other side does. It raises nothing: a refusal is a reply.
        """
        if actor.crashed:
            raise Crash
        if self._stalls:
            self._delay(actor, label)
        else:
            self.hub.switch()
        fate = self._fate()
        self.trace.append((self.steps, actor.name, label, fate))
        if fate == "crash before":
            raise self._crash(actor)
        if fate == "refused":
            raise UnansweredError
        if fate == "late":
            due = self.steps + self._random.randint(1, LONGEST_DELAY)
            heapq.heappush(self._late, (due, len(self.trace), f"{actor.name}: {label}", effect))
            raise UnansweredError
        reply = effect()
        if fate == "crash after":
            raise self._crash(actor)
        if fate == "lost":
            raise UnansweredError
        return reply

    def _delay(self, actor: Actor, label: str) -> None:
        drawn = self._random.random()
        if drawn < self.faults.hang:
            self.trace.append((self.steps, actor.name, label, "hangs"))
            self.wait(lambda: False, self._random.uniform(200, 1500))
        elif drawn < self.faults.hang + self.faults.sleep and not label.startswith(AWAKE):
            self.trace.append((self.steps, actor.name, label, "asleep"))
            for thread in actor.threads:
                thread.due = None if thread.due is None else max(thread.due, self.seconds + HOUR_S)
            self.wait(lambda: False, HOUR_S)
        else:
            self.hub.switch()

    def chance(self, probability: float) -> bool:
        """A draw of the schedule."""
        return self._random.random() < probability

    def between(self, low: int, high: int) -> int:
        """A draw of the schedule, both ends included."""
        return self._random.randint(low, high)

    def _arrive(self, label: str, effect: Callable[[], object]) -> None:
        effect()
        self.trace.append((self.steps, "network", label, "carried out"))

    def _crash(self, actor: Actor) -> Crash:
        actor.crashed = True
        return Crash()

    def _fate(self) -> str:
        faults, drawn = self._faults, self._random.random()
        if drawn >= self._share:
            return "done"
        if drawn < faults.crash:
            return "crash before" if drawn < faults.crash / 2 else "crash after"
        if drawn < faults.crash + faults.lost:
            return "lost"
        return "refused" if drawn < faults.crash + faults.lost + faults.refused else "late"
