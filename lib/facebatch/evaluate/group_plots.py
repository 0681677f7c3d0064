"""Plots of error rates by group: pure functions of their states, None where there is nothing to draw."""

from collections.abc import Sequence

import numpy as np

from facebatch.charts import COLOURS, Chart, chart
from facebatch.evaluate.axes import bars, log_shares, on_floor, shares
from facebatch.evaluate.cross_groups import Cell, FmrMatrix
from facebatch.evaluate.group_curves import GroupCurve
from facebatch.evaluate.group_words import tell_cell, tell_group
from facebatch.evaluate.intervals import Rate
from facebatch.evaluate.plots import SQUARE, Plot
from facebatch.evaluate.sufficiency import GroupRate, GroupRates
from facebatch.evaluate.words import percent, whole

SMALL = 3.6
"""Inches."""
MOST_DRAWN = 16
"""Groups; with more a plot cannot be read, and the tables tell all."""
_LINES = ("-", "--", ":", "-.")


def plot_group_rates(name: str, title: str, rates: GroupRates, where: str) -> Plot | None:
    """One rate of every group as bars with intervals; groups that are too small are named as such."""
    groups = rates.groups
    if not rates.told or len(groups) > MOST_DRAWN:
        return None
    said = "; ".join(f"{one.group}: {tell_group(one).line}" for one in groups)
    text = f"{title}; {where}. {said}; everyone: {percent(rates.overall.count / rates.overall.n)}."
    with chart(text, SMALL, 0.8 + 0.3 * len(groups)) as drawn:
        for place, one in enumerate(groups):
            _draw_bar(drawn, place, one)
        drawn.axes.axvline(rates.overall.count / rates.overall.n, color="black", linestyle="--", linewidth=1.0)
        drawn.axes.set_yticks(range(len(groups)), [_short(one.group) for one in groups])
        drawn.axes.set_ylim(len(groups) - 0.4, -0.6)
        drawn.axes.set_xlim(left=0)
        drawn.axes.grid(visible=False, axis="y")
        drawn.axes.locator_params(axis="x", nbins=5)
        shares(drawn, "x")
    how = "The longer the bar the more errors; the thin line is the 95 % interval, the dashed one the rate of everyone."
    return Plot(name, title, how, text, drawn.svg)


def plot_matrix(name: str, title: str, matrix: FmrMatrix, where: str) -> Plot | None:
    """FMR across groups: colours are log10, in the cells the share and its counts."""
    cells = matrix.cells
    logs = np.array([[np.nan if cell.log10 is None else cell.log10 for cell in row] for row in cells])
    if np.isnan(logs).all() or len(matrix.groups) > MOST_DRAWN:
        return None
    said = [
        f"{group} against {other}: {tell_cell(cell).line}"
        for group, row in zip(matrix.groups, cells, strict=True)
        for other, cell in zip(matrix.groups, row, strict=True)
    ]
    text = f"{title}; {where}. {'; '.join(said)}."
    size = 1.6 + 1.1 * len(matrix.groups)
    with chart(text, size, 0.8 + 0.55 * len(matrix.groups)) as drawn:
        low, high = np.nanmin(logs), np.nanmax(logs)
        drawn.axes.pcolormesh(
            np.ma.masked_invalid(logs), cmap="Blues", vmin=low - 0.5, vmax=high + 0.5, edgecolors="white", linewidth=1
        )
        for row, line in enumerate(cells):
            for column, cell in enumerate(line):
                dark = bool(logs[row, column] > (low + high) / 2)
                _write_cell(drawn, (row, column), cell, "white" if dark else "black")
        places = np.arange(len(matrix.groups)) + 0.5
        labels = [_short(group) for group in matrix.groups]
        drawn.axes.set_xticks(places, labels)
        drawn.axes.set_yticks(places, labels)
        drawn.axes.invert_yaxis()
        drawn.axes.grid(visible=False)
        drawn.axes.set_xlabel("group in the gallery")
        drawn.axes.set_ylabel("group searched")
    how = (
        "Each cell compares people of the group on the left with other people of the group below: the darker, the more "
        "of these pairs are taken for one person. The upper number is log10 of FMR: one less is a tenth."
    )
    return Plot(name, title, how, text, drawn.svg)


def plot_group_det(name: str, curves: Sequence[GroupCurve], where: str) -> Plot | None:
    """The DET line of each group, one threshold for all."""
    drawable = [one for one in curves if len(one.curves.thresholds)]
    if not drawable or len(drawable) > MOST_DRAWN:
        return None
    said = [f"{one.group}, {whole(one.mated)} mated and {whole(one.non_mated)} non-mated searches" for one in drawable]
    text = f"False alarms against misses by group of the person searched; {where}: {'; '.join(said)}."
    floors = tuple(0.5 / max(getattr(one, side) for one in drawable) for side in ("non_mated", "mated"))
    with chart(text, SQUARE + 0.8, SQUARE) as drawn:
        for row, one in enumerate(drawable):
            x, y = on_floor(one.curves.fpir, floors[0]), on_floor(one.curves.fnir, floors[1])
            style = _LINES[row // len(COLOURS) % len(_LINES)]
            label = f"group {_short(one.group)}"
            drawn.axes.plot(x, y, color=COLOURS[row % len(COLOURS)], linestyle=style, label=label)
        log_shares(drawn, "x", [value for one in drawable for value in one.curves.fpir.tolist()], floors[0])
        log_shares(drawn, "y", [value for one in drawable for value in one.curves.fnir.tolist()], floors[1])
        drawn.axes.set_xlabel("false alarms: FPIR(N, T)")
        drawn.axes.set_ylabel("misses: FNIR(N, L, T)")
        drawn.axes.legend(loc="best")
    how = (
        "A line per group, as in the plot for everyone: the further to the lower left, the better a group "
        "is served; one threshold lies at other points of each line, and the bars say what it costs each group."
    )
    return Plot(name, "False alarms against misses by group (DET)", how, text, drawn.svg)


def _draw_bar(drawn: Chart, place: int, one: GroupRate) -> None:
    if not isinstance(one.told, Rate) or not one.told.n:
        drawn.axes.text(
            0.01, place, " too few", va="center", transform=drawn.axes.get_yaxis_transform(), color="#57606a"
        )
        return
    value = one.told.count / one.told.n
    interval = (one.told.low or 0.0, 1.0 if one.told.high is None else one.told.high)
    drawn.axes.barh([place], [value], color=COLOURS[0], alpha=0.55, height=0.6)
    drawn.axes.errorbar([value], [place], xerr=bars([value], [interval]), color=COLOURS[0], capsize=3, linewidth=1.2)


def _write_cell(drawn: Chart, at: tuple[int, int], cell: Cell, colour: str) -> None:
    row, column = at
    few = not isinstance(cell.told, Rate)
    told = f"{whole(cell.pairs)} pairs" if few else f"{cell.count}{'+' if cell.hidden else ''} of {whole(cell.pairs)}"
    value = "too few" if few else "none seen" if cell.log10 is None else f"{cell.log10:.2f}"
    drawn.axes.text(
        column + 0.5, row + 0.5, f"{value}\n{told}", ha="center", va="center", fontsize=7.5,
        color="black" if cell.log10 is None else colour,
    )  # fmt: skip


def _short(name: str) -> str:
    """As much of a name as fits."""
    return name if len(name) <= 24 else f"{name[:23]}\N{HORIZONTAL ELLIPSIS}"
