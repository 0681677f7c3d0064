"""Two shares of the same things: how many were right before, how many are now, and how sure the difference is. Pure."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.gallery.figures import GateFigure, Proportion, score_interval, tidy, wilson


@dataclass(frozen=True, slots=True)
class Paired:
    """Counts of n things, each right or wrong before and right or wrong now."""

    both: int
    lost: int
    """Right before, wrong now."""
    gained: int
    neither: int

    @property
    def n(self) -> int:
        """How many there are."""
        return self.both + self.lost + self.gained + self.neither

    @property
    def before(self) -> int:
        """Right ones."""
        return self.both + self.lost

    @property
    def now(self) -> int:
        """Right ones."""
        return self.both + self.gained

    @property
    def change(self) -> float:
        """Share now less share before, in [-1, 1]; needs n >= 1."""
        return (self.gained - self.lost) / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of `change`; n >= 1. Two score intervals joined with regard to their correlation: method 10 of
        R. G. Newcombe, Statistics in Medicine 17 (1998) 2635.
        """
        n, share, shift = self.n, (self.before / self.n, self.now / self.n), self._correlation()
        before, now = score_interval(self.before, n), score_interval(self.now, n)
        down = (share[1] - now[0], before[1] - share[0])
        up = (now[1] - share[1], share[0] - before[0])
        low, high = (math.sqrt(max(0.0, a * a - 2 * shift * a * b + b * b)) for a, b in (down, up))
        return max(-1.0, self.change - low), min(1.0, self.change + high)

    def _correlation(self) -> float:
        """Phi of the four counts, moved by a half towards 0 where it is positive; 0 where a margin is."""
        margins = self.before * (self.n - self.before) * self.now * (self.n - self.now)
        if margins == 0:
            return 0.0
        cross = self.both * self.neither - self.lost * self.gained
        return (max(cross - self.n / 2, 0.0) if cross > 0 else cross) / math.sqrt(margins)


def pair(before: npt.NDArray[np.bool_], now: npt.NDArray[np.bool_]) -> Paired:
    """The counts of (n,) verdicts on the same things in the same order."""
    return Paired(
        both=int(np.sum(before & now)),
        lost=int(np.sum(before & ~now)),
        gained=int(np.sum(~before & now)),
        neither=int(np.sum(~before & ~now)),
    )


def no_loss(name: str, seen: Paired, loss_most: float, words: str) -> GateFigure:
    """Passes when the share lost on balance is at most `loss_most`; n >= 1. `words` say what is counted.

    By the counts and not by the interval: among few things an interval reaches beyond any loss.
    """
    low, high = seen.interval
    lowest = tidy(seen.before / seen.n - loss_most)
    return GateFigure(
        name=name,
        passed=tidy(seen.now / seen.n) >= lowest,
        words=(
            f"{seen.now} of {seen.n} {words}, {seen.before} with the model before: {seen.lost} lost, {seen.gained} "
            f"gained, {seen.change:+.2%} (95 %: {low:+.2%} to {high:+.2%}); a loss of {loss_most:.2%} is allowed"
        ),
        value=seen.now / seen.n,
        lowest=lowest,
        count=seen.now,
        n=seen.n,
        interval=wilson(seen.now, seen.n),
        reference=Proportion(count=seen.before, n=seen.n),
    )
