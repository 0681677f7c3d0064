"""The trade-off of 1:1 comparisons as a picture, and as points for a file."""

from dataclasses import dataclass

import numpy as np

from facebatch.charts import COLOURS, chart
from facebatch.evaluate.axes import log_shares, on_floor
from facebatch.evaluate.plots import SQUARE
from facebatch.evaluate.verification import Comparisons, det

MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class DetPoint:
    """One threshold."""

    threshold: float
    fmr: float
    fnmr: float


def det_points(comparisons: Comparisons) -> tuple[DetPoint, ...]:
    """At most MOST_POINTS points of the DET, evenly taken, both ends among them; ascending by threshold."""
    found = det(comparisons)
    count = len(found.thresholds)
    rows = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(np.int64))
    columns = (found.thresholds[rows], found.fmr[rows], found.fnmr[rows])
    return tuple(DetPoint(*map(float, point)) for point in zip(*columns, strict=True))


def plot_pairs_det(comparisons: Comparisons) -> str:
    """log FMR by log FNMR as SVG. A rate below half a comparison is drawn as "none"."""
    points = det_points(comparisons)
    fmr, fnmr = ([getattr(point, name) for point in points] for name in ("fmr", "fnmr"))
    floors = 0.5 / len(comparisons.non_mated), 0.5 / len(comparisons.mated)
    text = f"DET of {len(comparisons.mated)} mated and {len(comparisons.non_mated)} non-mated comparisons."
    with chart(text, SQUARE, SQUARE) as drawn:
        xs, ys = on_floor(np.array(fmr), floors[0]), on_floor(np.array(fnmr), floors[1])
        drawn.axes.step(xs, ys, where="post", color=COLOURS[0])
        log_shares(drawn, "x", fmr, floors[0])
        log_shares(drawn, "y", fnmr, floors[1])
        drawn.axes.set_xlabel("false matches: FMR(T)")
        drawn.axes.set_ylabel("false non-matches: FNMR(T)")
    return drawn.svg
