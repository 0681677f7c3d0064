"""Running a planned task over items: progress, failures gathered, one clear error at the end."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from facebatch.errors import RetryableError, RunFailedError, RunLostError
from facebatch.runtime.executor import Executor, Failed, RunSpec, Task
from facebatch.runtime.memory import available_memory, check_fits
from facebatch.telemetry.progress import Stage

ItemT = TypeVar("ItemT")
ValueT = TypeVar("ValueT")

SHOWN = 5
"""Failures told in full; the rest are counted."""


def check_memory(run: RunSpec, executor: Executor, needed: int, items: int, *, what: str) -> None:
    """PlanError when the workers of this machine cannot all hold `needed` bytes.

    On a cluster nothing is checked here: Ray places a worker only on a node with the memory it declares, and the
    executor says when there is none.
    """
    if items and (run.executor == "local" or run.address == "local"):
        check_fits(needed, min(executor.workers, items), available_memory(), what=what)


def run_all(
    executor: Executor,
    task: Task[ItemT, ValueT],
    items: Sequence[ItemT],
    stage: AbstractContextManager[Stage],
    *,
    name: Callable[[ItemT], str],
    images: Callable[[ValueT], int] = lambda _: 0,
) -> list[ValueT]:
    """Values in the order of `items`. All items are tried; then RunFailedError or RunLostError tells what failed.

    `name` says which item failed, for a person; `images` how many images a value stands for on the progress line.
    """
    values: dict[int, ValueT] = {}
    failed: list[Failed[ItemT]] = []
    if not items:
        return []
    with stage as bar:
        for result in executor.run(task, items):
            if isinstance(result, Failed):
                failed.append(result)
                bar.advance(1)
            else:
                values[result.index] = result.value
                bar.advance(1, images=images(result.value))
    if failed:
        raise _gathered(failed, len(items), name)
    return [values[index] for index in range(len(items))]


def _gathered(failed: list[Failed[ItemT]], total: int, name: Callable[[ItemT], str]) -> Exception:
    failed = sorted(failed, key=lambda item: item.index)
    lines = [f"  {name(item.item)}: {_words(item.error)} (attempts: {item.attempts})" for item in failed[:SHOWN]]
    if len(failed) > SHOWN:
        lines.append(f"  and {len(failed) - SHOWN} more")
    kind = RunLostError if all(isinstance(item.error, RetryableError) for item in failed) else RunFailedError
    head = f"{len(failed)} of {total} failed; the others are committed, nothing was published"
    return kind("\n".join([f"{head}. The same command resumes after the cause is mended:", *lines]))


def _words(error: Exception) -> str:
    text = str(error).strip()
    known = type(error).__module__.startswith("facebatch.")
    return text if known and text else f"{type(error).__name__}: {text}" if text else type(error).__name__
