"""The Ray executor: one actor per worker, on this machine or a cluster. The only file that imports ray.

Ray places and kills; the driver owns window, retries and deadlines (`driver`), so Ray neither restarts an actor nor
repeats a call. Open it with `open_executor`, which prepares the environment before Ray is imported.
"""

import logging
import math
import re
import sys
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeAlias

import ray
from ray import exceptions

from facebatch.errors import StopError, WorkerLostError
from facebatch.runtime.capacity import Capacity, available_cpus, cannot_place, workers_that_fit
from facebatch.runtime.driver import Ending, Interrupted, Lost, drive
from facebatch.runtime.executor import Done, Failed, ItemT, Resources, RunSpec, Task, ValueT
from facebatch.runtime.ray_environment import require_answer
from facebatch.runtime.window import Attempt, Window
from facebatch.runtime.worker import Raised, Worker

_OBJECT_STORE_BYTES = 200 * 2**20
"""Small: only descriptors travel between driver and workers."""

_WATCH_S = 5.0
"""How often to look whether Ray itself is alive: when its own processes are killed, a wait for a worker never ends."""

_LOOPBACK = "127.0.1.1"
"""Ray replaces 127.0.0.1 by the address of the network card; this one it keeps (Linux only)."""

_Endings: TypeAlias = list[tuple[Attempt[ItemT], Ending[ValueT]]]

_EXIT_DETAIL = re.compile(r"Worker exit type: (\w+) Worker exit detail: (.+?)(?:\. |\.?$)", re.MULTILINE)


class RayExecutor:
    """Runs tasks on Ray. Starts and stops a Ray of its own unless this process is connected to one already."""

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        self._entered = False
        self._connected_here = False
        self._crews: weakref.WeakSet[_Crew[Any, Any]] = weakref.WeakSet()

    @property
    def workers(self) -> int:
        """How many items of a one-CPU task run at once."""
        here = _cluster_capacity() if self._entered else Capacity(cpus=available_cpus())
        return self._spec.workers or workers_that_fit(here, Resources())

    def run(self, task: Task[ItemT, ValueT], items: Iterable[ItemT]) -> Iterator[Done[ItemT, ValueT] | Failed[ItemT]]:
        """See `Executor.run`. An actor, and with it `task.setup()`, starts only when there is an item for it.

        Raises StopError when no worker can be placed, WorkerLostError when workers keep dying while they set up.
        """
        if not self._entered:
            raise StopError("RayExecutor.run was called outside its `with` block; enter the executor first")
        capacity = _cluster_capacity()
        size = self._spec.workers or workers_that_fit(capacity, task.resources)
        crew = _Crew(task, self._spec, size, _actor_options(task.resources, capacity, size, self._spec))
        self._crews.add(crew)
        return drive(Window(items, size * self._spec.in_flight_per_worker), crew, self._spec)

    def __enter__(self) -> "RayExecutor":
        if not ray.is_initialized():
            _connect(self._spec.address)
            self._connected_here = True
        self._entered = True
        return self

    def __exit__(self, *exc: object) -> None:
        self._entered = False
        for crew in list(self._crews):
            crew.close()
        if self._connected_here:
            self._connected_here = False
            ray.shutdown()


def _connect(address: str) -> None:
    """Start a Ray on this machine for "local", else join the one at `address`."""
    if address != "local":
        require_answer(address)
    try:
        if address != "local":
            ray.init(address=address, logging_level=logging.WARNING)
            return
        ray.init(
            address="local",
            num_cpus=available_cpus(),
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _node_ip_address=_LOOPBACK if sys.platform == "linux" else None,
        )
    except exceptions.AuthenticationError:
        raise StopError(
            f"Ray at {address} refused the token; set RAY_AUTH_MODE and RAY_AUTH_TOKEN to those of the cluster"
        ) from None
    except Exception as error:  # a late start is a plain one, a folder or memory that it cannot have an OSError
        why = str(error).partition("\n")[0].rstrip(".")
        told = f"Ray does not start or answer at {address}: {why}; try again, or `--run.executor local`"
        raise StopError(told) from None


def _cluster_capacity() -> Capacity:
    total = ray.cluster_resources()
    return Capacity(cpus=total.get("CPU", 0.0), gpus=total.get("GPU", 0.0), memory=int(total.get("memory", 0)))


def _require_machines() -> None:
    """WorkerLostError when no machine of the cluster is left."""
    if not any(node["Alive"] for node in ray.nodes()):
        raise WorkerLostError("no machine of Ray is left, its own processes ended; run the same command again")


def _actor_options(resources: Resources, capacity: Capacity, size: int, spec: RunSpec) -> dict[str, Any]:
    """Options of each actor. On one machine the workers asked for share its CPUs, so that all of them are placed."""
    cpus = resources.cpus
    if spec.address == "local":
        cpus = min(cpus, capacity.cpus / size)
        if resources.gpus > capacity.gpus or resources.memory > capacity.memory:
            raise StopError(cannot_place(resources, capacity))
    options: dict[str, Any] = {"num_cpus": cpus, "num_gpus": resources.gpus, "max_restarts": 0, "max_task_retries": 0}
    return options | ({"memory": resources.memory} if resources.memory else {})


@dataclass(slots=True, eq=False)
class _Member(Generic[ItemT]):
    """One actor and what it was handed; it works through `calls` in order, so only the first can be running."""

    actor: Any
    phase: Literal["placing", "setting up", "ready"]
    call: Any
    """The pending ping or set-up; None once ready."""
    since: float
    """When this phase, or the first of `calls`, began at the latest."""
    calls: deque[tuple[Any, Attempt[ItemT]]] = field(default_factory=deque)

    @property
    def awaited(self) -> Any:
        """The call that ends next; None when there is none."""
        return self.call if self.phase != "ready" else self.calls[0][0] if self.calls else None

    def room(self, most: int) -> bool:
        return self.phase == "ready" and len(self.calls) < most and not any(a.alone for _, a in self.calls)


class _Crew(Generic[ItemT, ValueT]):
    """The actors of one run, a `Pool`."""

    def __init__(self, task: Task[ItemT, ValueT], spec: RunSpec, size: int, options: dict[str, Any]) -> None:
        self._task = task
        self._spec = spec
        self._size = size
        self._actor_class = ray.remote(Worker).options(**options)
        self._members: list[_Member[ItemT]] = []
        self._lost_in_setup = 0
        self._last_loss = 0.0
        self._closed = False

    def grow(self, wanted: int) -> None:
        if self._closed:
            raise StopError("the executor was left before the run was complete; read all results inside its context")
        while len(self._members) < min(wanted, self._size):
            actor = self._actor_class.remote(self._task, self._spec)
            self._members.append(_Member(actor, "placing", actor.ping.remote(), time.monotonic()))

    def has_room(self) -> bool:
        # While a worker is still starting, nothing is queued behind another that it could take itself.
        all_ready = all(member.phase == "ready" for member in self._members)
        depth = self._spec.in_flight_per_worker if all_ready else 1
        return any(member.room(depth) for member in self._members)

    def has_idle(self) -> bool:
        return any(member.room(1) for member in self._members)

    def submit(self, attempt: Attempt[ItemT]) -> None:
        open_members = (member for member in self._members if member.room(self._spec.in_flight_per_worker))
        member = min(open_members, key=lambda member: len(member.calls))
        if not member.calls:
            member.since = time.monotonic()
        member.calls.append((member.actor.work_on.remote(attempt.item), attempt))

    def wait(self, seconds: float | None) -> _Endings[ItemT, ValueT]:
        waiting = {member.awaited: member for member in self._members if member.awaited is not None}
        if not waiting:
            time.sleep(seconds or 0.0)
            return []
        limits = [self._limit_left(member) for member in waiting.values()]
        limits += [] if seconds is None else [seconds]
        shortest = max(0.0, min(_WATCH_S, *limits))
        first, _ = ray.wait(list(waiting), num_returns=1, timeout=shortest)
        if not first:
            _require_machines()
        # All that ended, not only the first: nothing that is complete may be taken for late below.
        ended = set(first).union(ray.wait(list(waiting), num_returns=len(waiting), timeout=0)[0])
        endings: _Endings[ItemT, ValueT] = []
        for call, member in waiting.items():
            if call in ended:
                endings += self._advance(member, call)
            elif self._limit_left(member) <= 0:
                endings += self._late(member)
        return endings

    def close(self) -> None:
        self._closed = True
        for member in self._members:
            ray.kill(member.actor, no_restart=True)
        self._members.clear()

    def _limit_left(self, member: _Member[ItemT]) -> float:
        """Seconds until `member` is late. Waiting to be placed is no fault while another member is at work."""
        if member.phase != "placing":
            return member.since + self._spec.deadline_s - time.monotonic()
        if any(other.phase != "placing" for other in self._members):
            return math.inf
        return max(member.since, self._last_loss) + self._spec.start_s - time.monotonic()

    def _advance(self, member: _Member[ItemT], call: Any) -> _Endings[ItemT, ValueT]:
        """Take the answer of the call that ended and go on to the next phase or attempt."""
        answer = _answer(call)
        if isinstance(answer, Lost):
            return self._remove(member, answer, sure=False)
        member.since = time.monotonic()
        if member.phase == "ready":
            return [(member.calls.popleft()[1], answer)]
        if isinstance(answer, Raised):
            raise answer.error
        if member.phase == "placing":
            member.phase, member.call = "setting up", member.actor.set_up.remote()
        else:
            self._lost_in_setup = 0
            member.phase, member.call = "ready", None
        return []

    def _late(self, member: _Member[ItemT]) -> _Endings[ItemT, ValueT]:
        if member.phase == "placing":
            raise StopError(f"after {self._spec.start_s:g} s {cannot_place(self._task.resources, _cluster_capacity())}")
        late = Lost(f"it was killed after its deadline of {self._spec.deadline_s:g} s")
        return self._remove(member, late, sure=True)

    def _remove(self, member: _Member[ItemT], loss: Lost, *, sure: bool) -> _Endings[ItemT, ValueT]:
        """Give up a dead or late worker.

        A worker can die so soon after one attempt that the answer to it is lost too, so of several attempts it held
        any may be the cause; `sure` says that it was the first. Each of the others is then tried again alone.
        """
        ray.kill(member.actor, no_restart=True)
        self._members.remove(member)
        self._last_loss = time.monotonic()
        if member.phase != "ready":
            self._lost_in_setup += 1
            if self._lost_in_setup >= self._spec.attempts:
                raise WorkerLostError(
                    f"{self._lost_in_setup} workers in a row were lost while they set up the task, "
                    f"the last because {loss.reason}; give workers more memory or time"
                )
        blamed = 0 if sure or len(member.calls) == 1 else None
        endings: _Endings[ItemT, ValueT] = []
        for place, (_, attempt) in enumerate(member.calls):
            endings.append((attempt, loss if place == blamed else Interrupted()))
        return endings[::-1]  # each that is handed back goes to the front of the queue, so the first comes last


def _answer(call: Any) -> Any:
    """The value of an ended call; Raised for an error that Ray met in our code, Lost when the worker is gone."""
    try:
        return ray.get(call)
    except exceptions.RayTaskError as error:
        return Raised(error.cause if isinstance(error.cause, Exception) else RuntimeError(str(error)))
    except exceptions.ActorUnschedulableError as error:
        return Raised(StopError(f"Ray cannot place a worker: {error}"))
    except exceptions.RayError as error:
        if isinstance(error, exceptions.ActorDiedError) and error.actor_init_failed:
            last_line = str(error).rstrip().rpartition("\n")[2]
            return Raised(
                StopError(f"workers cannot load the task ({last_line}); install the same packages everywhere")
            )
        return Lost(_why(error))


def _why(error: exceptions.RayError) -> str:
    if isinstance(error, exceptions.OutOfMemoryError):
        return "Ray killed it to keep its machine from running out of memory"
    if isinstance(error, exceptions.NodeDiedError):
        return "its machine was lost"
    if isinstance(error, exceptions.ActorUnavailableError):
        return "its machine could not be reached"
    found = _EXIT_DETAIL.search(str(error))
    detail = f"{found[1]}, {found[2]}" if found else str(error).rstrip().rpartition("\n")[2]
    return f"its process ended ({detail})"
