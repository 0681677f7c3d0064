"""The loop of a run, the same for every executor: hand out, wait, settle. Workers stand behind `Pool`.

| how an attempt ended | what follows |
|---|---|
| returned | Done |
| RetryableError | paused and tried again, Failed after `RunSpec.attempts` |
| its worker was lost | the same; the last error is a WorkerLostError |
| its worker was lost, perhaps by another attempt it held | tried again alone, not counted |
| ForbiddenError | raised, the run ends |
| any other Exception | Failed at once |
| not an Exception (an interrupt, an exit) | raised, the run ends |
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from facebatch.errors import ForbiddenError, RetryableError, WorkerLostError
from facebatch.runtime.backoff import pause
from facebatch.runtime.executor import Done, Failed, ItemT, RunSpec, ValueT
from facebatch.runtime.window import Attempt, Window
from facebatch.runtime.worker import Raised, Returned


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker died, or was killed after the deadline, and this attempt was surely the one it ran."""

    reason: str
    """A clause about the worker, such as "its process ended unexpectedly"."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The worker was lost while it held this attempt and others, and another one may have been the cause."""


Ending: TypeAlias = Returned[ValueT] | Raised | Lost | Interrupted


class Pool(Protocol[ItemT, ValueT]):
    """The workers of one run."""

    def grow(self, wanted: int) -> None:
        """Start workers, and replace lost ones, up to the smaller of `wanted` and the size of the pool."""
        ...

    def has_room(self) -> bool:
        """Whether a worker that is set up can take one more attempt."""
        ...

    def has_idle(self) -> bool:
        """Whether a worker that is set up has nothing to do."""
        ...

    def submit(self, attempt: Attempt[ItemT]) -> None:
        """Hand out; an attempt marked `alone` goes to an idle worker."""
        ...

    def wait(self, seconds: float | None) -> list[tuple[Attempt[ItemT], Ending[ValueT]]]:
        """What ended, perhaps nothing, after at most `seconds` (None: no limit). Raises the error of a set-up."""
        ...

    def close(self) -> None:
        """Stop what is in flight, as far as that is possible, and take no more."""
        ...


def drive(
    window: Window[ItemT], pool: Pool[ItemT, ValueT], spec: RunSpec
) -> Iterator[Done[ItemT, ValueT] | Failed[ItemT]]:
    """Results in order of completion; the pool is closed when the run ends, fails or is abandoned."""
    try:
        while window.fill(time.monotonic()):
            pool.grow(window.unfinished)
            while attempt := window.take(room=pool.has_room(), idle=pool.has_idle()):
                pool.submit(attempt)
            for ended, ending in pool.wait(window.pause_left(time.monotonic())):
                result = _settle(window, ended, ending, spec)
                if result is not None:
                    yield result
    finally:
        pool.close()


def _settle(
    window: Window[ItemT], attempt: Attempt[ItemT], ending: Ending[ValueT], spec: RunSpec
) -> Done[ItemT, ValueT] | Failed[ItemT] | None:
    match ending:
        case Returned(value=value, seconds=seconds):
            window.finish()
            return Done(attempt.index, attempt.item, value, attempt.number, seconds)
        case Interrupted():
            window.hand_back(attempt)
            return None
        case Lost(reason=reason):
            error: BaseException = _given_up(attempt, reason)
        case Raised(error=raised):
            error = raised
    if isinstance(error, ForbiddenError) or not isinstance(error, Exception):
        raise error
    if isinstance(error, RetryableError) and attempt.number < spec.attempts:
        due = time.monotonic() + pause(attempt.number, spec.backoff_s)
        window.retry(attempt, due=due, lost=isinstance(ending, Lost))
        return None
    window.finish()
    return Failed(attempt.index, attempt.item, error, attempt.number)


def _given_up(attempt: Attempt[ItemT], reason: str) -> WorkerLostError:
    return WorkerLostError(
        f"item {attempt.index} lost its worker in {attempt.losses + 1} of {attempt.number} attempts, "
        f"the last time because {reason}; look at this item, or give workers more memory or time"
    )
