import time

import pytest

from facebatch.errors import RetryableError, StopError
from facebatch.storage.retry import TransientFault, retry


def failing(times, error):
    calls = []

    def attempt():
        calls.append(time.monotonic())
        if len(calls) <= times:
            raise error
        return len(calls)

    return attempt, calls


def test_it_returns_the_first_success():
    attempt, calls = failing(2, TransientFault("503 SlowDown"))
    assert retry(attempt, what="x", deadline_s=30) == 3
    assert len(calls) == 3


@pytest.mark.parametrize("error", [StopError("x"), RetryableError("given up below"), ZeroDivisionError()])
def test_other_errors_are_not_repeated(error):
    attempt, calls = failing(1, error)
    with pytest.raises(type(error)):
        retry(attempt, what="x", deadline_s=30)
    assert len(calls) == 1


def test_at_the_deadline_it_tells_what_was_tried():
    attempt, calls = failing(10_000, TransientFault("503 SlowDown"))
    started = time.monotonic()
    with pytest.raises(RetryableError) as caught:
        retry(attempt, what="s3://b/k", deadline_s=0.5)
    assert not isinstance(caught.value, TransientFault)
    assert 0.5 <= time.monotonic() - started < 1.0
    assert calls[-1] - started <= 0.6
    assert str(caught.value).startswith(
        f"s3://b/k: gave up after {len(calls)} attempts in 0.5 s, the last one ended with"
    )
    assert "503 SlowDown" in str(caught.value)
    assert len(calls) > 2


def test_pauses_are_jittered():
    gaps = set()
    for _ in range(8):
        attempt, calls = failing(1, TransientFault("x"))
        retry(attempt, what="x", deadline_s=30)
        gaps.add(round(calls[1] - calls[0], 3))
        assert calls[1] - calls[0] < 0.2 + 0.3
    assert len(gaps) > 3
