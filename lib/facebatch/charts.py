"""Plots as SVG text that goes into a page: the same bytes for the same data, nothing fetched, legible when printed."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Told apart with any colour vision (Okabe and Ito, Color Universal Design, 2008)."""

_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e2e2e2",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=COLOURS),
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "text.parse_math": False,  # a "$" in a name is a dollar
}
_GROUP_ID = re.compile(r'<g id="[^"]*"')
"""Names that nothing refers to, the same in every picture."""
_PREFACE = re.compile(r"^.*?(?=<svg)", re.DOTALL)


class Chart:
    """A figure under construction; `svg` is set once the context of `chart` is left."""

    def __init__(self, figure: Figure, axes: Axes) -> None:
        self.figure = figure
        self.axes = axes
        self.svg = ""

    def legend_above(self, columns: int) -> None:
        """Name what has a label above the axes, where it covers nothing."""
        self.figure.legend(*self.axes.get_legend_handles_labels(), loc="outside upper left", ncols=columns)


@contextmanager
def chart(title: str, width: float = 6.4, height: float = 3.6) -> Iterator[Chart]:
    """Draw on `Chart.axes` inside the context; sizes in inches.

    `title` is what a screen reader says of the picture, and sets its ids apart from those of others in a page.
    """
    with mpl.rc_context({**_STYLE, "svg.hashsalt": title}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        drawn = Chart(figure, figure.subplots())
        yield drawn
        drawn.svg = _text(figure, title)


def _text(figure: Figure, title: str) -> str:
    """The figure's <svg> element, without the preface of an XML file and without date and creator."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    element = _GROUP_ID.sub("<g", _PREFACE.sub("", out.getvalue()))
    return element.replace("<svg ", '<svg role="img" ', 1).strip()
