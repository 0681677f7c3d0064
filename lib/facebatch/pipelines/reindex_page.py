"""The report of a night as a page that needs nothing else, and the same as JSON."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pydantic import TypeAdapter

from facebatch.gallery.figures import GateFigure
from facebatch.pipelines.pages import PAGES, count
from facebatch.pipelines.reindex_dates import Dates
from facebatch.pipelines.reindex_history import NIGHTS, Gate
from facebatch.pipelines.reindex_night import Night
from facebatch.pipelines.reindex_plots import plot_histories, plot_seconds
from facebatch.storage.clock import TOLD, say
from facebatch.storage.documents import canonical

UNKNOWN_SHOWN = 50
"""Lines of a deletion request that the page repeats; the JSON has all."""
_STATE: Final = TypeAdapter(Night)
_TITLES: Final = {
    "published": "Reindex: snapshot {} is published",
    "unchanged": "Reindex: nothing to do, snapshot {} stays",
    "failed": "Reindex: snapshot {} is not published",
    "stored": "Snapshot {}, as the gallery records it",
}
_VERDICTS: Final = {True: "passed", False: "failed", None: "not measured"}


@dataclass(frozen=True, slots=True)
class Line:
    """One gate in the table."""

    name: str
    verdict: str
    value: str
    allowed: str
    n: str
    words: str


def to_json(night: Night) -> bytes:
    """The state as canonical JSON; `pydantic.TypeAdapter(Night)` reads it back."""
    return canonical(_STATE.dump_python(night, mode="json"))


def render(night: Night) -> str:
    """The page, HTML with everything inside."""
    return PAGES.get_template("reindex.html.j2").render(
        night=night,
        title=_TITLES[night.outcome].format(night.snapshot),
        failed=[gate.figure for gate in night.gates if gate.figure.passed is False],
        doubts=list(_doubts(night.dates)) if night.dates else [],
        lines=list(_lines(night.gates)),
        histories=plot_histories(night),
        durations=plot_seconds(night.stages) if night.stages else None,
        unknown_shown=UNKNOWN_SHOWN,
        nights=NIGHTS,
    )


def _doubts(dates: Dates) -> Iterator[str]:
    """What of dates and clocks deserves a look, in sentences."""
    if dates.clock_skew_s is not None and abs(dates.clock_skew_s) > TOLD.total_seconds():
        yield say(timedelta(seconds=dates.clock_skew_s))
    for number, words in (
        (dates.shards_in_future, "shard{} with images captured after tomorrow"),
        (dates.images_too_early, "image{} captured by a clock that was never set, or too early"),
        (dates.images_after_expiry, "image{} captured after expiry"),
    ):
        if number:
            yield f"{count(number)} {words.format('s' * (number != 1))}"


def _lines(gates: Iterable[Gate]) -> Iterator[Line]:
    """Failed first, then not measured, then passed; in the order of the gates otherwise."""
    order = (False, None, True)
    for figure in sorted((gate.figure for gate in gates), key=lambda figure: order.index(figure.passed)):
        yield Line(
            name=figure.name,
            verdict=_VERDICTS[figure.passed],
            value=_number(figure, figure.value),
            allowed=_allowed(figure),
            n=count(figure.n),
            words=figure.words,
        )


def _allowed(figure: GateFigure) -> str:
    if figure.value is None:
        return ""
    low, high = (_number(figure, limit) for limit in (figure.lowest, figure.highest))
    if low and high:
        return low if low == high else f"{low} to {high}"
    return f"at least {low}" if low else f"at most {high}" if high else ""


def _number(figure: GateFigure, number: float | None) -> str:
    """A rate as percent, a whole count as such, anything else with three decimals; empty for None."""
    if number is None:
        return ""
    if figure.count is not None:
        return f"{number:.2%}"
    return count(int(number)) if number == int(number) else f"{number:.3f}"
