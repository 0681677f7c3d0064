"""The gate figures of a night beside those of the nights before. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from facebatch.gallery.figures import GateFigure, earlier
from facebatch.gallery.history import Measured
from facebatch.gallery.snapshots import Snapshot

NIGHTS = 30
"""Latest snapshots that are shown."""
COUNTS = "counts."
"""Leads the names of figures that are 0 or wrong: no history is kept of them, a plot would show a line at 0."""


@dataclass(frozen=True, slots=True)
class Point:
    """One figure of one earlier night."""

    snapshot: int
    at: datetime
    """Aware UTC."""
    value: float
    lowest: float | None
    highest: float | None
    interval: tuple[float, float] | None
    """95 %, where the value is a rate."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One figure of the night beside its history."""

    figure: GateFigure
    """Without histogram and parts, and without the name of a shard, which may be that of a person."""
    earlier: tuple[Point, ...]
    """Comparable figures of earlier nights, oldest first."""


def gates_of(snapshot: Snapshot, past: Sequence[Measured]) -> tuple[Gate, ...]:
    """The figures of a snapshot, each beside those of the latest NIGHTS of `past` that came before it."""
    before = [night for night in past if night.seq < snapshot.seq][-NIGHTS:]
    return tuple(Gate(_discreet(figure, snapshot), _points(figure, before)) for figure in snapshot.gates)


def _points(figure: GateFigure, past: Sequence[Measured]) -> tuple[Point, ...]:
    if figure.name.startswith(COUNTS):
        return ()
    return tuple(
        Point(night.seq, night.at, seen.value, seen.lowest, seen.highest, seen.interval)
        for night in past
        for seen in earlier([night.gates], figure.name, figure.basis)
        if seen.value is not None
    )


def _discreet(figure: GateFigure, snapshot: Snapshot) -> GateFigure:
    """The words of a failed count name a shard; the job's own message has it, a page goes further."""
    words, named = figure.words, []
    if figure.passed is False:
        named = [shard.shard_uri for shard in snapshot.shards if shard.shard_uri in words]
    if named:
        words = words.replace(max(named, key=len), "the message of the job names the")
    return figure.model_copy(update={"words": words, "histogram": None, "parts": ()})
