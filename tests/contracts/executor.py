"""The contract of an executor: what every implementation must do, whatever runs the items.

A test class inherits `ExecutorContract` and sets `kind`; its own tests come beside the inherited ones.
"""

import os
import pickle
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from facebatch.errors import CorruptError, ForbiddenError, RetryableError, StopError
from facebatch.runtime.executor import Done, Executor, Failed, Resources, RunSpec
from facebatch.runtime.open import open_executor

ONE_CPU = Resources()


@dataclass(frozen=True, slots=True)
class Square:
    """item -> (item squared, mark of the worker); each set-up leaves a file in `folder`."""

    folder: str
    seconds: float = 0.0
    resources: Resources = ONE_CPU

    def setup(self) -> Callable[[int], tuple[int, str]]:
        mark = uuid.uuid4().hex
        (Path(self.folder) / f"setup-{mark}").touch()

        def work(item: int) -> tuple[int, str]:
            time.sleep(self.seconds)
            return item * item, mark

        return work


@dataclass(frozen=True, slots=True)
class Raise:
    """item -> item, except that `bad` raises `error` in its first `times` attempts."""

    folder: str
    error: Exception
    bad: int = 3
    times: int = 1000
    resources: Resources = ONE_CPU

    def setup(self) -> Callable[[int], int]:
        def work(item: int) -> int:
            if item == self.bad and attempts_so_far(self.folder) < self.times:
                raise self.error
            return item

        return work


@dataclass(frozen=True, slots=True)
class RaiseInSetup:
    """Its set-up raises `error` the first `times` times."""

    folder: str
    error: Exception
    times: int = 1000
    resources: Resources = ONE_CPU

    def setup(self) -> Callable[[int], int]:
        if attempts_so_far(self.folder) < self.times:
            raise self.error
        return abs


class Unportable(RetryableError):
    """Cannot be rebuilt from its arguments, as errors of libraries often cannot."""

    def __init__(self, key: str, code: int) -> None:
        super().__init__(f"{key} gave {code}")


@dataclass(frozen=True, slots=True)
class RaiseUnportable:
    """Every item raises Unportable."""

    resources: Resources = ONE_CPU

    def setup(self) -> Callable[[int], int]:
        def work(item: int) -> int:
            raise Unportable(f"shard {item}", 503)

        return work


def attempts_so_far(folder: str) -> int:
    """How often this was called with `folder` before, in any process."""
    before = len(list(Path(folder).iterdir()))
    (Path(folder) / uuid.uuid4().hex).touch()
    return before


def by_index(results: Iterable[Done | Failed]) -> dict[int, Done | Failed]:
    """Results by index, after a check that no index came twice."""
    listed = list(results)
    found = {result.index: result for result in listed}
    assert len(found) == len(listed)
    return found


class ExecutorContract:
    """Tests that every executor passes."""

    kind: ClassVar[Literal["local", "ray"]]

    def start(self, **settings: object) -> Executor:
        """An executor that pauses only briefly before a retry."""
        return open_executor(RunSpec.model_validate({"executor": self.kind, "backoff_s": 0.01, **settings}))

    @pytest.mark.parametrize(("workers", "in_flight"), [(1, 1), (1, 3), (2, 2), (3, 1)])
    def test_gives_one_result_per_item(self, tmp_path, workers, in_flight):
        with self.start(workers=workers, in_flight_per_worker=in_flight) as executor:
            results = by_index(executor.run(Square(str(tmp_path)), range(10, 30)))
        assert sorted(results) == list(range(20))
        assert all(result.item == index + 10 for index, result in results.items())
        assert all(result.value[0] == result.item**2 and result.attempts == 1 for result in results.values())
        assert all(0 <= result.seconds < 5 for result in results.values())

    def test_long_items_are_spread_over_workers_that_start_one_after_another(self, tmp_path):
        with self.start(workers=2, in_flight_per_worker=2) as executor:
            results = list(executor.run(Square(str(tmp_path), seconds=3.0), range(2)))
        assert len({result.value[1] for result in results}) == 2

    @pytest.mark.parametrize(("workers", "in_flight"), [(1, 1), (2, 2)])
    def test_pulls_items_only_as_the_window_has_room(self, tmp_path, workers, in_flight):
        pulled = 0

        def items() -> Iterator[int]:
            nonlocal pulled
            for item in range(20):
                pulled += 1
                yield item

        leads = []
        with self.start(workers=workers, in_flight_per_worker=in_flight) as executor:
            for finished, _ in enumerate(executor.run(Square(str(tmp_path)), items())):
                leads.append(pulled - finished)
        assert len(leads) == 20
        assert max(leads) == workers * in_flight

    def test_sets_up_once_in_each_worker(self, tmp_path):
        with self.start(workers=2) as executor:
            results = list(executor.run(Square(str(tmp_path), seconds=0.02), range(16)))
        set_up = {path.name.removeprefix("setup-") for path in tmp_path.iterdir()}
        assert {result.value[1] for result in results} <= set_up
        assert len(set_up) == 2

    def test_starts_no_more_workers_than_items(self, tmp_path):
        with self.start(workers=2) as executor:
            assert len(list(executor.run(Square(str(tmp_path)), [5]))) == 1
        assert len(list(tmp_path.iterdir())) == 1

    def test_an_empty_input_gives_nothing_and_sets_nothing_up(self, tmp_path):
        with self.start(workers=2) as executor:
            assert list(executor.run(Square(str(tmp_path)), [])) == []
        assert list(tmp_path.iterdir()) == []

    def test_runs_again(self, tmp_path):
        with self.start(workers=1) as executor:
            first = [result.value[0] for result in executor.run(Square(str(tmp_path)), [1, 2])]
            second = [result.value[0] for result in executor.run(Square(str(tmp_path)), [3])]
        assert (first, second) == ([1, 4], [9])

    def test_a_retryable_error_is_tried_again(self, tmp_path):
        task = Raise(str(tmp_path), RetryableError("shard 3 is unavailable"), times=2)
        with self.start(workers=2, attempts=3) as executor:
            results = by_index(executor.run(task, range(6)))
        assert results[3] == Done(3, 3, 3, 3, results[3].seconds)
        assert {result.attempts for index, result in results.items() if index != 3} == {1}

    def test_a_retryable_error_ends_after_the_attempts(self, tmp_path):
        with self.start(workers=2, attempts=2) as executor:
            results = by_index(executor.run(Raise(str(tmp_path), RetryableError("shard 3 is away")), range(6)))
        assert isinstance(results[3], Failed)
        assert (type(results[3].error), str(results[3].error)) == (RetryableError, "shard 3 is away")
        assert results[3].attempts == len(list(tmp_path.iterdir())) == 2
        assert sum(isinstance(result, Done) for result in results.values()) == 5

    @pytest.mark.parametrize(
        "error", [CorruptError("part 3 differs from its digest"), ValueError("a fault of the code")]
    )
    def test_another_error_fails_the_item_at_once(self, tmp_path, error):
        with self.start(workers=2) as executor:
            results = by_index(executor.run(Raise(str(tmp_path), error), range(6)))
        failed = results[3]
        assert isinstance(failed, Failed)
        assert (failed.item, type(failed.error), str(failed.error), failed.attempts) == (3, type(error), str(error), 1)
        assert sum(isinstance(result, Done) for result in results.values()) == 5

    def test_a_fault_of_the_code_says_where_it_was(self, tmp_path):
        with self.start(workers=1) as executor:
            (failed,) = executor.run(Raise(str(tmp_path), ValueError("a fault")), [3])
        assert "in work" in failed.error.__notes__[0]

    def test_an_error_that_cannot_travel_keeps_its_group_and_message(self, tmp_path):
        with self.start(workers=1, attempts=2) as executor:
            (failed,) = executor.run(RaiseUnportable(), [3])
        assert (type(failed.error), str(failed.error), failed.attempts) == (RetryableError, "shard 3 gave 503", 2)

    def test_forbidden_is_raised_and_ends_the_run(self, tmp_path):
        task = Raise(str(tmp_path), ForbiddenError("the token has expired"))
        with self.start(workers=1, in_flight_per_worker=1) as executor:
            results = executor.run(task, range(100))
            assert [next(results).index for _ in range(3)] == [0, 1, 2]
            with pytest.raises(ForbiddenError, match="the token has expired"):
                next(results)
            assert list(results) == []

    @pytest.mark.parametrize(
        "error", [StopError("the model pack is altered"), ForbiddenError("no licence"), KeyError("k")]
    )
    def test_an_error_of_the_setup_is_raised(self, tmp_path, error):
        with self.start(workers=2) as executor, pytest.raises(type(error)) as raised:
            list(executor.run(RaiseInSetup(str(tmp_path), error), range(6)))
        assert str(raised.value) == str(error)

    def test_a_retryable_setup_is_tried_again(self, tmp_path):
        with self.start(workers=1, attempts=3) as executor:
            (result,) = executor.run(RaiseInSetup(str(tmp_path), RetryableError("away"), times=2), [-7])
        assert (result.value, result.attempts) == (7, 1)

    def test_an_error_of_the_input_is_raised(self, tmp_path):
        def items() -> Iterator[int]:
            yield 1
            raise StopError("the list of shards cannot be read")

        with self.start(workers=1) as executor, pytest.raises(StopError, match="list of shards"):
            list(executor.run(Square(str(tmp_path)), items()))

    def test_a_run_left_early_cannot_be_taken_for_complete(self, tmp_path):
        with self.start(workers=1, in_flight_per_worker=1) as executor:
            results = executor.run(Square(str(tmp_path)), range(5))
            assert next(results).index == 0
        with pytest.raises(StopError, match="left before the run was complete"):
            list(results)

    def test_runs_only_inside_its_context(self, tmp_path):
        with pytest.raises(StopError, match="outside its `with` block"):
            list(self.start(workers=1).run(Square(str(tmp_path)), [1]))

    def test_counts_its_workers(self):
        with self.start(workers=3) as three, self.start() as default:
            assert three.workers == 3
            assert 1 <= default.workers <= (os.cpu_count() or 1)

    def test_tasks_and_results_survive_pickling(self, tmp_path):
        task = Square(str(tmp_path), seconds=0.5, resources=Resources(cpus=2.0, memory=7))
        results = [Done(0, "a", 1, 2, 0.5), Failed(1, "b", CorruptError("part b differs"), 3)]
        assert pickle.loads(pickle.dumps(task)) == task
        done, failed = pickle.loads(pickle.dumps(results))
        assert done == results[0]
        assert (type(failed.error), str(failed.error)) == (CorruptError, "part b differs")
