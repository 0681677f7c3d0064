"""Cheap numbers per face, 0 (bad) to 100 (good), and one over them. They describe the picture of a face, never the
person."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import cv2
import numpy as np
import numpy.typing as npt

from facebatch.faces.exposure import exposure, face_luma, logistic
from facebatch.faces.pose import frontal, head_pose

WEIGHTS: Mapping[str, float] = {
    "detector": 0.6,
    "recognizability": 0.15,
    "inter_eye": 0.1,
    "sharpness": 0.1,
    "pose": 0.05,
}
"""In the unified quality; together 1. Luminance and exposure have none: beside the others they told nothing of misses,
and luminance is lower for dark skin."""
CENTRE, WIDTH = 1.6, 0.5
"""Mean log odds at which the unified quality is 50, and of which it takes one to multiply its odds by e."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Each in [0, 100]."""

    inter_eye: float
    pose: float
    sharpness: float
    luminance: float
    exposure: float
    detector: float


def assess(crop: npt.NDArray[np.uint8], landmarks: npt.NDArray[np.float32], score: float) -> Quality:
    """`crop` is the aligned (size, size, 3) BGR crop, `landmarks` (5, 2) px of the upright image, finite; `score` the
    detector's, [0, 1].
    """
    return Quality(
        inter_eye=inter_eye(landmarks),
        pose=frontal(head_pose(landmarks)),
        sharpness=sharpness(crop),
        luminance=luminance(crop),
        exposure=exposure(crop),
        detector=100.0 * score,
    )


def unified(quality: Quality, recognizability: float | None) -> float:
    """One number in [0, 100] over them: 100 S((sum(w ln(q / (100 - q))) - CENTRE) / WIDTH), w the WEIGHTS and S the
    logistic function; each q is kept within 1 to 99. None: recognizability has no weight, and the others' add up to 1.

    A mean of log odds, as opinions are pooled that each are sure of something else: a number near its end says more
    than one in the middle, and none of them alone decides. Ours; weights, centre and width were fitted to the misses of
    degraded photos, and measured on other people (`make bench-quality`, infra/decisions/2026-11-22-unified-quality.md).
    """
    numbers = {**asdict(quality), "recognizability": recognizability}
    parts = [(weight, value) for name, weight in WEIGHTS.items() if (value := numbers[name]) is not None]
    mean = math.fsum(weight * _log_odds(value) for weight, value in parts) / math.fsum(weight for weight, _ in parts)
    return 100.0 * logistic((mean - CENTRE) / WIDTH)


def _log_odds(value: float) -> float:
    kept = min(99.0, max(1.0, value))
    return math.log(kept / (100.0 - kept))


def eye_distance(landmarks: npt.NDArray[np.float32]) -> float:
    """Distance of the two eyes, px; `landmarks` is (5, 2), eyes first."""
    delta = landmarks[1].astype(np.float64) - landmarks[0].astype(np.float64)
    return math.hypot(float(delta[0]), float(delta[1]))


def inter_eye(landmarks: npt.NDArray[np.float32]) -> float:
    """100 S((d - 70) / 20), d = distance of the eyes in px of the upright image, S the logistic function.

    Inter-eye distance of OFIQ 1.0.3, the reference implementation of ISO/IEC 29794-5, without its yaw correction.
    """
    return 100.0 * logistic((eye_distance(landmarks) - 70.0) / 20.0)


def sharpness(crop: npt.NDArray[np.uint8]) -> float:
    """100 S((ln(v + 1) - 5) / 0.7), v = variance of the Laplacian of the luma in the face region.

    Focus measure LAPV of Pech-Pacheco et al. (ICPR 2000; compared in Pertuz et al., Pattern Recognition 46(5), 2013).
    The logistic map is ours: on sharp portraits v lies near 580, after a Gaussian blur of 2 crop px near 16. A small
    face enlarged to the crop has few edges and so a low value, which is meant; noise counts as edges, which is not.
    """
    variance = float(cv2.Laplacian(face_luma(crop), cv2.CV_64F).var())
    return 100.0 * logistic((math.log1p(variance) - 5.0) / 0.7)


def luminance(crop: npt.NDArray[np.uint8]) -> float:
    """100 S((m - 0.2) / 0.05) (1 - S((m - 0.8) / 0.05)), m = mean luma of the face region, [0, 1].

    Luminance mean of OFIQ 1.0.3 (ISO/IEC 29794-5), taken over the middle of the aligned crop, not a face mask. Dark
    skin lowers it a little in good light (from 64 in the London portraits, from 93 for light skin), so a limit on it
    must stay far below that, or it shuts out people in place of pictures.
    """
    mean = float(face_luma(crop).mean()) / 255.0
    return 100.0 * logistic((mean - 0.2) / 0.05) * (1.0 - logistic((mean - 0.8) / 0.05))
