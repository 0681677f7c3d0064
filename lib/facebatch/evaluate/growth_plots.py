"""Plots of how errors and thresholds change with the gallery's size; None where there is nothing to draw."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from facebatch.charts import Chart, chart
from facebatch.evaluate.axes import log_counts, log_shares, on_floor
from facebatch.evaluate.growth import Bounded, GrowthPoint
from facebatch.evaluate.plots import HIGH, WIDE, Plot, colours
from facebatch.evaluate.report import Report
from facebatch.evaluate.threshold_growth import SizedThreshold
from facebatch.evaluate.words import percent, plural, similarity, whole

Error = Literal["fpir", "fnir"]
FLOOR = 1e-6
"""Share below which a logarithmic axis shows none."""
_NAMES = {
    "fpir": ("False alarms by size of the gallery", "false alarms: FPIR(N, T)"),
    "fnir": ("Misses by size of the gallery", "misses: FNIR(N, L, T)"),
}
_BOUNDS = (
    " Between a full and a thin line of one colour the truth lies where the candidate lists end too early to tell."
)


def plot_growth(report: Report, error: Error) -> Plot | None:
    """One error over N, with the threshold of each target kept."""
    lines = {target: found for target, points in report.growth.items() if (found := _of(points, error))}
    if not lines:
        return None
    title, label = _NAMES[error]
    said = [f"at the threshold for FPIR {target:g}, {_ends(points)}" for target, points in lines.items()]
    text = f"{title}: {'; '.join(said)}."
    by_target = colours([point.target for point in report.identification.targets])
    with chart(text, WIDE, HIGH) as drawn:
        for target, points in lines.items():
            _draw(drawn, points, by_target[target], f"threshold for FPIR {target:g}")
            if error == "fpir":
                _draw_sanity(drawn, report.growth[target], by_target[target])
        log_counts(drawn, "x", _sizes(lines))
        log_shares(
            drawn, "y", [end for points in lines.values() for _, found in points for end in _reach(found)], FLOOR
        )
        drawn.axes.set_xlabel("N: people in the gallery")
        drawn.axes.set_ylabel(label)
        drawn.axes.legend(loc="best")
    sanity = " Dotted: what would be if all comparisons were independent." if error == "fpir" else ""
    hidden = _BOUNDS if any(not found.exact for points in lines.values() for _, found in points) else ""
    how = (
        "The same threshold in smaller galleries, drawn at random from this one: a line that rises says that the error "
        f"grows with the gallery; the band is the 95 % interval.{sanity}{hidden}"
    )
    return Plot(f"growth_{error}", title, how, text, drawn.svg)


def plot_thresholds(report: Report) -> Plot | None:
    """The threshold for each target over N."""
    lines = {target: found for target, points in report.threshold_growth.items() if (found := _finite(points))}
    if not lines:
        return None
    said = [
        f"for FPIR {target:g} from {similarity(points[0].low)} at {whole(points[0].gallery)} people to "
        f"{similarity(points[-1].low)} at {whole(points[-1].gallery)}"
        for target, points in lines.items()
    ]
    text = f"Threshold needed: {'; '.join(said)}."
    by_target = colours([point.target for point in report.identification.targets])
    with chart(text, WIDE, HIGH) as drawn:
        for target, points in lines.items():
            sizes, colour = [point.gallery for point in points], by_target[target]
            low, high = zip(*(point.interval for point in points), strict=True)
            drawn.axes.fill_between(sizes, low, high, color=colour, alpha=0.15, linewidth=0)
            drawn.axes.plot(
                sizes, [p.low for p in points], color=colour, marker="o", markersize=3.5, label=f"FPIR {target:g}"
            )
            if any(not point.exact for point in points):
                drawn.axes.plot(sizes, [point.high for point in points], color=colour, linewidth=0.7)
        log_counts(drawn, "x", sorted({point.gallery for points in lines.values() for point in points}))
        drawn.axes.set_xlabel("N: people in the gallery")
        drawn.axes.set_ylabel("threshold T (similarity)")
        drawn.axes.legend(loc="best", title="to keep")
    how = (
        "The threshold that a gallery of each size needs to keep the same rate of false alarms: a line that rises says "
        "that a larger gallery needs a higher threshold; the band is the 95 % interval."
        + (_BOUNDS if any(not point.exact for points in lines.values() for point in points) else "")
    )
    return Plot("thresholds", "Threshold by size of the gallery", how, text, drawn.svg)


def why_no_growth(report: Report) -> str:
    """Why neither figures nor plots of growth are told; empty where some are."""
    if any((*report.growth.values(), *report.threshold_growth.values())):
        return ""
    points = report.identification.targets
    if any(point.threshold is not None for point in points):
        return "Nothing to tell: no other sizes of the gallery were asked for."
    easiest = min(points, key=lambda point: point.needed)
    return (
        f"Nothing to tell: growth is told at thresholds, and {plural(easiest.searches, 'search')} of "
        f"{plural(easiest.people, 'person')} who are not in the gallery show none: an FPIR of {easiest.target:g} needs "
        f"{plural(easiest.needed, 'search')}."
    )


_Line = list[tuple[int, Bounded]]


def _of(points: Sequence[GrowthPoint], error: Error) -> _Line:
    found = ((point.gallery, point.fpir if error == "fpir" else point.fnir) for point in points)
    return [(size, bounded) for size, bounded in found if bounded is not None]


def _finite(points: Sequence[SizedThreshold]) -> list[SizedThreshold]:
    return [point for point in points if np.isfinite([point.low, point.high, *point.interval]).all()]


def _sizes(lines: Mapping[float, _Line]) -> list[int]:
    return sorted({size for points in lines.values() for size, _ in points})


def _reach(found: Bounded) -> tuple[float, ...]:
    return (found.low, found.high, *(found.interval or ()))


def _ends(points: _Line) -> str:
    (small, first), (large, last) = points[0], points[-1]
    return f"{percent(first.low)} of {whole(small)} people and {percent(last.low)} of {whole(large)}"


def _draw(drawn: Chart, points: _Line, colour: str, label: str) -> None:
    sizes = [size for size, _ in points]
    ends = np.array([found.interval or (found.low, found.high) for _, found in points])
    drawn.axes.fill_between(
        sizes, on_floor(ends[:, 0], FLOOR), on_floor(ends[:, 1], FLOOR), color=colour, alpha=0.15, linewidth=0
    )
    low, high = (on_floor(np.array(side), FLOOR) for side in zip(*((f.low, f.high) for _, f in points), strict=True))
    drawn.axes.plot(sizes, low, color=colour, marker="o", markersize=3.5, label=label)
    if (high > low).any():
        drawn.axes.plot(sizes, high, color=colour, linewidth=0.7)


def _draw_sanity(drawn: Chart, points: Sequence[GrowthPoint], colour: str) -> None:
    known = [(point.gallery, point.independent_fpir) for point in points if point.independent_fpir is not None]
    rates = on_floor(np.array([rate for _, rate in known], dtype=np.float64), FLOOR)
    drawn.axes.plot([size for size, _ in known], rates, color=colour, linestyle=":", linewidth=1.0)
