"""Python's collector of cycles, held off while many objects are made that form none."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Pauses:
    """How many blocks are being run that want the collector off; the last one to end puts it back as it was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._was_on = False

    def begin(self) -> None:
        with self._lock:
            if self._running == 0:
                self._was_on = gc.isenabled()
                gc.disable()
            self._running += 1

    def end(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0 and self._was_on:
                gc.enable()


_PAUSES = _Pauses()


@contextmanager
def paused() -> Iterator[None]:
    """No collection while the block runs, in any thread; blocks may overlap. What is not in a cycle is freed as ever.

    The collector goes through all objects that there are each time their number has grown by a quarter: of the 3 s that
    a snapshot of 1e5 shards takes to read, 2 s (`make bench-gallery`).
    """
    _PAUSES.begin()
    try:
        yield
    finally:
        _PAUSES.end()
