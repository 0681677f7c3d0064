"""What happens inside one worker, a thread or a Ray actor: build the task once, then item after item.

An error is carried to the driver as a value, with its class and message, and never as the wrapper of a transport.
"""

import copy
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from facebatch import errors
from facebatch.errors import FacebatchError, RetryableError
from facebatch.runtime.backoff import pause
from facebatch.runtime.executor import ItemT, RunSpec, Task, ValueT


@dataclass(frozen=True, slots=True)
class Returned(Generic[ValueT]):
    """An attempt that succeeded."""

    value: ValueT
    seconds: float
    """Wall time inside the worker."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An attempt, or a set-up, that raised."""

    error: BaseException


class Worker(Generic[ItemT, ValueT]):
    """The live side of one task. `sleep` waits the given seconds, or less when the run ends."""

    def __init__(self, task: Task[ItemT, ValueT], spec: RunSpec, sleep: Callable[[float], object] = time.sleep) -> None:
        self._task = task
        self._spec = spec
        self._sleep = sleep
        self._work: Callable[[ItemT], ValueT] | None = None

    def ping(self) -> None:
        """Answer, which proves that the worker was placed and started."""

    def set_up(self) -> Raised | None:
        """Build the live task; a RetryableError is tried again as often as for an item."""
        number = 1
        while True:
            try:
                self._work = self._task.setup()
            except RetryableError as error:
                if number == self._spec.attempts:
                    return Raised(portable(error))
            except Exception as error:
                return Raised(portable(error))
            else:
                return None
            self._sleep(pause(number, self._spec.backoff_s))
            number += 1

    def work_on(self, item: ItemT) -> Returned[ValueT] | Raised:
        """Run one item; every Exception is returned."""
        if self._work is None:
            return Raised(RuntimeError("Worker.set_up must succeed before Worker.work_on"))
        started = time.perf_counter()
        try:
            value = self._work(item)
        except Exception as error:
            return Raised(portable(error))
        return Returned(value, time.perf_counter() - started)


def portable(error: Exception) -> Exception:
    """The same error if it can travel between processes, else one with its message that can.

    An error that cannot be rebuilt from its arguments becomes the nearest class of `facebatch.errors`, so that it is
    still retried, given up or forbidden as it was meant. A fault of the code (any other class) keeps its traceback
    as a note, because tracebacks do not travel.
    """
    if not isinstance(error, FacebatchError):
        error.add_note("".join(traceback.format_exception(error)).rstrip())
    if _can_be_rebuilt(error):
        return error
    nearest = next((kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__), None)
    if nearest is None:
        return FacebatchError(f"{type(error).__name__}: {error}")
    rebuilt: Exception = nearest(str(error))
    return rebuilt


def _can_be_rebuilt(error: Exception) -> bool:
    try:
        twin = copy.deepcopy(error)
    except Exception:
        return False
    return type(twin) is type(error) and str(twin) == str(error)
