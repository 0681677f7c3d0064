"""Error rates with their counts and 95 % intervals, and how many trials a rate needs before it may be told."""

import math
from dataclasses import dataclass
from typing import Literal

from facebatch.gallery.figures import score_interval

LEVEL = 0.95
"""Two-sided level of every interval."""
ENOUGH_ERRORS = 30
"""Rule of 30: with 30 errors the true rate is within 30 % of the measured one at 90 % confidence (G. R. Doddington and
others, Speech Communication 31, 2000; [K]: check the wording against ISO/IEC 19795-1:2021 before quoting it)."""

Method = Literal["wilson", "bootstrap"]
_SAME = 1e-9
"""Relative difference of sums of the same numbers in another order, at most."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` of `n` with a 95 % interval."""

    count: int
    n: int
    low: float | None
    """In [0, 1]; None when n is 0."""
    high: float | None
    method: Method = "wilson"
    """wilson takes the trials as independent, or the people where `people` is known; bootstrap resampled people."""
    people: int | None = None
    """Different people behind the trials; None where that was not counted."""

    @property
    def value(self) -> float | None:
        """count / n in [0, 1]; None when there was no trial: not measured, which is not 0."""
        return self.count / self.n if self.n else None

    @property
    def below(self) -> float | None:
        """Where no error was seen: the bound to print after "<", by the rule of three. None otherwise."""
        return rule_of_three(self.n) if self.n and self.count == 0 else None

    @property
    def few(self) -> bool:
        """Fewer than ENOUGH_ERRORS errors: the rate is known to its order only."""
        return self.count < ENOUGH_ERRORS


def rate(count: int, n: int) -> Rate:
    """A rate with its Wilson interval; 0 <= count <= n, n may be 0."""
    low, high = score_interval(count, n) if n else (None, None)
    return Rate(count, n, low, high)


def rate_over_people(count: int, n: int, people: int, spread: tuple[float, float]) -> Rate:
    """A rate with the interval that a bootstrap over `people` gave, as `informed` mends it."""
    if not n:
        return Rate(count, n, None, None, people=people)
    mended = informed(spread, people)
    return Rate(count, n, *mended, method_of(mended, spread), people)


def informed(spread: tuple[float, float], people: int, most: float = 1.0) -> tuple[float, float]:
    """A bootstrap interval of a mean over `people` >= 1, mended where all replicates were the same.

    They are where all people have the same share of errors, and say nothing of how far the true one may be: then it is
    Wilson's interval of as many trials as people, with that share of them in error. Numbers in [0, `most`] with one
    mean differ most when they are 0 and `most` only, so that this is not too narrow. A mean below 0 is mirrored.
    """
    low, high = spread
    if not math.isclose(low, high, rel_tol=_SAME):
        return spread
    bottom, top = (most * end for end in score_interval(people * min(1.0, abs(low) / most), people))
    return (-top, -bottom) if low < 0 else (bottom, top)


def method_of(mended: tuple[float, float], spread: tuple[float, float]) -> Method:
    """How the interval came about that `informed` made of `spread`."""
    return "bootstrap" if mended == spread else "wilson"


def rule_of_three(n: int) -> float:
    """Upper 95 % bound, one-sided, of a rate of which no case was seen in n >= 1 independent trials: 3 / n, at most 1.

    J. A. Hanley and A. Lippman-Hand, JAMA 249 (1983).
    """
    return min(1.0, 3 / n)


def trials_to_show(target: float) -> int:
    """Fewest independent trials in which not one error shows, by the rule of three, a rate <= target, target in (0, 1].

    With fewer, no outcome supports the target.
    """
    return math.ceil(round(3 / target, 9))


def trials_for_thirty(target: float) -> int:
    """Fewest trials that are expected to show ENOUGH_ERRORS errors at a true rate of `target`, in (0, 1]."""
    return math.ceil(round(ENOUGH_ERRORS / target, 9))
