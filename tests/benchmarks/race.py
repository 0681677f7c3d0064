"""Timing in turns. Wall clocks of shared machines swing, so a round times every competitor once, one after the other,
and what counts is the median over rounds of the ratio to the reference of the same round.
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from benchmarks.competitors import REFERENCE, Competitor
from benchmarks.cores import Limiter
from benchmarks.int8_peak import peak
from facebatch.match.kernel_paths import KernelPath, available_paths

LEAST_SECONDS = 0.3
"""A call shorter than this is repeated, and the mean counts."""
PAUSE_SECONDS = 0.1
"""Between competitors: the idle threads of a library spin for a while, and would take the next one's cores."""

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
"""cpu: of all threads together, waiting ones that spin included; fair with one core, on a machine that is shared."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a race is run."""

    rounds: int
    cores: int
    clock: str
    """One of CLOCKS."""
    limiter: Limiter
    pool: Executor
    """A thread per core."""


@dataclass(slots=True)
class Times:
    """What the rounds gave."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Seconds of a call, by name, a number per round."""
    peaks: list[float] = field(default_factory=list)
    """8-bit operations per second of all cores, once per round and path of this package; empty without AVX512-VNNI."""
    found: dict[str, Any] = field(default_factory=dict)
    """What the last call of each of this package's paths returned."""

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratio(self, name: str) -> float:
        """Times the reference's speed."""
        pairs = zip(self.seconds[REFERENCE], self.seconds[name], strict=True)
        return statistics.median(base / own for base, own in pairs)

    @property
    def peak(self) -> float | None:
        return statistics.median(self.peaks) if self.peaks else None


def race(competitors: list[Competitor], course: Course) -> Times:
    """All competitors in every round, each round beginning with another one; before them a round that only warms up."""
    times = Times({competitor.name: [] for competitor in competitors})
    has_peak = KernelPath.VNNI512 in available_paths()
    for number in range(course.rounds + 1):
        first = number % len(competitors)
        for competitor in competitors[first:] + competitors[:first]:
            single = competitor.path is not None
            time.sleep(PAUSE_SECONDS)
            with course.limiter.limit(single=single):
                seconds, found = _call(competitor, CLOCKS[course.clock], repeat=number > 0)
            if number == 0:
                continue
            times.seconds[competitor.name].append(seconds)
            if single:
                times.found[competitor.name] = found
            if single and has_peak:
                times.peaks.append(sum(course.pool.map(lambda _: peak(), range(course.cores))))
    return times


def _call(competitor: Competitor, clock: Callable[[], float], *, repeat: bool) -> tuple[float, object]:
    """Mean seconds, and what the last call returned."""
    started = clock()
    calls = 0
    while True:
        found = competitor.run()
        calls += 1
        elapsed = clock() - started
        if elapsed >= LEAST_SECONDS or not repeat:
            return elapsed / calls, found
