"""The local executor: threads of this process. For small runs and tests; no deadline can be enforced here."""

import queue
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any, Generic

from threadpoolctl import threadpool_limits

from facebatch.errors import StopError
from facebatch.runtime.capacity import Capacity, available_cpus, workers_that_fit
from facebatch.runtime.driver import Ending, drive
from facebatch.runtime.executor import Done, Failed, ItemT, Resources, RunSpec, Task, ValueT
from facebatch.runtime.memory import available_memory
from facebatch.runtime.window import Attempt, Window
from facebatch.runtime.worker import Raised, Worker


class LocalExecutor:
    """Runs tasks in threads. Leaving the context waits for the items that are being worked on.

    Inside the context the workers share the CPUs: BLAS and OpenMP, which would start a thread per CPU for each of them,
    get as many threads as there are CPUs for one worker. Some BLAS keep that number for the process, which is why it
    is given back at the end; others, and OpenMP, for each thread.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        self._entered = False
        self._context = ExitStack()
        self._crews: weakref.WeakSet[_Crew[Any, Any]] = weakref.WeakSet()

    @property
    def workers(self) -> int:
        """How many items of a one-CPU task run at once."""
        return self._size(Resources())

    def run(self, task: Task[ItemT, ValueT], items: Iterable[ItemT]) -> Iterator[Done[ItemT, ValueT] | Failed[ItemT]]:
        """See `Executor.run`. A thread, and with it `task.setup()`, starts only when there is an item for it."""
        if not self._entered:
            raise StopError("LocalExecutor.run was called outside its `with` block; enter the executor first")
        size = self._size(task.resources)
        crew = _Crew(task, self._spec, size)
        self._crews.add(crew)
        return drive(Window(items, size * self._spec.in_flight_per_worker), crew, self._spec)

    def __enter__(self) -> "LocalExecutor":
        self._context.enter_context(threadpool_limits(_threads_each(self.workers), user_api="blas"))
        self._entered = True
        return self

    def __exit__(self, *exc: object) -> None:
        self._entered = False
        with self._context:
            for crew in list(self._crews):
                crew.close()
                crew.join()

    def _size(self, resources: Resources) -> int:
        here = Capacity(cpus=available_cpus(), gpus=resources.gpus, memory=available_memory())
        return self._spec.workers or workers_that_fit(here, resources)


class _Crew(Generic[ItemT, ValueT]):
    """The threads of one run, a `Pool`."""

    def __init__(self, task: Task[ItemT, ValueT], spec: RunSpec, size: int) -> None:
        self._task = task
        self._spec = spec
        self._size = size
        self._threads: list[threading.Thread] = []
        self._inbox: queue.SimpleQueue[Attempt[ItemT] | None] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[tuple[Attempt[ItemT] | None, Ending[ValueT]]] = queue.SimpleQueue()
        self._in_flight = 0
        self._closed = threading.Event()

    def grow(self, wanted: int) -> None:
        if self._closed.is_set():
            raise StopError("the executor was left before the run was complete; read all results inside its context")
        while len(self._threads) < min(wanted, self._size):
            thread = threading.Thread(target=self._serve, name=f"worker-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def has_room(self) -> bool:
        return self._in_flight < self._size * self._spec.in_flight_per_worker

    def has_idle(self) -> bool:
        return self._in_flight < self._size

    def submit(self, attempt: Attempt[ItemT]) -> None:
        self._in_flight += 1
        self._inbox.put(attempt)

    def wait(self, seconds: float | None) -> list[tuple[Attempt[ItemT], Ending[ValueT]]]:
        try:
            attempt, ending = self._outbox.get(timeout=seconds)
        except queue.Empty:
            return []
        if attempt is None:
            raise _error_of(ending)
        self._in_flight -= 1
        return [(attempt, ending)]

    def close(self) -> None:
        self._closed.set()
        for _ in self._threads:
            self._inbox.put(None)

    def join(self) -> None:
        """Wait for the threads to end; only after `close`."""
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        attempt: Attempt[ItemT] | None = None
        try:
            threadpool_limits(_threads_each(self._size))
            worker = Worker(self._task, self._spec, self._closed.wait)
            failure = worker.set_up()
            if failure is not None:
                self._outbox.put((None, failure))
                return
            while (attempt := self._inbox.get()) is not None and not self._closed.is_set():
                self._outbox.put((attempt, worker.work_on(attempt.item)))
        except BaseException as error:  # an exit or interrupt inside a thread ends the run, never only the thread
            self._outbox.put((attempt, Raised(error)))


def _threads_each(workers: int) -> int:
    return max(1, available_cpus() // workers)


def _error_of(ending: Ending[ValueT]) -> BaseException:
    return ending.error if isinstance(ending, Raised) else StopError("a worker ended before it was set up")
