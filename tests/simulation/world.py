"""What the worlds of both layers share: one gallery with its store, clock and names, all of it decided by a seed."""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from typing import Generic, TypeVar

from simulation.faults import Faults
from simulation.processes import Actor, running
from simulation.rules import Rules
from simulation.scheduler import Scheduler, UnansweredError
from simulation.store import SimulatedStore

ValueT = TypeVar("ValueT")

DAY = timedelta(days=1)
GALLERY = "simulated://gallery"


class World:
    """A gallery in which processes live."""

    def __init__(self, seed: int, stay: float, faults: Faults, page: int, rules: Rules) -> None:
        self.seed = seed
        self.scheduler = Scheduler(seed, stay, faults)
        self.rules = rules
        self.store = SimulatedStore(GALLERY.removeprefix("simulated://"), page, self.scheduler.clock, rules.observe)
        rules.objects = self.store.objects
        rules.told = self._note
        self.listed: dict[tuple[Actor | None, str], int] = {}
        """Revision of a source that a driver saw last."""
        self.issued: dict[Actor | None, set[str]] = {}
        """Names that a process has made since its run began."""
        self._names = 0

    def follow(self, past: "World") -> None:
        """Begin a day after another world ended, with all that it left."""
        self.store.adopt(past.store)
        self.rules.adopt(past.rules)
        self.scheduler.skip(timedelta(seconds=past.scheduler.seconds) + DAY)
        self._names = past._names

    def name(self) -> str:
        """32 hex digits that nobody else has. The last ones tell them apart, and the first ones too."""
        self._names += 1
        made = _digits(self._names)
        self.issued.setdefault(running(), set()).add(made)
        return made

    def ask(self, asked: str, of: str, effect: Callable[[], ValueT]) -> ValueT:
        """A request to something else than the store, repeated until it is answered."""
        actor = running()
        while actor is not None:
            with suppress(UnansweredError):
                return self.scheduler.request(actor, asked, of, effect)
        return effect()

    def revision(self, source: str, revisions: Sequence[object]) -> int:
        """A driver lists a source, all of it as it is then: the number of the revision that it sees."""
        number = self.ask("list the source", source, lambda: len(revisions) - 1)
        self.listed[running(), source] = number
        return number

    def end(self) -> None:
        """Kill who is left. World, store and rules let go of each other, so that their memory is free for the next one
        at once: to look for it, and to use new memory meanwhile, takes a tenth of the time.
        """
        self.scheduler.close()
        self.store.leave()
        self.rules.told = _unheard
        self.listed.clear()
        self.issued.clear()

    def _note(self, breach: str) -> None:
        self.scheduler.trace.append((self.scheduler.steps, "rules", breach, "", "BROKEN"))
        self.scheduler.stop()


def _unheard(breach: str) -> None:
    """Nobody listens."""


WorldT = TypeVar("WorldT", bound=World)


class Stage(Generic[WorldT]):
    """Where one world after the other is played."""

    world: WorldT


class BreachError(AssertionError):
    """A rule was broken; the message says by which seed, at which step, and how to see it again."""


@lru_cache(maxsize=4096)
def _digits(number: int) -> str:
    """A name."""
    return f"{number:012x}{number:020x}"


def seeded(purpose: str, seed: int) -> random.Random:
    """Draws for one purpose, which do not change when another purpose draws more."""
    return random.Random(f"{purpose} {seed}")
