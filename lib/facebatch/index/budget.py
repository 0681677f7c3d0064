"""How many rows of older segments one run may rewrite, from rows or minutes that a person allows. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from facebatch.index.compact import CompactSpec

ASSUMED_ROWS_PER_SECOND = 5_000.0
"""Where no build was timed. A busy core with a local disk did 8 000 rows of 512 dimensions a second; stores elsewhere
are slower.
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast one worker builds segments, from reading the parts to the files stored."""

    rows_per_second: float
    segments: int
    """From how many builds it was measured; 0: assumed."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one run may rewrite."""

    rows: int
    """Live rows, at most."""
    rate: Rate | None
    """By which minutes became rows; None where no minutes were given."""
    words: str
    """What was allowed, and how it comes to these rows."""

    @property
    def rows_per_second(self) -> float | None:
        """The rate by which minutes became rows, rounded for a report."""
        return None if self.rate is None else round(self.rate.rows_per_second, 1)


def measure(builds: Iterable[tuple[int, float | None]]) -> Rate:
    """The rate of builds, each given as rows and seconds: all their rows by all their seconds. None, or no seconds, is
    not recorded; without any recorded build the rate is assumed.
    """
    timed = [(rows, seconds) for rows, seconds in builds if seconds]
    if not sum(rows for rows, _ in timed):
        return Rate(ASSUMED_ROWS_PER_SECOND, 0)
    return Rate(sum(rows for rows, _ in timed) / sum(seconds for _, seconds in timed), len(timed))


def allow(spec: CompactSpec, rate: Rate) -> Budget:
    """The stricter of rows and minutes, in rows."""
    if spec.minutes is None:
        if spec.rows is None:
            return Budget(0, None, "nothing: neither compaction.rows nor compaction.minutes is given")
        return Budget(spec.rows, None, f"{spec.rows} rows")
    rows = int(spec.minutes * 60 * rate.rows_per_second)
    origin = f"as {rate.segments} segments of the head were built" if rate.segments else "assumed, none is recorded"
    words = f"{spec.minutes:g} minutes at {rate.rows_per_second:.0f} rows a second ({origin}), so {rows} rows"
    if spec.rows is None:
        return Budget(rows, rate, words)
    return Budget(min(rows, spec.rows), rate, f"{words}; {spec.rows} rows; the stricter counts")
