"""Detection error trade-off: log FPIR by log FNIR of the gallery and of smaller ones, with the targets' thresholds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facebatch.charts import Chart, chart
from facebatch.evaluate.axes import bars, log_shares, on_floor
from facebatch.evaluate.error_rates import ErrorRates, TargetPoint
from facebatch.evaluate.intervals import ENOUGH_ERRORS
from facebatch.evaluate.plots import MISSES, SQUARE, Plot, colours, floors, interval_of, targets_of, value_of
from facebatch.evaluate.report import Report
from facebatch.evaluate.sized_curves import BoundedTradeOff
from facebatch.evaluate.sufficiency import TooFew
from facebatch.evaluate.words import number, percent, plural, similarity, whole

ROOM_FOR_SIZES = 1.0
"""Inches beside the lines."""
_DASHES = ((0, (6, 2)), (0, (6, 2, 1, 2)), (0, (2.5, 1.5)), (0, (1, 1.5)))
"""Of smaller galleries, the largest first: told apart without colours too."""
_PALEST = 0.5
"""Strength of the smallest gallery's line; that of the gallery itself is 1."""
_Floors = tuple[float, float]
_Able = list[tuple[TargetPoint, ErrorRates]]
_Lines = Mapping[int, BoundedTradeOff]
_Points = list[tuple[float, float]]


def plot_det(report: Report) -> Plot | None:
    """The gallery's own line, one of each smaller size that can be told, and where the targets' thresholds lie."""
    curves, figures = report.curves, report.identification
    if not len(curves.thresholds):
        return None
    lowest, by_target = floors(figures), colours(targets_of(figures))
    able = [(point, point.rates) for point in figures.targets if point.rates is not None]
    lines = {one.gallery: one.told for one in report.sized_curves if isinstance(one.told, BoundedTradeOff)}
    text = _text(report, able, lines)
    with chart(text, SQUARE + (ROOM_FOR_SIZES if lines else 0.0), SQUARE) as drawn:
        smaller = _draw_sizes(drawn, lines, lowest)
        xs, ys = on_floor(curves.fpir, lowest[0]), on_floor(curves.fnir, lowest[1])
        own = drawn.axes.plot(xs, ys, color=MISSES, linewidth=2.0)
        seen = [_cross(drawn, point, rates, lowest, by_target[point.target]) for point, rates in able]
        seen += _draw_kept(drawn, report, lines, lowest)
        _limit(drawn, [*zip(curves.fpir.tolist(), curves.fnir.tolist(), strict=True), *_ends(lines), *seen], lowest)
        if able:
            drawn.axes.legend(loc="best", title="threshold for FPIR")
        if lines:
            names = [f"N = {whole(size)}" for size in (*sorted(lines), figures.gallery)]
            drawn.figure.legend([*smaller, *own], names, loc="outside right upper", title="people in\nthe gallery")
    return Plot("det", "False alarms against misses (DET)", _how(report, lines), text, drawn.svg)


def _text(report: Report, able: _Able, lines: _Lines) -> str:
    marks = [
        f"For FPIR {point.target:g} the threshold {similarity(rates.threshold)} misses "
        f"{percent(value_of(rates.fnir.counted))}"
        for point, rates in able
    ]
    sizes = [f"Beside {whole(report.identification.gallery)} people, galleries of {', '.join(map(whole, lines))}"]
    left = why_no_lines(report)
    said = "; ".join([*(marks or ["No target has a threshold"]), *(sizes if lines else []), *([left] if left else [])])
    return f"False alarms against misses at all thresholds. {said}."


def _how(report: Report, lines: _Lines) -> str:
    smaller = (
        " Dashed lines are smaller galleries drawn at random from this one, as far as one false alarm is to be "
        "expected; small dots on them are the same thresholds."
    )
    hidden = any((one.fpir[0] < one.fpir[1]).any() or (one.fnir[0] < one.fnir[1]).any() for one in lines.values())
    bounds = " Between a dashed and a thin line of one colour the truth lies where the candidate lists end too early."
    left = f" {why_no_lines(report)}." if lines and why_no_lines(report) else ""
    return (
        "Each point of a line is one threshold: further right are more false alarms, further up more misses, so "
        "closer to the lower left corner is better; dots are the targets' thresholds, bars their 95 % intervals."
        f"{smaller if lines else ''}{bounds if hidden else ''}{left}"
    )


def why_no_lines(report: Report) -> str:
    """Which smaller galleries have no line, and why, without a stop at the end; empty where all have one."""
    few = [(one.gallery, one.told) for one in report.sized_curves if isinstance(one.told, TooFew)]
    if not few:
        return ""
    sizes = ", ".join(whole(size) for size, _ in few)
    expected = ", ".join(number(told.expected) for _, told in few)
    return (
        f"No line for galleries of {sizes} people: of {plural(few[0][1].n, 'search')} {expected} false alarms are to "
        f"be expected there, and a line needs {ENOUGH_ERRORS:g}"
    )


def _draw_sizes(drawn: Chart, lines: _Lines, lowest: _Floors) -> list[Any]:
    """Handles of the lines, ascending by size."""
    handles = []
    for row, size in enumerate(sorted(lines, reverse=True)):
        strength = 1 - (1 - _PALEST) * (row + 1) / len(lines)
        line = lines[size]
        least, most = ((on_floor(line.fpir[end], lowest[0]), on_floor(line.fnir[end], lowest[1])) for end in (0, 1))
        handles += drawn.axes.plot(
            *least, linestyle=_DASHES[row % len(_DASHES)], linewidth=1.3, color=MISSES, alpha=strength
        )
        apart = np.flatnonzero((least[0] < most[0]) | (least[1] < most[1]))
        if len(apart):
            parted = [end[: apart[-1] + 2] for end in most]
            drawn.axes.plot(*parted, linewidth=0.6, color=MISSES, alpha=strength)
    return handles[::-1]


def _draw_kept(drawn: Chart, report: Report, lines: _Lines, lowest: _Floors) -> _Points:
    """A small dot where each target's threshold lies on the lines of smaller galleries; where they were drawn."""
    by_target, found = colours(targets_of(report.identification)), []
    for target, points in report.growth.items():
        for point in points:
            if point.gallery not in lines or point.fpir is None or point.fnir is None:
                continue
            at = point.fpir.low, max(point.fnir.low, lowest[1])
            if at[0] >= 2 * lowest[0]:
                drawn.axes.plot([at[0]], [at[1]], color=by_target[target], marker="o", markersize=3.5, linestyle="none")
                found.append(at)
    return found


def _cross(drawn: Chart, point: TargetPoint, rates: ErrorRates, lowest: _Floors, colour: str) -> tuple[float, float]:
    """A dot at FPIR and FNIR of a threshold with both intervals; where it was drawn."""
    sides = list(zip((rates.fpir.counted, rates.fnir.counted), lowest, strict=True))
    at = [max(value_of(rate), floor) for rate, floor in sides]
    x, y = (
        bars([value], [(max(low, floor), max(high, floor))])
        for value, (low, high), floor in zip(at, (interval_of(rate) for rate, _ in sides), lowest, strict=True)
    )
    drawn.axes.errorbar(
        [at[0]], [at[1]], xerr=x, yerr=y, color=colour, marker="o", markersize=5, capsize=3, linestyle="none",
        label=f"{point.target:g}",
    )  # fmt: skip
    return at[0], at[1]


def _ends(lines: _Lines) -> _Points:
    """Corners of what the lines take up."""
    return [(float(of(line.fpir)), float(of(line.fnir))) for line in lines.values() for of in (np.min, np.max)]


def _limit(drawn: Chart, points: Sequence[tuple[float, float]], lowest: _Floors) -> None:
    log_shares(drawn, "x", [x for x, _ in points], lowest[0])
    log_shares(drawn, "y", [y for _, y in points], lowest[1])
    drawn.axes.set_xlabel("false alarms: FPIR(N, T)")
    drawn.axes.set_ylabel("misses: FNIR(N, L, T)")
