import threading

import pytest

from facebatch.errors import CorruptError, FacebatchError, RetryableError
from facebatch.runtime.executor import Resources, RunSpec
from facebatch.runtime.worker import Raised, Returned, Worker, portable


class Away(RetryableError):
    """Cannot be rebuilt from its message."""

    def __init__(self, key, code):
        super().__init__(f"{key} gave {code}")


class Locked(Exception):
    """Holds what cannot be copied."""

    def __init__(self, message):
        super().__init__(message)
        self.lock = threading.Lock()


class Ready:
    resources = Resources()

    def __init__(self, failures=()):
        self.failures = list(failures)

    def setup(self):
        if self.failures:
            raise self.failures.pop(0)
        return abs


@pytest.mark.parametrize("error", [CorruptError("part 3 differs"), FacebatchError("x"), RetryableError()])
def test_a_plain_error_travels_as_it_is(error):
    assert portable(error) is error
    assert not hasattr(error, "__notes__")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (Away("shard 3", 503), RetryableError, "shard 3 gave 503"),
        (Locked("held"), FacebatchError, "Locked: held"),
    ],
)
def test_an_error_that_cannot_travel_becomes_its_nearest_group(error, kind, message):
    assert type(portable(error)) is kind
    assert str(portable(error)) == message


def test_setup_pauses_between_its_attempts():
    pauses = []
    worker = Worker(Ready([RetryableError("away")] * 2), RunSpec(attempts=3, backoff_s=2.0), pauses.append)
    assert worker.set_up() is None
    assert len(pauses) == 2
    assert 0 <= pauses[0] <= 2.0
    assert worker.work_on(-4) == Returned(4, pytest.approx(0, abs=5))


def test_setup_gives_up_after_its_attempts():
    error = RetryableError("away")
    failure = Worker(Ready([error] * 3), RunSpec(attempts=2), lambda seconds: None).set_up()
    assert failure == Raised(error)


def test_an_item_before_setup_is_an_error():
    assert "set_up must succeed" in str(Worker(Ready(), RunSpec()).work_on(1).error)
