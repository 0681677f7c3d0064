import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from contracts.executor import ONE_CPU, ExecutorContract, Square
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


class TestLocalExecutor(ExecutorContract):
    kind = "local"

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
