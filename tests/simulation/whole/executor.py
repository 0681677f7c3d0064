"""An executor whose workers are simulated processes. The loop of the run is the real one, `runtime.driver.drive`."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from facebatch.runtime.driver import Ending, Lost, drive
from facebatch.runtime.executor import Done, Failed, RunSpec, Task
from facebatch.runtime.window import Attempt, Window
from facebatch.runtime.worker import Worker
from simulation.processes import Actor, running
from simulation.scheduler import Scheduler

WORKERS = 2


class SimulatedExecutor:
    """Every attempt is a process. Some are declared dead while they live, and go on."""

    workers = WORKERS

    def __init__(self, scheduler: Scheduler, spec: RunSpec) -> None:
        self._scheduler = scheduler
        self._spec = spec

    def run(self, task: Task[Any, Any], items: Iterable[Any]) -> Iterator[Done[Any, Any] | Failed[Any]]:
        """See `Executor.run`."""
        pool = SimulatedPool(self._scheduler, task, self._spec)
        return drive(Window(items, WORKERS), pool, self._spec)

    def __enter__(self) -> "SimulatedExecutor":
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class SimulatedPool:
    """The workers of one run, a `Pool`."""

    def __init__(self, scheduler: Scheduler, task: Task[Any, Any], spec: RunSpec) -> None:
        self._scheduler = scheduler
        self._task = task
        self._spec = spec
        self._driver = running()
        self._flying: dict[Actor, tuple[Attempt[Any], int | None]] = {}
        """Worker: its attempt, and the step at which it is declared dead."""
        self._returned: dict[Actor, Ending[Any]] = {}

    def grow(self, wanted: int) -> None:
        """See `Pool`."""

    def has_room(self) -> bool:
        """See `Pool`."""
        return len(self._flying) < WORKERS

    def has_idle(self) -> bool:
        """See `Pool`."""
        return self.has_room()

    def submit(self, attempt: Attempt[Any]) -> None:
        """See `Pool`."""
        name = self._driver.name if self._driver else "driver"
        actor = self._scheduler.spawn(f"{name} shard {attempt.index} attempt {attempt.number}", self._body(attempt))
        doomed = self._scheduler.chance(self._scheduler.faults.zombies)
        self._flying[actor] = (attempt, self._scheduler.steps + self._scheduler.between(5, 60) if doomed else None)

    def wait(self, seconds: float | None) -> list[tuple[Attempt[Any], Ending[Any]]]:
        """See `Pool`; pauses take no time."""
        if self._flying:
            self._scheduler.wait(lambda: any(map(self._ended, self._flying)))
        ended = [actor for actor in self._flying if self._ended(actor)]
        lost: Ending[Any] = Lost("its process ended unexpectedly")
        return [(self._flying.pop(actor)[0], self._returned.pop(actor, lost)) for actor in ended]

    def close(self) -> None:
        """See `Pool`. A crashed driver closes nothing: its workers go on, or die with its machine."""
        for actor in [actor for actor in self._flying if not actor.dead]:
            self._scheduler.kill(actor)

    def _ended(self, actor: Actor) -> bool:
        given_up = self._flying[actor][1]
        return actor.dead or actor.crashed or (given_up is not None and self._scheduler.steps >= given_up)

    def _body(self, attempt: Attempt[Any]) -> Callable[[], None]:
        def work() -> None:
            worker: Worker[Any, Any] = Worker(self._task, self._spec, lambda seconds: None)
            actor = running()
            ending: Ending[Any] = worker.set_up() or worker.work_on(attempt.item)
            if actor is not None:
                self._returned[actor] = ending

        return work
