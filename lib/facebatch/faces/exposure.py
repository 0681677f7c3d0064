"""How much of a face is burnt out or black, and where in a crop the face is looked at."""

import math

import cv2
import numpy as np
import numpy.typing as npt

BRIGHT = 247
"""Luma from which on a pixel counts as burnt out."""
DARK = 25
"""Luma up to which a pixel counts as black."""


def exposure(crop: npt.NDArray[np.uint8]) -> float:
    """min(100, 1 / (b + 0.01), 120 (0.832 - S((d - 0.92) / 0.05))), not below 0: b is the share of bright, d that of
    dark pixels of the face region, S the logistic function.

    `crop` is the aligned (size, size, 3) BGR crop. Over- and under-exposure prevention of OFIQ 1.0.3 (ISO/IEC 29794-5),
    of which the lower counts; over the middle of the crop, not a face mask, and of the luma as encoded. As there,
    a twentieth burnt out leaves 17, while dark skin, beards and shadows cost nothing: only a face that is black
    throughout does.
    """
    luma = face_luma(crop)
    bright = float((luma >= BRIGHT).mean())
    dark = float((luma <= DARK).mean())
    over = 1.0 / (bright + 0.01)
    under = 120.0 * (0.832 - logistic((dark - 0.92) / 0.05))
    return max(0.0, min(100.0, over, under))


def face_luma(crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Luma (BT.601) of the middle of the crop, brows to chin: it leaves out hair, and black beyond the image's edge."""
    size = crop.shape[0]
    rows = slice(round(0.30 * size), round(0.95 * size))
    columns = slice(round(0.20 * size), round(0.80 * size))
    luma: npt.NDArray[np.uint8] = cv2.cvtColor(crop[rows, columns], cv2.COLOR_BGR2GRAY)
    return luma


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1.0 + math.tanh(0.5 * x))
