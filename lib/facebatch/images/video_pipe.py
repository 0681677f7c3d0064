"""What the decoding process says to the one that started it: frames, and at last why there are no more.

A message is a header, and then the pixels of a frame or UTF-8 text. The receiving side trusts none of the numbers.
"""

import os
import select
import struct
import time
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from facebatch.images.container import broken

_HEADER = struct.Struct("<cqII")
"""Kind, time in ms, rows or length of the text, columns."""
_FRAME, _TEXT = b"f", b"t"
_MAX_TEXT = 4096


def send_frame(out: BinaryIO, at_ms: int, pixels: npt.NDArray[np.uint8]) -> None:
    """`pixels` is (height, width, 3), C-contiguous. Waits until all of it is taken."""
    out.write(_HEADER.pack(_FRAME, at_ms, *pixels.shape[:2]))
    out.write(pixels.data)
    out.flush()


def send_text(out: BinaryIO, text: str) -> None:
    """The last message."""
    data = text.encode("utf-8", "backslashreplace")[:_MAX_TEXT]
    out.write(_HEADER.pack(_TEXT, 0, len(data), 0) + data)
    out.flush()


class Inbox:
    """The receiving end of the pipe."""

    def __init__(self, descriptor: int, max_pixels: int, timeout_s: float) -> None:
        self._descriptor = descriptor
        self._max_pixels = max_pixels
        self._left = timeout_s
        """Seconds of waiting that remain; time between two calls does not count."""
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def receive(self) -> tuple[int, npt.NDArray[np.uint8]] | str | None:
        """A frame as (time in ms, (height, width, 3) uint8 read-only), the last text, or None where the pipe was closed
        without one. Raises TimeoutError when the waiting of all calls together is used up, Fault for what is no
        message.
        """
        header = bytearray(_HEADER.size)
        if not self._fill(memoryview(header)):
            return None
        kind, at_ms, first, second = _HEADER.unpack(header)
        if kind == _TEXT and first <= _MAX_TEXT:
            text = bytearray(first)
            return text.decode("utf-8", "replace") if self._fill(memoryview(text)) else None
        if kind != _FRAME or not 0 < first * second <= self._max_pixels:
            raise broken("the decoder lost its way")
        pixels = np.empty((first, second, 3), np.uint8)
        if not self._fill(pixels.data.cast("B")):
            return None
        pixels.flags.writeable = False
        return at_ms, pixels

    def _fill(self, view: memoryview) -> bool:
        """Whether as many bytes came before the pipe was closed."""
        done = 0
        while done < len(view):
            self._wait()
            got = os.readv(self._descriptor, [view[done:]])
            if not got:
                return False
            done += got
        return True

    def _wait(self) -> None:
        began = time.monotonic()
        ready = self._poll.poll(max(0.0, self._left) * 1000.0)
        self._left -= time.monotonic() - began
        if not ready:
            raise TimeoutError
