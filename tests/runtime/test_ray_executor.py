import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from contracts.executor import ONE_CPU, ExecutorContract, Square, attempts_so_far, by_index
from facebatch.errors import StopError, WorkerLostError
from facebatch.runtime.executor import Done, Failed, Resources

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("ray_session")]


@dataclass(frozen=True, slots=True)
class LoseWorker:
    """item -> item; item `bad` ends or stalls its process the first `times` times, in the way of `how`."""

    folder: str
    how: Literal["exit", "kill", "segfault", "stall"]
    bad: int = 3
    times: int = 1000
    resources: Resources = ONE_CPU

    def setup(self) -> Callable[[int], int]:
        def work(item: int) -> int:
            if item == self.bad and attempts_so_far(self.folder) < self.times:
                lose(self.how)
            return item

        return work


@dataclass(frozen=True, slots=True)
class LoseWorkerInSetup:
    resources: Resources = ONE_CPU

    def setup(self) -> Callable[[int], int]:
        os._exit(9)


@dataclass(frozen=True, slots=True)
class ReadThreads:
    """item -> OMP_NUM_THREADS of its worker, and the threads that NumPy's BLAS took from it."""

    resources: Resources = ONE_CPU

    def setup(self) -> Callable[[int], tuple[str | None, set[int]]]:
        def work(item: int) -> tuple[str | None, set[int]]:
            np.ones((2, 2)) @ np.ones((2, 2))
            blas = {int(library["num_threads"]) for library in threadpool_info() if library["user_api"] == "blas"}
            return os.environ.get("OMP_NUM_THREADS"), blas

        return work


class Unloadable:
    """Pickles here and cannot be loaded in a worker, like a task of a package that is installed only here."""

    resources = Resources()

    def __reduce__(self) -> tuple[object, ...]:
        return __import__, ("no_such_package",)

    def setup(self) -> Callable[[int], int]:
        return abs


def lose(how: str) -> None:
    if how == "exit":
        os._exit(9)
    if how == "stall":
        time.sleep(60)
    os.kill(os.getpid(), signal.SIGKILL if how == "kill" else signal.SIGSEGV)


@pytest.fixture(scope="module", autouse=True)
def _tasks_travel_whole(ray_session):
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])


class TestRayExecutor(ExecutorContract):
    kind = "ray"

    @pytest.mark.parametrize("how", ["exit", "kill", "segfault"])
    def test_a_lost_worker_is_replaced_and_its_item_tried_again(self, tmp_path, how):
        with self.start(workers=2, in_flight_per_worker=1) as executor:
            results = by_index(executor.run(LoseWorker(str(tmp_path), how, times=1), range(10)))
        assert sorted(results) == list(range(10))
        assert all(isinstance(result, Done) and result.value == result.item for result in results.values())
        assert {index: result.attempts for index, result in results.items() if result.attempts > 1} == {3: 2}

    def test_an_item_that_kills_every_worker_fails_alone(self, tmp_path, capfd):
        with self.start(workers=2, attempts=3) as executor:
            results = by_index(executor.run(LoseWorker(str(tmp_path), "exit"), range(12)))
        failed = results.pop(3)
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, WorkerLostError)
        assert "item 3 lost its worker in 3 of 3 attempts" in str(failed.error)
        assert "its process ended (" in str(failed.error)
        assert failed.attempts == 3
        assert len(list(tmp_path.iterdir())) in (3, 4)  # once more when its neighbour could have been the cause
        assert all(isinstance(result, Done) and result.attempts == 1 for result in results.values())
        assert capfd.readouterr() == ("", "")

    def test_an_attempt_past_its_deadline_is_killed(self, tmp_path):
        started = time.monotonic()
        with self.start(workers=2, deadline_s=2.0, attempts=1) as executor:
            results = by_index(executor.run(LoseWorker(str(tmp_path), "stall"), range(8)))
        failed = results.pop(3)
        assert isinstance(failed.error, WorkerLostError)
        assert "killed after its deadline of 2 s" in str(failed.error)
        assert sorted(result.value for result in results.values()) == [0, 1, 2, 4, 5, 6, 7]
        assert time.monotonic() - started < 30

    def test_waiting_behind_another_item_does_not_count_toward_the_deadline(self, tmp_path):
        with self.start(workers=1, in_flight_per_worker=4, deadline_s=2.5, attempts=1) as executor:
            results = list(executor.run(Square(str(tmp_path), seconds=1.0), range(4)))
        assert [type(result) for result in results] == [Done] * 4

    def test_a_slow_reader_does_not_make_a_finished_item_late(self, tmp_path):
        with self.start(workers=2, deadline_s=1.5, attempts=1) as executor:
            results = executor.run(Square(str(tmp_path)), range(4))
            first = next(results)
            time.sleep(2.0)
            rest = list(results)
        assert [type(result) for result in [first, *rest]] == [Done] * 4

    def test_workers_that_die_in_setup_end_the_run(self):
        with (
            self.start(workers=1, attempts=2) as executor,
            pytest.raises(WorkerLostError, match="2 workers in a row were lost while they set up"),
        ):
            list(executor.run(LoseWorkerInSetup(), range(4)))

    def test_a_task_that_workers_cannot_load_stops(self):
        with (
            self.start(workers=1) as executor,
            pytest.raises(StopError, match=r"cannot load the task.*no_such_package"),
        ):
            list(executor.run(Unloadable(), range(4)))

    def test_a_task_larger_than_the_machine_stops_at_once(self, tmp_path):
        task = Square(str(tmp_path), resources=Resources(gpus=8, memory=2**30))
        with self.start(workers=1) as executor, pytest.raises(StopError, match=r"8 GPUs and 1\.0 GiB.*and Ray has"):
            executor.run(task, range(4))

    def test_a_task_that_a_cluster_never_places_stops(self, tmp_path):
        task = Square(str(tmp_path), resources=Resources(cpus=1000))
        with (
            self.start(workers=1, address="auto", start_s=1.0) as executor,
            pytest.raises(StopError, match="after 1 s no worker can be placed: each asks for 1000 CPUs"),
        ):
            list(executor.run(task, range(4)))

    def test_more_workers_than_cpus_are_all_placed_on_one_machine(self, tmp_path):
        workers = (os.cpu_count() or 1) + 1
        with self.start(workers=workers, in_flight_per_worker=1) as executor:
            list(executor.run(Square(str(tmp_path), seconds=0.5), range(4 * workers)))
        assert len(list(tmp_path.iterdir())) == workers

    def test_a_worker_uses_the_threads_it_was_assigned(self):
        with self.start(workers=1) as executor:
            assert [result.value for result in executor.run(ReadThreads(), [0])] == [("1", {1})]

    def test_leaves_a_ray_that_it_did_not_start(self, tmp_path):
        with self.start(workers=1):
            pass
        with self.start(workers=1) as executor:
            assert [result.value[0] for result in executor.run(Square(str(tmp_path)), [3])] == [9]


WHOLE_RUN = """
import os, sys
from facebatch.runtime.executor import Resources, RunSpec
from facebatch.runtime.open import open_executor

class DieOnce:
    resources = Resources()
    def setup(self):
        def work(folder):
            try:
                os.mkdir(folder)
            except FileExistsError:
                return "survived"
            os._exit(9)
        return work

for folder in sys.argv[1:]:
    with open_executor(RunSpec(workers=1, backoff_s=0.0)) as executor:
        (result,) = executor.run(DieOnce(), [folder])
        print(result.value, result.attempts)
"""


def whole_run(home, *folders, **settings):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-W", "error", "-c", WHOLE_RUN, *map(str, folders)]
    done = subprocess.run(
        command,
        env=environment | {"HOME": str(home)} | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("kind", [Exception, RuntimeError, ConnectionError, PermissionError])
def test_whatever_keeps_a_ray_of_its_own_from_starting_is_told_in_a_sentence(kind, monkeypatch):
    from facebatch.runtime import ray_executor  # it imports ray, which `ray_session` prepared

    def fail(**_):
        raise kind("The current node timed out during startup.\nDetails")

    monkeypatch.setattr(ray_executor.ray, "init", fail)
    with pytest.raises(StopError) as told:
        ray_executor._connect("local")
    assert str(told.value) == (
        "Ray does not start or answer at local: The current node timed out during startup; "
        "try again, or `--run.executor local`"
    )


def test_a_folder_that_ray_cannot_use_is_told_without_a_traceback(tmp_path):
    code, printed, told = whole_run(tmp_path / "home", tmp_path / "a", RAY_TMPDIR=str(tmp_path / ("a" * 100)))
    assert (code, printed) == (1, "")
    assert told.rstrip().splitlines()[-1].startswith("facebatch.errors.StopError: Ray does not start or answer")


def test_starts_and_stops_a_ray_of_its_own_in_silence(tmp_path):
    assert whole_run(tmp_path / "home", tmp_path / "a") == (0, "survived 2\n", "")
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_starts_a_ray_of_its_own_again(tmp_path):
    assert whole_run(tmp_path, tmp_path / "a", tmp_path / "b") == (0, "survived 2\nsurvived 2\n", "")
