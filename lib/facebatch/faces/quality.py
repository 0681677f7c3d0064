"""Three cheap numbers per face, 0 (bad) to 100 (good). They describe the picture of a face, never the person."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Quality:
    """Each in [0, 100]."""

    inter_eye: float
    sharpness: float
    luminance: float


def assess(crop: npt.NDArray[np.uint8], landmarks: npt.NDArray[np.float32]) -> Quality:
    """`crop` is the aligned (size, size, 3) BGR crop, `landmarks` (5, 2) px of the upright image."""
    return Quality(inter_eye(landmarks), sharpness(crop), luminance(crop))


def eye_distance(landmarks: npt.NDArray[np.float32]) -> float:
    """Distance of the two eyes, px; `landmarks` is (5, 2), eyes first."""
    delta = landmarks[1].astype(np.float64) - landmarks[0].astype(np.float64)
    return math.hypot(float(delta[0]), float(delta[1]))


def inter_eye(landmarks: npt.NDArray[np.float32]) -> float:
    """100 S((d - 70) / 20), d = distance of the eyes in px of the upright image, S the logistic function.

    Inter-eye distance of OFIQ 1.0.3, the reference implementation of ISO/IEC 29794-5, without its yaw correction.
    """
    return 100.0 * _logistic((eye_distance(landmarks) - 70.0) / 20.0)


def sharpness(crop: npt.NDArray[np.uint8]) -> float:
    """100 S((ln(v + 1) - 5) / 0.7), v = variance of the Laplacian of the luma in the face region.

    Focus measure LAPV of Pech-Pacheco et al. (ICPR 2000; compared in Pertuz et al., Pattern Recognition 46(5), 2013).
    The logistic map is ours: on sharp portraits v lies near 580, after a Gaussian blur of 2 crop px near 16. A small
    face enlarged to the crop has few edges and so a low value, which is meant; noise counts as edges, which is not.
    """
    variance = float(cv2.Laplacian(_face_luma(crop), cv2.CV_64F).var())
    return 100.0 * _logistic((math.log1p(variance) - 5.0) / 0.7)


def luminance(crop: npt.NDArray[np.uint8]) -> float:
    """100 S((m - 0.2) / 0.05) (1 - S((m - 0.8) / 0.05)), m = mean luma of the face region, [0, 1].

    Luminance mean of OFIQ 1.0.3 (ISO/IEC 29794-5), taken over the middle of the aligned crop, not a face mask.
    """
    mean = float(_face_luma(crop).mean()) / 255.0
    return 100.0 * _logistic((mean - 0.2) / 0.05) * (1.0 - _logistic((mean - 0.8) / 0.05))


def _face_luma(crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Luma (BT.601) of the middle of the crop, brows to chin: it leaves out hair, and black beyond the image's edge."""
    size = crop.shape[0]
    rows = slice(round(0.30 * size), round(0.95 * size))
    columns = slice(round(0.20 * size), round(0.80 * size))
    luma: npt.NDArray[np.uint8] = cv2.cvtColor(crop[rows, columns], cv2.COLOR_BGR2GRAY)
    return luma


def _logistic(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1.0 + math.tanh(0.5 * x))
