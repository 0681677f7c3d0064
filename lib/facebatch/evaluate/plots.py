"""Plots of one evaluation: pure functions of its state, None where there is nothing to draw."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facebatch.charts import COLOURS, Chart, chart
from facebatch.evaluate.axes import bars, log_counts, log_shares, on_floor, shares
from facebatch.evaluate.discard import Discard
from facebatch.evaluate.error_rates import IdentificationFigures
from facebatch.evaluate.intervals import Rate
from facebatch.evaluate.report import Report
from facebatch.evaluate.score_histograms import BINS, edges
from facebatch.evaluate.words import percent, plural, similarity, tell

WIDE, SQUARE, HIGH = 6.4, 4.6, 3.3
"""Inches."""
FEWEST_LEFT = 30
"""Searches that must be left for a point of error versus discard to be drawn."""
FALSE_ALARMS, MISSES = COLOURS[1], COLOURS[0]
"""Colours of both errors."""
_OF_TARGETS = (COLOURS[2], COLOURS[3], COLOURS[4], COLOURS[5], COLOURS[6])


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture in the page."""

    name: str
    """Stable."""
    title: str
    how: str
    """How to read it, for somebody who never saw one."""
    text: str
    """What it shows, in words: the alternative to the picture."""
    svg: str


def colours(targets: Sequence[float]) -> dict[float, str]:
    """The colour of each FPIR target, the same in all plots."""
    return {target: _OF_TARGETS[row % len(_OF_TARGETS)] for row, target in enumerate(targets)}


def plot_rates(report: Report) -> Plot | None:
    """FPIR and FNIR over T."""
    curves, figures = report.curves, report.identification
    if not len(curves.thresholds):
        return None
    floor = min(floors(figures))
    ends = [
        f"{similarity(float(curves.thresholds[end]))}, {percent(float(curves.fpir[end]))} false alarms and "
        f"{percent(float(curves.fnir[end]))} misses"
        for end in (0, -1)
    ]
    text = f"Both errors by threshold: at {'; at '.join(ends)}."
    with chart(text, WIDE, HIGH) as drawn:
        for rates, colour, label in (
            (curves.fpir, FALSE_ALARMS, "false alarms: FPIR"),
            (curves.fnir, MISSES, "misses: FNIR"),
        ):
            drawn.axes.plot(curves.thresholds, on_floor(rates, floor), color=colour, label=label)
        _draw_thresholds(drawn, figures)
        log_shares(drawn, "y", [*curves.fpir.tolist(), *curves.fnir.tolist()], floor)
        drawn.axes.set_xlabel("threshold T (similarity)")
        drawn.axes.legend(loc="best")
    how = (
        "A higher threshold lets fewer false alarms through and misses more people; where a dashed line crosses the "
        "two curves is what that threshold costs."
    )
    return Plot("rates", "Both errors by threshold", how, text, drawn.svg)


def plot_cmc(figures: IdentificationFigures) -> Plot | None:
    """CMC over log rank, with its intervals."""
    points = [(rank, both.counted) for rank, both in figures.cmc if both.counted.n]
    if not points:
        return None
    ranks, values = [rank for rank, _ in points], [value_of(rate) for _, rate in points]
    intervals = [interval_of(rate) for _, rate in points]
    text = f"Mates found by rank. {'; '.join(f'{rank}: {tell(rate, few=False).line}' for rank, rate in points)}."
    with chart(text, WIDE, HIGH) as drawn:
        low, high = zip(*intervals, strict=True)
        drawn.axes.fill_between(ranks, low, high, color=MISSES, alpha=0.15, linewidth=0)
        drawn.axes.errorbar(
            ranks, values, yerr=bars(values, intervals), color=MISSES, marker="o", markersize=4, capsize=3
        )
        log_counts(drawn, "x", ranks)
        shares(drawn, "y")
        drawn.axes.set_xlabel("R: candidates that a person looks at")
        drawn.axes.set_ylabel("mates among them: CMC(R)")
    how = (
        "Of the searches of people in the gallery, the share that has their entry among the first R candidates: "
        "higher is better; bars and band are the 95 % interval."
    )
    return Plot("cmc", "How far down the list the mate is (CMC)", how, text, drawn.svg)


def plot_histograms(report: Report) -> Plot | None:
    """The mates' similarities and the best non-mates', each as shares of its own searches."""
    found = report.histograms
    named = (
        (found.nonmated, FALSE_ALARMS, "best candidate of people not in the gallery"),
        (found.mated, MISSES, "mates"),
    )
    sides = [side for side in named if side[0].any()]
    if not sides:
        return None
    used = np.flatnonzero(found.mated + found.nonmated)
    first, end = max(0, int(used[0]) - 1), min(BINS, int(used[-1]) + 2)
    said = [f"{label}: {plural(int(counts.sum()), 'search')}, median about {_median(counts):.2f}"
            for counts, _, label in sides]  # fmt: skip
    hidden = [f"{plural(found.unlisted, 'mate')} not listed, of unknown similarity"] if found.unlisted else []
    text = f"Similarities. {'; '.join([*said, *hidden])}."
    with chart(text, WIDE, HIGH) as drawn:
        for counts, colour, label in sides:
            part, borders = counts[first:end] / counts.sum(), edges()[first : end + 1]
            drawn.axes.stairs(part, borders, fill=True, alpha=0.3, color=colour, label=label)
            drawn.axes.stairs(part, borders, color=colour)
        _draw_thresholds(drawn, report.identification)
        shares(drawn, "y")
        drawn.axes.set_xlabel("similarity")
        drawn.axes.set_ylabel("share of searches")
        drawn.legend_above(2)
    how = (
        "Blue is how alike a person and the own entry are, orange how alike a person who is not in the gallery and the "
        "best candidate: the less they overlap the better; right of a dashed line a candidate counts."
    )
    return Plot("histograms", "Similarities of mates and of others", how, text, drawn.svg)


def plot_discard(report: Report) -> Plot | None:
    """FNIR over the share of mated searches discarded, as far as FEWEST_LEFT are left; None for `why_no_discard`."""
    curve = report.discard
    if curve is None or why_no_discard(curve):
        return None
    kept = curve.searches * (1 - curve.share) >= FEWEST_LEFT
    share, fnir = curve.share[kept], curve.fnir[kept]
    text = (
        f"Misses of {plural(curve.searches, 'search')}: {percent(float(fnir[0]))} of all, {percent(float(fnir[-1]))} "
        f"without the {percent(float(share[-1]))} of lowest quality; threshold {similarity(curve.threshold)}."
    )
    with chart(text, WIDE, HIGH) as drawn:
        drawn.axes.plot(share, fnir, color=MISSES, label="this quality")
        best = np.maximum(0, (fnir[0] - share) / (1 - share))
        drawn.axes.plot(share, best, color=COLOURS[2], linestyle=":", label="a quality that foresees every miss")
        drawn.axes.set_ylim(bottom=0)
        shares(drawn, "x")
        shares(drawn, "y")
        drawn.axes.set_xlabel("searches of lowest quality left out")
        drawn.axes.set_ylabel("misses among the rest: FNIR")
        drawn.axes.legend(loc="best")
    how = (
        "If the worst photos were not searched: a line that falls says that quality foresees misses, a flat one that "
        f"it does not; it ends where fewer than {FEWEST_LEFT} searches are left."
    )
    return Plot("discard", "Misses without the photos of lowest quality", how, text, drawn.svg)


def why_no_discard(curve: Discard) -> str:
    """Why such a curve is not drawn; empty where it is."""
    if curve.searches < 2 * FEWEST_LEFT:
        return f"No plot: fewer than {2 * FEWEST_LEFT} searches have a quality."
    return "" if curve.fnir.any() else "No plot: nobody was missed."


def floors(figures: IdentificationFigures) -> tuple[float, float]:
    """FPIR and FNIR of half a search, where none is drawn on logarithmic axes; both sides have searches."""
    return 0.5 / figures.targets[0].searches, 0.5 / figures.investigation.counted.n


def targets_of(figures: IdentificationFigures) -> list[float]:
    """FPIR targets, in their order."""
    return [point.target for point in figures.targets]


def value_of(rate: Rate) -> float:
    """Where a rate is drawn; 0 without a trial."""
    return rate.count / rate.n if rate.n else 0.0


def interval_of(rate: Rate) -> tuple[float, float]:
    """Where its interval is drawn; all of [0, 1] without a trial."""
    return rate.low or 0.0, 1.0 if rate.high is None else rate.high


def _median(counts: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> float:
    """Middle of the bin in which it lies."""
    row = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    return float(edges()[row : row + 2].mean())


def _draw_thresholds(drawn: Chart, figures: IdentificationFigures) -> None:
    """A dashed line where a target has a finite threshold."""
    by_target = colours(targets_of(figures))
    for point in figures.targets:
        if point.threshold is not None and np.isfinite(point.threshold):
            label = f"threshold for FPIR {point.target:g}"
            drawn.axes.axvline(
                point.threshold, color=by_target[point.target], linestyle="--", linewidth=1.1, label=label
            )
