"""When a frame is shown, and which frames of a range are looked at. Pure: no video is opened here.

All times are whole microseconds since the start of the video, which is its earliest frame, whatever number the
container gives that one.
"""

import heapq
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TypeVar

FrameT = TypeVar("FrameT")

SECOND = 1_000_000
"""us."""

ROUNDING = 2_000
"""us. Matroska rounds time stamps to 1 ms: of two frames equally near to a moment one may seem nearer by that much."""


class Clock:
    """The time stamps of one stream, in its time base, as times."""

    def __init__(self, time_base: Fraction, zero: int, step: Fraction | None) -> None:
        self._time_base = time_base
        self._zero = zero
        self._step = step
        """Seconds between two frames, for those without any time stamp; None: unknown."""
        self._order: list[int] = []
        self._last: int | None = None

    def sent(self, pts: int | None, dts: int | None) -> None:
        """A packet went to the decoder. Where a container stores no `pts` (AVI), frames get the `dts` in order."""
        if pts is None and dts is not None:
            heapq.heappush(self._order, dts)

    def read(self, pts: int | None) -> int | None:
        """When the frame that now came out of the decoder is shown, us; None where nothing tells."""
        stamp = heapq.heappop(self._order) if pts is None and self._order else pts
        if stamp is not None:
            self._last = self.time(stamp)
        elif self._last is not None and self._step is not None:
            self._last += round(self._step * SECOND)
        else:
            self._last = None
        return self._last

    def time(self, stamp: int) -> int:
        """A time stamp in us since the start of the video."""
        return round((stamp - self._zero) * self._time_base * SECOND)


def nearest(frames: Iterable[tuple[int, FrameT]], start: int, rate: float) -> Iterator[tuple[int, FrameT]]:
    """The frames nearest to the moments `start`, `start` + 1/`rate`, `start` + 2/`rate`, ..., each once, in order.

    `frames` are (time in us, frame), times >= `start` and rising; one frame is held back. Of two equally near frames,
    up to ROUNDING, the earlier is taken, so the same pictures are taken out of every container. Moments more than
    ROUNDING after the last frame have none. `rate` is per second, > 0.
    """
    held: tuple[int, FrameT] | None = None
    given = False
    step = 0
    for at, frame in frames:
        chosen = False
        while (moment := start + round(step * SECOND / rate)) <= at + ROUNDING:
            step += 1
            if held is None or moment - held[0] > abs(at - moment) + ROUNDING:
                chosen = True
            elif not given:
                yield held
                given = True
        held, given = (at, frame), chosen
        if chosen:
            yield held
