"""The pause before a retry: exponential, full jitter, so that many workers do not come back at one moment."""

import random

LONGEST_S = 60.0
"""No pause is longer, in seconds."""

_RANDOM = random.SystemRandom()


def longest_pause(failures: int, first_s: float) -> float:
    """Upper end of the pause after the `failures`-th failure (1-based), in seconds: `first_s`, doubled each time."""
    return float(min(LONGEST_S, first_s * 2.0 ** min(failures - 1, 32)))


def pause(failures: int, first_s: float) -> float:
    """Seconds to wait after the `failures`-th failure: uniform between 0 and `longest_pause`."""
    return _RANDOM.uniform(0.0, longest_pause(failures, first_s))
