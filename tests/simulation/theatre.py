"""Where schedules are played, in either layer, with a bug planted or none."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

import pytest

from simulation.world import BreachError, Stage, World

WorldT = TypeVar("WorldT", bound=World)
Plant = Callable[[pytest.MonkeyPatch], None]


def sound(patch: pytest.MonkeyPatch) -> None:
    """No bug is planted."""


class Theatre(ABC, Generic[WorldT]):
    """Plays schedules of one layer."""

    mark = ""
    """Leads a seed, so that `simulation.replay` knows the layer."""

    def __init__(self, stage: Stage[WorldT], plant: Plant) -> None:
        self.stage = stage
        self._plant = plant.__name__ if plant is not sound else ""

    @abstractmethod
    def world(self, seed: int) -> WorldT:
        """Where the schedule of a seed begins."""

    @abstractmethod
    def perform(self, world: WorldT) -> None:
        """The schedule, up to its end or to the first breach."""

    def play(self, seed: int) -> WorldT:
        """The schedule of a seed. BreachError when it breaks a rule."""
        world = self.world(seed)
        self.carry_out(world)
        return world

    def carry_out(self, world: WorldT) -> None:
        """Play in a world that is given, so that it can be looked at after a BreachError."""
        self.stage.world = world
        try:
            self.perform(world)
        finally:
            world.end()
        if world.rules.breach:
            step = next(step for step, process, *_ in world.scheduler.trace if process == "rules")
            again = f"cd tests && python -m simulation.replay {self.mark}{world.seed} {self._plant}".rstrip()
            raise BreachError(
                f"seed {self.mark}{world.seed}, step {step}: {world.rules.breach}; to see it again: {again}"
            )
