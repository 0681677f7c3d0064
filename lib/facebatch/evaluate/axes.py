"""Axes of plots that show shares: percent along them, and zero on logarithmic ones."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from facebatch.charts import Chart
from facebatch.evaluate.words import SPACE, whole

Numbers = npt.NDArray[np.float64]
Side = Literal["x", "y"]
ROOM = 1.6
"""Factor by which a logarithmic axis reaches beyond what is drawn, so that 1, 2 or 5 of some power is on it."""
MOST_TICKS = 7


def shares(drawn: Chart, side: Side) -> None:
    """Percent along a linear axis."""
    _axis(drawn, side).set_major_formatter(lambda value, _: _label(value))


def log_shares(drawn: Chart, side: Side, values: Iterable[float], floor: float) -> None:
    """A logarithmic axis of percent around `values`; those below `floor` are drawn on it, with "none" beside it."""
    found = list(values)
    known = [value for value in found if value > floor] or [10 * floor]
    has_none = any(value <= floor for value in found)
    low, high = floor if has_none else min(known), max(known)
    ticks = [tick for tick in _ticks(low / ROOM, min(1.0, high * ROOM)) if not has_none or tick > 2.5 * floor]
    labels = [_label(tick) for tick in ticks]
    _place(drawn, side, [floor, *ticks] if has_none else ticks, ["none", *labels] if has_none else labels)
    _limit(drawn, side, low / ROOM, min(1.0, high * ROOM))


def log_counts(drawn: Chart, side: Side, counts: Sequence[int]) -> None:
    """A logarithmic axis of gallery sizes or ranks, each of `counts` labelled."""
    _place(drawn, side, counts, [whole(count) for count in counts])


def on_floor(values: npt.NDArray[np.float64], floor: float) -> Numbers:
    """As `log_shares` wants them drawn."""
    found: Numbers = np.maximum(values, floor)
    return found


def bars(values: Sequence[float], intervals: Sequence[tuple[float, float]]) -> Numbers:
    """(2, n): how far each interval reaches below and above its value, as error bars want it."""
    reach = [(value - low, high - value) for value, (low, high) in zip(values, intervals, strict=True)]
    found: Numbers = np.maximum(0.0, np.array(reach, dtype=np.float64).reshape(-1, 2).T)
    return found


def _label(share: float) -> str:
    return f"{round(100 * share, 9):g}{SPACE}%"


def _ticks(low: float, high: float) -> list[float]:
    """Powers of ten in [low, high], or with 2 and 5 of each where these are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in powers for step in steps]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) <= MOST_TICKS:
            break
    return inside


def _place(drawn: Chart, side: Side, ticks: Sequence[float], labels: Sequence[str]) -> None:
    (drawn.axes.set_xscale if side == "x" else drawn.axes.set_yscale)("log")
    _axis(drawn, side).set_ticks([], minor=True)
    _axis(drawn, side).set_ticks(ticks, labels)


def _limit(drawn: Chart, side: Side, low: float, high: float) -> None:
    (drawn.axes.set_xlim if side == "x" else drawn.axes.set_ylim)(low, high)


def _axis(drawn: Chart, side: Side) -> Any:
    return drawn.axes.xaxis if side == "x" else drawn.axes.yaxis
