"""Failures of a run: all items tried, told by name, grouped by what to do next, and never a traceback."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from facebatch.errors import RetryableError, RunFailedError, RunLostError, ShardError
from facebatch.pipelines.running import SHOWN, run_all
from facebatch.runtime.executor import Resources
from facebatch.runtime.local_executor import LocalExecutor
from worlds import LOCAL, QUIET


@dataclass(frozen=True)
class Doubling:
    """Doubles numbers; those in `faults` raise."""

    faults: dict[int, Exception]

    @property
    def resources(self) -> Resources:
        return Resources()

    def setup(self) -> Callable[[int], int]:
        def double(item: int) -> int:
            if item in self.faults:
                raise self.faults[item]
            return item * 2

        return double


def run(count: int, faults: dict[int, Exception]) -> list[int]:
    with LocalExecutor(LOCAL) as executor:
        stage = QUIET.stage("double", total=count, unit="numbers")
        return run_all(executor, Doubling(faults), range(count), stage, name=lambda item: f"number {item}")


def test_values_come_in_the_order_of_the_items() -> None:
    assert run(50, {}) == [item * 2 for item in range(50)]
    assert run(0, {}) == []


def test_every_failure_is_named_up_to_a_number_and_counted_beyond() -> None:
    faults: dict[int, Exception] = {item: ShardError(f"shard {item} is cut") for item in range(3, 3 + SHOWN + 2)}
    with pytest.raises(RunFailedError) as told:
        run(20, faults)
    text = str(told.value)
    assert f"{SHOWN + 2} of 20 failed" in text
    assert [f"number {item}: shard {item} is cut" in text for item in sorted(faults)] == [True] * SHOWN + [False] * 2
    assert "and 2 more" in text


def test_what_may_succeed_later_has_another_exit_code_than_what_needs_a_person() -> None:
    gone = RetryableError("the store is away")
    with pytest.raises(RunLostError, match=r"number 1: the store is away \(attempts: 3\)") as lost:
        run(3, {1: gone})
    with pytest.raises(RunFailedError) as failed:
        run(3, {1: gone, 2: ShardError("cut")})
    assert (lost.value.exit_code, failed.value.exit_code) == (75, 2)


def test_a_fault_in_the_code_is_told_with_its_kind() -> None:
    with pytest.raises(RunFailedError, match="number 0: KeyError: 'x'"):
        run(1, {0: KeyError("x")})
