"""Where the time of one piece of work went."""

import time


class Stopwatch:
    """Wall time by stage, one stage after another."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        """By stage, rounded to milliseconds."""
        self._last = time.monotonic()

    def lap(self, stage: str) -> None:
        """Give `stage` the time since the last lap, or since the start."""
        now = time.monotonic()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + now - self._last, 3)
        self._last = now
