"""The same number of cores for every competitor, whatever its libraries would take by themselves."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

import faiss
from threadpoolctl import ThreadpoolController


def confine(cores: int) -> None:
    """Keep this process, with the threads that its libraries have started, on so many cores.

    Where threads cannot be bound (outside Linux) the limits that each competitor takes must do.
    """
    faiss.omp_set_num_threads(cores)
    tasks = Path("/proc/self/task")
    if not hasattr(os, "sched_setaffinity") or not tasks.is_dir():
        return
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    for task in tasks.iterdir():
        os.sched_setaffinity(int(task.name), allowed)


class Limiter:
    """Threads of the linear algebra below a competitor."""

    def __init__(self, cores: int) -> None:
        """Finds the libraries loaded by now, so competitors are opened first."""
        self._cores = cores
        self._libraries = ThreadpoolController()

    def limit(self, *, single: bool) -> AbstractContextManager[object]:
        """All cores; or one, for those who start a thread per core themselves."""
        return self._libraries.limit(limits=1 if single else self._cores, user_api="blas")
