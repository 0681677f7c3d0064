"""How far a run is, on stderr: a bar on a terminal, a line now and then elsewhere, or nothing. Never on stdout."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

LINE_INTERVAL_S = 10.0
"""Seconds between two plain lines."""
RATE_AFTER_S = 0.1
"""Seconds before which a rate is left out: it would be that of the clock."""


class Stage(Protocol):
    """One stage of a run under way."""

    def advance(self, count: int = 1, *, images: int = 0) -> None:
        """`count` more units are done, with `images` images in them."""
        ...


class Progress(Protocol):
    """Shows stages, one at a time."""

    def stage(self, name: str, *, total: int, unit: str) -> AbstractContextManager[Stage]:
        """Show `name` while the context lasts; `total` and `advance` count in `unit`, a plural noun."""
        ...


def open_progress(mode: Literal["auto", "plain", "none"]) -> Progress:
    """ "auto": a bar when stderr is a terminal, else lines; "plain": lines; "none": nothing, for --json and --quiet."""
    if mode == "none":
        return SilentProgress()
    if mode == "auto" and sys.stderr.isatty():
        return BarProgress()
    return LineProgress(sys.stderr)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a stage stands."""

    name: str
    unit: str
    total: int
    done: int
    images: int
    seconds: float
    """Since the stage began."""

    def figures(self) -> str:
        """Counts, rate and time left, for example "12/40 shards, 3 100 images, 41.2 images/s, 0:01:10 left".

        The rate is the mean since the stage began, in images when there are any. Rate and time left are absent until
        something is done and RATE_AFTER_S have passed; how long a whole stage took is told of a short one too.
        """
        parts = [f"{_grouped(self.done)}/{_grouped(self.total)} {self.unit}"]
        if self.images:
            parts.append(f"{_grouped(self.images)} images")
        timed = self.done > 0 and self.seconds >= RATE_AFTER_S
        if timed:
            count, unit = (self.images, "images") if self.images else (self.done, self.unit)
            parts.append(f"{_rate(count / self.seconds)} {unit}/s")
        if timed and self.done < self.total:
            parts.append(f"{_clock(self.seconds / self.done * (self.total - self.done))} left")
        elif self.done and self.seconds > 0 and self.done >= self.total:
            parts.append(f"{_clock(self.seconds)} taken")
        return ", ".join(parts)


class SilentProgress:
    """Shows nothing."""

    @contextmanager
    def stage(self, name: str, *, total: int, unit: str) -> Iterator[Stage]:
        """See `Progress.stage`."""
        yield _Counter(name, unit, total, time.monotonic)


class LineProgress:
    """Writes a line every LINE_INTERVAL_S seconds of progress, and one when the stage ends, also by an error."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock

    @contextmanager
    def stage(self, name: str, *, total: int, unit: str) -> Iterator[Stage]:
        """See `Progress.stage`."""
        last = self._clock()

        def show(position: Position) -> None:
            nonlocal last
            if self._clock() - last >= LINE_INTERVAL_S:
                last = self._clock()
                self._write(position)

        counter = _Counter(name, unit, total, self._clock, show)
        try:
            yield counter
        finally:
            self._write(counter.position())

    def _write(self, position: Position) -> None:
        self._stream.write(f"{position.name} {position.figures()}\n")
        self._stream.flush()


class BarProgress:
    """A bar that is redrawn in place. `console` must write to stderr."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)

    @contextmanager
    def stage(self, name: str, *, total: int, unit: str) -> Iterator[Stage]:
        """See `Progress.stage`."""
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
        # stdout is left alone: it belongs to results.
        with RichProgress(*columns, console=self._console, redirect_stdout=False) as bars:
            bar = bars.add_task(name, total=total, figures=Position(name, unit, total, 0, 0, 0.0).figures())

            def show(position: Position) -> None:
                bars.update(bar, completed=position.done, figures=position.figures())

            yield _Counter(name, unit, total, time.monotonic, show)


class _Counter:
    """Counts for one stage and shows each new position. Used by one thread, the driver of the run."""

    def __init__(
        self,
        name: str,
        unit: str,
        total: int,
        clock: Callable[[], float],
        show: Callable[[Position], None] = lambda position: None,
    ) -> None:
        self._name = name
        self._unit = unit
        self._total = total
        self._clock = clock
        self._show = show
        self._started = clock()
        self._done = 0
        self._images = 0

    def advance(self, count: int = 1, *, images: int = 0) -> None:
        self._done += count
        self._images += images
        self._show(self.position())

    def position(self) -> Position:
        seconds = self._clock() - self._started
        return Position(self._name, self._unit, self._total, self._done, self._images, seconds)


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _rate(number: float) -> str:
    return f"{number:.1f}" if number < 1000 else _grouped(round(number))


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
