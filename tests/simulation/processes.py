"""Simulated processes: code that gives way to other code, goes on where it was, and may end there."""

from collections.abc import Callable
from math import inf
from typing import Protocol, TypeVar

from greenlet import getcurrent, greenlet

ValueT = TypeVar("ValueT")


class Crash(BaseException):
    """The process ends here, without cleaning up: what it asks of the scheduler from now on raises this again."""


class Host(Protocol):
    """What a process sees of its scheduler."""

    @property
    def hub(self) -> greenlet:
        """Goes on when a process has ended."""
        ...

    @property
    def seconds(self) -> float:
        """The one clock of all processes."""
        ...

    def spawn(self, name: str, body: Callable[[], None]) -> "Actor":
        """A new process."""
        ...

    def wait(self, ready: Callable[[], bool], seconds: float | None = None) -> None:
        """Give way until `ready()` or for some seconds."""
        ...

    def request(self, actor: "Actor", asked: str, of: str, effect: Callable[[], ValueT]) -> ValueT:
        """One request."""
        ...


class Actor:
    """One simulated process: runs `body` from its first `go_on` to its end, or to its death."""

    __slots__ = (
        "_body",
        "_stack",
        "born",
        "crashed",
        "dead",
        "due",
        "name",
        "number",
        "pace",
        "ready",
        "scheduler",
        "threads",
    )

    def __init__(self, scheduler: Host, name: str, body: Callable[[], None], pace: float) -> None:
        self._body: Callable[[], None] | None = body
        self._stack: Stack | None = None
        """While it is alive and has begun."""
        self.scheduler = scheduler
        self.name = name
        self.number = 0
        """Of all processes of its scheduler, from 1."""
        self.pace = pace
        """Weight in the choice of who is next."""
        self.born = scheduler.seconds
        self.crashed = False
        self.dead = False
        self.threads: list[Actor] = []
        """They die with it, and it with them."""
        self.ready: Callable[[], bool] | None = None
        """What it waits for, beside the time to pass; None: nothing."""
        self.due = -inf
        """Until when it waits at most, on `Host.seconds`; before all time where it does not wait."""

    def wake(self) -> None:
        """It need not wait any longer."""
        self.due = -inf

    def go_on(self) -> None:
        """Called by another one, or by the hub: from where it gave way, or from its beginning."""
        if self._stack is None:
            self._stack = _IDLE.pop() if _IDLE else Stack()
            self._stack.parent = self.scheduler.hub
            self._stack.actor = self
        self._stack.switch()

    def live(self) -> None:
        """Called on its stack: from its beginning to its end."""
        body, self._body = self._body, None
        try:
            if body is not None:
                body()
        except Crash:
            self.crashed = True
        finally:
            self.dead, self._stack = True, None

    def kill(self) -> None:
        """End it where it stands; whoever calls goes on when that is done."""
        self.crashed = True
        if self._stack is not None:
            self._stack.parent = getcurrent()
            self._stack.throw(Crash)
        self.dead, self._body = True, None


class Stack(greenlet):
    """Where a process runs, and then another one: to make a greenlet takes as long as a dozen requests."""

    actor: Actor | None = None

    def run(self) -> None:
        """One process after the other, and its parent when one has ended."""
        while self.actor is not None:
            self.actor.live()
            self.actor = None
            _IDLE.append(self)
            self.parent.switch()


_IDLE: list[Stack] = []
"""Stacks on which no process runs."""


def running() -> Actor | None:
    """The process that is calling; None outside the simulation."""
    current = getcurrent()
    return current.actor if isinstance(current, Stack) else None
