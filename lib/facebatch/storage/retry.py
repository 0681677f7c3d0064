"""Repeat an attempt until it succeeds or a deadline passes, with full jitter between attempts."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from facebatch.errors import RetryableError

ValueT = TypeVar("ValueT")

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 8.0
_JITTER = random.SystemRandom()
"""Not seeded: workers started alike must not wait alike."""


class TransientFault(RetryableError):
    """One attempt failed in a way that another one may not; its message is a phrase for the end of a sentence."""


def retry(attempt: Callable[[], ValueT], *, what: str, deadline_s: float) -> ValueT:
    """The value of the first attempt that raises no TransientFault; other errors pass through.

    Before attempt n + 1 (n >= 1) it waits uniform(0, min(8 s, 0.1 s * 2^n)): full jitter, after M. Brooker,
    "Exponential Backoff And Jitter" (AWS, 2015). No attempt starts after `deadline_s` seconds; one that is under way is
    not cut, so the time limits of a single attempt come on top. Raises one RetryableError with `what`, the attempts and
    the last fault.
    """
    started = time.monotonic()
    attempts = 0
    while True:
        attempts += 1
        try:
            return attempt()
        except TransientFault as fault:
            elapsed = time.monotonic() - started
            if elapsed >= deadline_s:
                raise RetryableError(
                    f"{what}: gave up after {attempts} attempts in {elapsed:.1f} s, the last one ended with {fault}; "
                    "rerun when the store is well again"
                ) from fault
            time.sleep(min(deadline_s - elapsed, _pause_s(attempts)))


def _pause_s(attempts: int) -> float:
    return _JITTER.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(attempts, 16)))
