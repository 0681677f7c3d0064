"""Plots in the report of a night: each gate's figure over the last nights, and where the time went."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from facebatch.charts import COLOURS, Chart, chart
from facebatch.gallery import drift, losses
from facebatch.gallery.gates import RATES
from facebatch.match import mates, strangers
from facebatch.pipelines import canary_photos
from facebatch.pipelines.reindex_history import Gate, Point
from facebatch.pipelines.reindex_night import Night, Stage

_WIDTH, _HEIGHT = 3.3, 1.9
"""Inches."""
_VALUE, _LIMIT, _USUAL = COLOURS[0], COLOURS[1], COLOURS[2]
_CAPTIONS: Final = {
    **{f"{rate.name}.new": f"New and changed images that {rate.words}" for rate in RATES},
    **{f"{rate.name}.whole": f"Images of the whole gallery that {rate.words}" for rate in RATES},
    losses.WHOLE.removeprefix("rate."): "Live templates whose images left their source",
    losses.SOURCE.removeprefix("rate."): "Templates whose images left, of the source that lost most",
    mates.NAME: "Mated canaries that find their subject",
    strangers.NAME: "Impostor canaries with a candidate at the threshold",
    drift.NAME: "Distance of new templates' similarities from earlier ones",
    canary_photos.NAME: "Least similarity of known photos, embedded again, to their templates",
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture in the page."""

    caption: str
    name: str
    """Of the figures, without what is before their topic."""
    text: str
    """What it shows, in words."""
    svg: str


def plot_histories(night: Night) -> tuple[Plot, ...]:
    """One plot per topic that earlier nights measured too: the limit and the usual range of a rate are in one."""
    topics: dict[str, list[Gate]] = {}
    for gate in night.gates:
        if gate.earlier:
            topics.setdefault(_topic(gate.figure.name), []).append(gate)
    return tuple(_history(topic, gates, night) for topic, gates in topics.items())


def plot_seconds(stages: Sequence[Stage]) -> Plot:
    """Horizontal bars of the stages, at least one, in the order of the run from above."""
    total, longest = sum(stage.seconds for stage in stages), max(stages, key=lambda stage: stage.seconds)
    text = f"{total:.1f} s in {len(stages)} stages; the longest is {longest.name} with {longest.seconds:.1f} s."
    with chart(text, 6.4, 0.5 + 0.26 * len(stages)) as drawn:
        bars = drawn.axes.barh(
            [stage.name for stage in stages], [stage.seconds for stage in stages], color=_VALUE, height=0.65
        )
        drawn.axes.bar_label(bars, labels=[f"{stage.seconds:.1f} s" for stage in stages], padding=3)
        drawn.axes.invert_yaxis()
        drawn.axes.margins(x=0.12)
        drawn.axes.grid(visible=False, axis="y")
        drawn.axes.set_xlabel("seconds")
    return Plot("Where the time went", "seconds", text, drawn.svg)


def _topic(name: str) -> str:
    """`rate.no_face.new` and `history.no_face.new` are two verdicts on one value."""
    kind, _, rest = name.partition(".")
    return rest if kind in ("rate", "history") else name


def _history(topic: str, gates: Sequence[Gate], night: Night) -> Plot:
    caption = _CAPTIONS.get(topic, topic)
    points = list(_points(gates[0], night))
    is_rate = points[-1].interval is not None
    text = _text(caption, points, gates[0], "{x:.2%}" if is_rate else "{x:.3f}")
    with chart(text, _WIDTH, _HEIGHT) as drawn:
        for gate in gates:
            colour, line = (_USUAL, ":") if gate.figure.name.startswith("history.") else (_LIMIT, "--")
            _limits(drawn, list(_points(gate, night)), colour, line)
        _values(drawn, points, night.snapshot if gates[0].figure.value is not None else None)
        drawn.axes.locator_params(axis="x", integer=True, nbins=6, min_n_ticks=1)
        drawn.axes.locator_params(axis="y", nbins=5)
        if points[-1].lowest is None:
            drawn.axes.set_ylim(bottom=0)
        drawn.axes.yaxis.set_major_formatter(_tick_format(drawn, is_rate=is_rate))
        drawn.axes.set_xlabel("snapshot")
    return Plot(caption, topic, text, drawn.svg)


def _tick_format(drawn: Chart, *, is_rate: bool) -> str:
    """As many decimals as five ticks need to differ."""
    low, high = drawn.axes.get_ylim()
    places = max(0, math.ceil(-math.log10((high - low) / 5)))
    return f"{{x:.{max(0, places - 2)}%}}" if is_rate else f"{{x:.{places}f}}"


def _points(gate: Gate, night: Night) -> Iterator[Point]:
    """The history, and this night where it was measured."""
    yield from gate.earlier
    figure = gate.figure
    if figure.value is not None:
        yield Point(night.snapshot, night.at, figure.value, figure.lowest, figure.highest, figure.interval)


def _values(drawn: Chart, points: Sequence[Point], tonight: int | None) -> None:
    numbers, values = [point.snapshot for point in points], [point.value for point in points]
    for point in points:
        if point.interval is not None:
            drawn.axes.plot([point.snapshot] * 2, point.interval, color=_VALUE, linewidth=1.0)
    drawn.axes.plot(numbers, values, color=_VALUE, linewidth=0.8, alpha=0.5)
    drawn.axes.plot(numbers, values, "o", color=_VALUE, markersize=4, clip_on=False)
    if tonight is not None:
        drawn.axes.plot(numbers[-1:], values[-1:], "o", color="black", fillstyle="none", markersize=9, clip_on=False)


def _limits(drawn: Chart, points: Sequence[Point], colour: str, line: str) -> None:
    numbers = [point.snapshot for point in points]
    for limits in ([point.lowest for point in points], [point.highest for point in points]):
        known = [math.nan if limit is None else limit for limit in limits]
        drawn.axes.plot(numbers, known, color=colour, linestyle=line, linewidth=1.1, marker="_", markersize=5)


def _text(caption: str, points: Sequence[Point], gate: Gate, form: str) -> str:
    values = [point.value for point in points]
    low, high, last = (form.format(x=number) for number in (min(values), max(values), values[-1]))
    span = f"snapshots {points[0].snapshot} to {points[-1].snapshot}, between {low} and {high}"
    now = f"last {last}" if gate.figure.value is not None else "not measured this time"
    limits = [f"{word} {form.format(x=limit)}" for word, limit in _named(gate) if limit is not None]
    return f"{caption}: {', '.join([span, now, *limits])}."


def _named(gate: Gate) -> tuple[tuple[str, float | None], tuple[str, float | None]]:
    return ("at least", gate.figure.lowest), ("at most", gate.figure.highest)
