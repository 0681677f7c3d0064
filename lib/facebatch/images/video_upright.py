"""From a decoded frame to the pixels that a player would show: BGR, square pixels, upright."""

import struct
from fractions import Fraction
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

_QUALITY = int(
    Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
)
"""The same bits on every processor; colour at full resolution."""

_UNSPECIFIED = 2
"""AVCOL_SPC_UNSPECIFIED (ITU-T H.273: matrix coefficients 2)."""

_HD_HEIGHT = 720
"""px from which colours without a word on their matrix are BT.709; below they are BT.601, as players take them."""

Matrix: TypeAlias = tuple[int, ...]
"""Of display: nine numbers."""
UNTURNED: Matrix = (1, 0, 0, 0, 1, 0, 0, 0, 1)
_MATRIX = struct.Struct("=9i")

MOST_ASPECT = 4
"""Width of a pixel per height, or the reverse, above which it is taken for a damaged header and not applied."""


class Upright:
    """Converts the frames of one stream. Transfer curves are not converted (HDR looks pale), fields not separated."""

    def __init__(self, aspect: Fraction) -> None:
        self._reformatter = VideoReformatter()
        self._aspect = aspect
        self.matrix: Matrix = UNTURNED
        """For frames that come without one."""

    def pixels(self, frame: VideoFrame) -> npt.NDArray[np.uint8]:
        """(height, width, 3) BGR uint8, C-contiguous, read-only. Raises what PyAV raises."""
        width, height = shown_size(frame.width, frame.height, self._aspect)
        colours = Colorspace.ITU709 if frame.height >= _HD_HEIGHT else Colorspace.ITU601
        shown = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="bgr24",
            src_colorspace=colours if frame.colorspace == _UNSPECIFIED else None,
            interpolation=_QUALITY,
            threads=1,
        )
        stored = cast("npt.NDArray[np.uint8]", shown.to_ndarray())
        pixels = np.ascontiguousarray(turn(stored, display_matrix(frame) or self.matrix))
        pixels.flags.writeable = False
        return pixels


def plausible(aspect: Fraction | None) -> Fraction:
    """The width of a pixel per its height; 1 where a stream says nothing, or nothing that can be true."""
    if aspect is None or not Fraction(1, MOST_ASPECT) <= aspect <= MOST_ASPECT:
        return Fraction(1)
    return aspect


def shown_size(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Width and height in square pixels, before the frame is turned; one side is enlarged, none is shrunk."""
    return (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))


def turn(pixels: npt.NDArray[np.uint8], matrix: Matrix) -> npt.NDArray[np.uint8]:
    """Apply a display matrix (ISO/IEC 14496-12, 8.3.2), to the nearest quarter turn, with its reflection.

    `matrix` is a, b, u, c, d, v, x, y, w: the point (p, q) is shown at (a p + c q, b p + d q). Shape (h, w, 3) or, for
    a quarter turn, (w, h, 3).
    """
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels, across, down = pixels.transpose(1, 0, 2), c, b
    else:
        across, down = a, d
    pixels = pixels[::-1] if down < 0 else pixels
    return pixels[:, ::-1] if across < 0 else pixels


def display_matrix(frame: VideoFrame) -> Matrix | None:
    """What the stream says about turning its frames; None: nothing."""
    found = cast("SideDataContainer", frame.side_data).get(Type.DISPLAYMATRIX)
    data = b"" if found is None else bytes(found)
    return _MATRIX.unpack(data) if len(data) == _MATRIX.size else None
