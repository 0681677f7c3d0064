"""What an image file says of itself before a pixel is decoded, and the faults found while reading it.

The three walkers (`jpeg`, `png`, `webp`) read the container with bounds checks only, so that limits are applied before
a decoder sees the bytes. JPEG and PNG are handed on without their metadata: text, profiles, previews and EXIF are
where decoders warn, inflate or seek, and none of it changes a pixel.
"""

import struct
from dataclasses import dataclass
from typing import Literal

from facebatch.schemas import Outcome

ImageFormat = Literal["JPEG", "PNG", "WEBP"]

_ORIENTATION_TAG = 0x0112
_SHORT = 3


class Fault(Exception):
    """Why an image goes no further. Caught in `decode`; never leaves this package's image modules."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Container:
    """An image file whose header was read."""

    format: ImageFormat
    width: int
    """px as stored, before the orientation is applied."""
    height: int
    orientation: int
    """EXIF 1-8; 1 where it is absent or unreadable."""
    animated: bool
    """More than one frame."""
    data: bytes
    """What the decoder gets; meaningless when there is a fault."""
    fault: Fault | None = None
    """What is wrong behind the header; later than the limits on size, which a cut file can break too."""

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height, px, after the orientation is applied."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def broken(reason: str) -> Fault:
    """The bytes are not what the format demands."""
    return Fault(Outcome.DECODE_ERROR, reason)


def cut(reason: str) -> Fault:
    """The bytes end early."""
    return Fault(Outcome.TRUNCATED, reason)


def exif_orientation(exif: bytes) -> int:
    """Tag 0x0112 of IFD0 (Exif 2.32, 4.6.4), 1-8; 1 when anything on the way to it is unreadable.

    `exif` begins with a TIFF header, or with `Exif\\0\\0` in front of it. An orientation that cannot be read must not
    cost the image: EXIF blocks are often damaged by the tools photos pass through.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for index in range(count):
            tag, kind, values, value = struct.unpack_from(order + "HHIH", tiff, directory + 2 + 12 * index)
            if tag == _ORIENTATION_TAG:
                return value if kind == _SHORT and values == 1 and 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
