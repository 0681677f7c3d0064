"""The contract of an executor: a task over items, a bounded number in flight, retries by error class.

`tests/contracts/executor.py` runs the same tests on every implementation.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from pydantic import Field

from facebatch.spec import Spec

ItemT = TypeVar("ItemT")
ValueT = TypeVar("ValueT")
ItemC = TypeVar("ItemC", contravariant=True)
ValueC = TypeVar("ValueC", covariant=True)


@dataclass(frozen=True, slots=True)
class Resources:
    """What one worker needs while it runs one item."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int = 0
    """Bytes, an upper estimate from a pure function; 0 = not declared."""


class Task(Protocol[ItemC, ValueC]):
    """What to do, as plain picklable settings. `setup` runs once in each worker and may load models."""

    @property
    def resources(self) -> Resources:
        """What one worker of this task needs."""
        ...

    def setup(self) -> Callable[[ItemC], ValueC]:
        """Build the live worker. Calling it twice with one item must do no harm (retries, duplicates)."""
        ...


@dataclass(frozen=True, slots=True)
class Done(Generic[ItemT, ValueT]):
    """An item that was worked on successfully."""

    index: int
    """Position of the item in the input, 0-based."""
    item: ItemT
    value: ValueT
    attempts: int
    seconds: float
    """Wall time of the successful attempt."""


@dataclass(frozen=True, slots=True)
class Failed(Generic[ItemT]):
    """An item given up: StopError at once, RetryableError and lost workers after the attempts allowed."""

    index: int
    item: ItemT
    error: Exception
    """The last error; a FacebatchError, or whatever a fault in the code raised."""
    attempts: int


class RunSpec(Spec):
    """How work is spread and retried. None of it changes a result."""

    workers: int = Field(default=0, ge=0)
    """Worker processes; 0 = as many as fit on the machine or cluster, one per CPU for a task of one CPU."""
    in_flight_per_worker: int = Field(default=2, ge=1)
    """Items handed to a worker at a time, so that it never waits for the driver."""
    attempts: int = Field(default=3, ge=1)
    """Tries per item after RetryableError, and after the loss of the worker that ran it."""
    deadline_s: float = Field(default=3600.0, gt=0)
    """Seconds one attempt may take before its worker is killed and the attempt counts as lost."""
    backoff_s: float = Field(default=1.0, ge=0)
    """First pause before a retry; doubles, with full jitter."""
    start_s: float = Field(default=300.0, gt=0)
    """Seconds until the cluster must have placed a first worker; a cluster that grows on demand needs minutes."""
    address: str = "local"
    """Ray: "local" starts one in this process; "auto" joins the cluster of a submitted job; or host:port."""
    executor: Literal["ray", "local"] = "ray"
    """"ray" or "local" (threads in this process; no deadline can be enforced there)."""


class Executor(Protocol):
    """Runs tasks. A context manager: leaving it stops what is in flight and frees the workers."""

    @property
    def workers(self) -> int:
        """How many items of a one-CPU task run at once."""
        ...

    def run(self, task: Task[ItemT, ValueT], items: Iterable[ItemT]) -> Iterator[Done[ItemT, ValueT] | Failed[ItemT]]:
        """One result per item, in order of completion; items are pulled only as the window has room.

        ForbiddenError from any worker is raised at once and stops the run, and so is any error of `Task.setup`
        (after the retries of a RetryableError), because it concerns every item.
        """
        ...

    def __enter__(self) -> "Executor": ...

    def __exit__(self, *exc: object) -> None: ...
