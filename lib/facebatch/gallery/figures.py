"""What a gate saw and said: figures that a snapshot keeps, so that later nights can be compared with it. Pure."""

import math
import textwrap
from collections.abc import Iterable, Sequence

from facebatch.spec import Spec

WIDTH = 100
"""Characters per line of a printed report."""
Z95 = 1.959963984540054
"""Standard normal quantile of two-sided 95 %."""


class Proportion(Spec):
    """`count` of `n`."""

    count: int
    n: int


class Histogram(Spec):
    """Similarities counted in bins of equal width; empty bins at both ends are left out."""

    width: float
    """Of a bin."""
    first: int
    """Bin of `counts[0]`; bin i holds similarities in [-1 + i width, -1 + (i + 1) width)."""
    counts: tuple[int, ...]
    n: int
    """Independent draws behind the counts: templates, each of which was compared with every frozen probe."""

    @property
    def total(self) -> int:
        """Similarities counted."""
        return sum(self.counts)

    def quantile(self, level: float) -> float:
        """Upper edge of the bin in which the `level` quantile lies, level in (0, 1]; needs at least one count."""
        reached, need = 0, level * self.total
        for index, count in enumerate(self.counts):
            reached += count
            if reached >= need:
                return -1 + (self.first + index + 1) * self.width
        return -1 + (self.first + len(self.counts)) * self.width


class GateFigure(Spec):
    """One gate: what it measured, what was allowed, and the verdict. Holds no ids of templates and no embeddings."""

    name: str
    """Stable; figures of one name make a history."""
    passed: bool | None
    """None: not measured, for the reason in `words`; never to be read as passed."""
    words: str
    """One line that a person understands without this class."""
    value: float | None = None
    lowest: float | None = None
    """The value may be no less."""
    highest: float | None = None
    """The value may be no more."""
    count: int | None = None
    """Numerator, where the value is a rate."""
    n: int | None = None
    """Denominator, or how many things were looked at."""
    interval: tuple[float, float] | None = None
    """95 % Wilson interval, where the value is a rate."""
    basis: str | None = None
    """What it was measured with; figures with another basis are not compared."""
    reference: Proportion | None = None
    """What a rate was compared with, carried on from night to night so that small steps add up."""
    histogram: Histogram | None = None
    parts: tuple[str, ...] = ()
    """sha256 of the template parts it was measured against, where those are not all; so that the next night need look
    only in these and in new ones."""


History = Sequence[Sequence[GateFigure]]
"""The figures of earlier snapshots, oldest first."""


def score_interval(count: float, n: int, z: float = Z95) -> tuple[float, float]:
    """Score interval of a proportion, n >= 1 (E. B. Wilson, JASA 22, 1927): holds its level for rates near 0 and 1."""
    rate, square = count / n, z * z
    centre = (rate + square / (2 * n)) / (1 + square / n)
    half = z / (1 + square / n) * math.sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    low = 0.0 if count == 0 else max(0.0, centre - half)
    high = 1.0 if count == n else min(1.0, centre + half)
    return low, high


def wilson(count: int, n: int, z: float = Z95) -> tuple[float, float]:
    """`score_interval`, tidied for a stored figure."""
    low, high = score_interval(count, n, z)
    return tidy(low), tidy(high)


def tidy(number: float) -> float:
    """Rounded to 9 decimals, so that a last bit of a machine's `math` library changes no stored figure."""
    return round(number, 9)


def earlier(history: History, name: str, basis: str | None = None) -> list[GateFigure]:
    """The figures of one name and basis that saw anything, oldest first."""
    found = (figure for figures in history for figure in figures if figure.name == name)
    return [figure for figure in found if figure.n and figure.basis == basis]


def failed(figures: Iterable[GateFigure]) -> tuple[GateFigure, ...]:
    """Those that forbid to publish."""
    return tuple(figure for figure in figures if figure.passed is False)


def explain(figures: Sequence[GateFigure]) -> str:
    """A page of plain text, at most WIDTH wide: failed first, then not measured, then passed."""
    groups = (("FAILED", False), ("NOT MEASURED", None), ("PASSED", True))
    sizes = [sum(figure.passed is verdict for figure in figures) for _, verdict in groups]
    lines = ["{3} gates: {0} failed, {1} not measured, {2} passed.".format(*sizes, len(figures))]
    for (title, verdict), size in zip(groups, sizes, strict=True):
        if size:
            lines += ["", title]
        for figure in figures:
            if figure.passed is verdict:
                lines += _wrap(figure)
    return "\n".join(lines) + "\n"


def _wrap(figure: GateFigure) -> list[str]:
    text = f"{figure.name}: {figure.words}"
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False)
