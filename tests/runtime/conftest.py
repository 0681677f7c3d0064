"""One Ray for all tests of a file. Tests that start a Ray of their own do so in a process of their own."""

import sys
from collections.abc import Iterator

import pytest

from facebatch.runtime.executor import Executor, RunSpec
from facebatch.runtime.open import open_executor


@pytest.fixture(scope="module")
def ray_session() -> Iterator[Executor]:
    """A running local Ray. Executors opened meanwhile use it and leave it running. Not for longer than a file: its
    workers have the environment of this moment, which tests elsewhere change for theirs.
    """
    with open_executor(RunSpec(executor="ray", address="local", workers=2)) as executor:
        from ray import cloudpickle  # only after `open_executor` prepared the environment

        # Workers do not have tests/ on their path, so the tasks defined there travel whole.
        cloudpickle.register_pickle_by_value(sys.modules["contracts.executor"])
        yield executor
