import threading
from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from contracts.executor import ONE_CPU, ExecutorContract, Square
from facebatch.runtime.capacity import available_cpus
from facebatch.runtime.executor import Resources, RunSpec
from facebatch.runtime.local_executor import LocalExecutor


@dataclass(frozen=True, slots=True)
class Exit:
    """Every item asks the process to end."""

    resources: Resources = ONE_CPU

    def setup(self) -> Callable[[int], int]:
        def work(item: int) -> int:
            raise SystemExit(item)

        return work


@dataclass(frozen=True, slots=True)
class ReadThreads:
    """item -> threads of every BLAS and OpenMP that is loaded."""

    resources: Resources = ONE_CPU

    def setup(self) -> Callable[[int], list[int]]:
        return lambda item: threads()


def threads() -> list[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    faiss.omp_get_max_threads()  # brings an OpenMP, and a BLAS upon it
    libraries = threadpool_info()
    assert {library["user_api"] for library in libraries} == {"blas", "openmp"}
    return [int(library["num_threads"]) for library in libraries]


class TestLocalExecutor(ExecutorContract):
    kind = "local"

    @pytest.mark.parametrize(("workers", "each"), [(1, available_cpus()), (2, max(1, available_cpus() // 2)), (64, 1)])
    def test_workers_share_the_cpus_that_blas_and_openmp_would_take_for_each(self, workers, each):
        before = threads()
        with self.start(workers=workers) as executor:
            (result,) = executor.run(ReadThreads(), [0])
        assert set(result.value) == {each}
        assert threads() == before

    def test_the_threads_are_given_back_after_an_error(self):
        before = threads()
        with pytest.raises(SystemExit), self.start(workers=64) as executor:
            list(executor.run(Exit(), [4]))
        assert threads() == before

    def test_its_threads_end_with_the_context(self, tmp_path):
        before = threading.active_count()
        with self.start(workers=3) as executor:
            next(executor.run(Square(str(tmp_path), seconds=0.05), range(9)))
            assert threading.active_count() > before
        assert threading.active_count() == before

    def test_an_exit_in_a_worker_ends_the_run(self):
        with self.start(workers=2) as executor, pytest.raises(SystemExit, match="4"):
            list(executor.run(Exit(), [4]))

    def test_a_task_of_many_cpus_gets_fewer_workers(self, tmp_path):
        with LocalExecutor(RunSpec(executor="local")) as executor:
            list(executor.run(Square(str(tmp_path), seconds=0.02, resources=Resources(cpus=1e6)), range(5)))
        assert len(list(tmp_path.iterdir())) == 1
