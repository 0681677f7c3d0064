"""Plots of quality bands: pure functions of the report, None where there is nothing to draw."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from facebatch.charts import Chart, chart
from facebatch.evaluate.axes import bars, log_shares, shares
from facebatch.evaluate.band_words import tell_own
from facebatch.evaluate.intervals import Rate
from facebatch.evaluate.plots import HIGH, Plot, colours, interval_of, targets_of, value_of
from facebatch.evaluate.quality_bands import BandPoint
from facebatch.evaluate.report import Report
from facebatch.evaluate.words import tell

NARROW = 4.6
"""Inches."""
APART = 0.14
"""Between marks of one band, of the distance between two bands."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """One FPIR target in one band."""

    value: float
    interval: tuple[float, float]
    words: str
    place: int = 0
    """Of the band, best first."""


_Marks = Mapping[float, Sequence[_Mark]]
"""By FPIR target; targets without any are left out."""


def plot_band_thresholds(report: Report) -> Plot | None:
    """The threshold of each band, for each target."""
    marks = _marks(report, _threshold)
    if not marks:
        return None
    text = _text("Threshold by quality band", marks)
    with chart(text, NARROW, HIGH) as drawn:
        _draw(drawn, report, marks)
        drawn.axes.set_ylabel("threshold T (similarity)")
        _legend(drawn, "to keep", len(marks))
    how = (
        "The similarity from which a candidate counts in searches of each band, so that false alarms are equally rare "
        "in all of them; bars are the 95 % interval. A band without a mark had too few searches."
    )
    return Plot("band_thresholds", "Threshold by quality band", how, text, drawn.svg)


def plot_band_misses(report: Report) -> Plot | None:
    """FNIR of each band at its own thresholds."""
    marks = _marks(report, lambda point: _rate(point.own.rates.fnir.counted) if point.own.rates else None)
    if not marks:
        return None
    text = _text("Misses by quality band, each at its own threshold", marks)
    with chart(text, NARROW, HIGH) as drawn:
        _draw(drawn, report, marks)
        drawn.axes.set_ylim(bottom=0)
        shares(drawn, "y")
        drawn.axes.set_ylabel("misses: FNIR(N, L, T)")
        _legend(drawn, "to keep", len(marks))
    how = (
        "How often a person in the gallery is not listed at the threshold of the band: what a poor picture costs when "
        "it may not raise more false alarms than a good one; bars are the 95 % interval."
    )
    return Plot("band_misses", "Misses by quality band", how, text, drawn.svg)


def plot_band_alarms(report: Report) -> Plot | None:
    """FPIR of each band, were the threshold of everyone used."""
    marks = _marks(report, lambda point: _rate(point.shared.fpir.counted) if point.shared else None)
    if not marks or report.bands is None:
        return None
    text = _text("False alarms by quality band at the threshold of everyone", marks)
    floor = 0.5 / max(figures.non_mated for figures in report.bands.bands)
    lifted = {target: [_lifted(mark, floor) for mark in of] for target, of in marks.items()}
    with chart(text, NARROW, HIGH) as drawn:
        _draw(drawn, report, lifted)
        for target in lifted:
            colour = colours(targets_of(report.identification))[target]
            drawn.axes.axhline(target, color=colour, linestyle="--", linewidth=1.0)
        ends = [end for of in lifted.values() for mark in of for end in (mark.value, mark.interval[1])]
        log_shares(drawn, "y", [*ends, *lifted], floor)
        drawn.axes.set_ylabel("false alarms: FPIR(N, T)")
        _legend(drawn, "one threshold for", len(marks))
    how = (
        "What one threshold for all pictures does in each band: a mark above the dashed line of its colour has more "
        "false alarms than were asked for, one below it misses more people than it need; bars are the 95 % interval."
    )
    return Plot("band_alarms", "False alarms by quality band with one threshold for all", how, text, drawn.svg)


def _marks(report: Report, read: Callable[[BandPoint], _Mark | None]) -> _Marks:
    found: dict[float, list[_Mark]] = {target: [] for target in targets_of(report.identification)}
    for place, figures in enumerate(report.bands.bands if report.bands else ()):
        for point in figures.points:
            mark = read(point)
            if mark is not None:
                words = f"band {figures.band} {mark.words}"
                found[point.own.target].append(replace(mark, place=place, words=words))
    return {target: of for target, of in found.items() if of}


def _threshold(point: BandPoint) -> _Mark | None:
    own = point.own
    if own.threshold is None or own.interval is None or not math.isfinite(own.threshold):
        return None
    low, high = (end if math.isfinite(end) else own.threshold for end in own.interval)
    return _Mark(own.threshold, (low, high), tell_own(own).line)


def _rate(rate: Rate) -> _Mark | None:
    return _Mark(value_of(rate), interval_of(rate), tell(rate).line) if rate.n else None


def _lifted(mark: _Mark, floor: float) -> _Mark:
    """As a logarithmic axis can show it."""
    low, high = mark.interval
    return replace(mark, value=max(mark.value, floor), interval=(max(low, floor), max(high, floor)))


def _text(title: str, marks: _Marks) -> str:
    said = (f"FPIR {target:g}: {'; '.join(mark.words for mark in of)}" for target, of in marks.items())
    return f"{title}. {'. '.join(said)}."


def _draw(drawn: Chart, report: Report, marks: _Marks) -> None:
    """All marks over the bands, those of one band side by side."""
    by_target = colours(targets_of(report.identification))
    for row, (target, of) in enumerate(marks.items()):
        places = [mark.place + (row - (len(marks) - 1) / 2) * APART for mark in of]
        values, reach = [mark.value for mark in of], bars([mark.value for mark in of], [mark.interval for mark in of])
        drawn.axes.errorbar(
            places, values, yerr=reach, color=by_target[target], marker="o", markersize=4, capsize=3,
            linestyle="none", label=f"FPIR {target:g}",
        )  # fmt: skip
    names = [figures.band for figures in report.bands.bands] if report.bands else []
    drawn.axes.set_xticks(range(len(names)), names)
    drawn.axes.set_xlim(-0.5, len(names) - 0.5)
    drawn.axes.grid(visible=False, axis="x")
    drawn.axes.set_xlabel("quality band")


def _legend(drawn: Chart, title: str, columns: int) -> None:
    """Above the axes, where no mark can be."""
    drawn.axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), title=title, ncols=min(columns, 3), columnspacing=1.0,
        handletextpad=0.2,
    )  # fmt: skip
