"""Small pictures of faces for people to look at: JPEG without metadata. They are never compared."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from facebatch.errors import CorruptError

QUALITY = 92
"""Of the JPEG."""
MARGIN = 0.6
"""Share of the box's longer side that is shown around it."""
LONGEST = 320
"""px; longer sides are shrunk to it."""
VEIL = 128
"""Grey that hides a bystander."""


def jpeg(pixels: npt.NDArray[np.uint8]) -> bytes:
    """(height, width, 3) BGR uint8 as a JPEG file. The same pixels give the same bytes."""
    done, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise CorruptError(f"a picture of {pixels.shape[1]} x {pixels.shape[0]} px cannot be encoded as JPEG")
    return encoded.tobytes()


def surroundings(
    pixels: npt.NDArray[np.uint8], box: Sequence[float], others: Iterable[Sequence[float]]
) -> npt.NDArray[np.uint8]:
    """A face as in its picture, with MARGIN around it, and every other face hidden as far as it lies outside the box.

    `pixels` is (height, width, 3) BGR uint8; `box` and each of `others` x0, y0, x1, y1 px of it.
    """
    height, width = pixels.shape[:2]
    reach = MARGIN * max(box[2] - box[0], box[3] - box[1])
    x0, y0, x1, y1 = _within((box[0] - reach, box[1] - reach, box[2] + reach, box[3] + reach), width, height)
    cut = pixels[y0:y1, x0:x1].copy()
    inner = _within((box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0), x1 - x0, y1 - y0)
    own = cut[inner[1] : inner[3], inner[0] : inner[2]].copy()
    for other in others:
        a0, b0, a1, b1 = _within((other[0] - x0, other[1] - y0, other[2] - x0, other[3] - y0), x1 - x0, y1 - y0)
        cut[b0:b1, a0:a1] = VEIL
    cut[inner[1] : inner[3], inner[0] : inner[2]] = own
    longest = max(cut.shape[:2])
    if longest <= LONGEST:
        return cut
    scale = LONGEST / longest
    size = (max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale)))
    small: npt.NDArray[np.uint8] = cv2.resize(cut, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return small


def _within(box: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """Whole px that lie in the picture, at least one on each axis."""
    x0, y0 = min(max(int(box[0]), 0), width - 1), min(max(int(box[1]), 0), height - 1)
    return x0, y0, max(x0 + 1, min(int(np.ceil(box[2])), width)), max(y0 + 1, min(int(np.ceil(box[3])), height))
