"""From landmarks to the aligned crop that recognisers are trained on."""

import cv2
import numpy as np
import numpy.typing as npt

TEMPLATE_SIZE = 112
"""px; the side of the crop that TEMPLATE refers to."""

TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    dtype=np.float64,
)
"""(5, 2): where the landmarks lie in the crop, px, in the order of `models.Detections`.

The five points published with ArcFace (Deng et al., CVPR 2019, arXiv 1801.07698), also used by SFace.
"""

_LEAST_SPREAD = 1e-3
"""px; landmarks that lie closer together than this (root of the mean squared distance) have no direction."""


def similarity(landmarks: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float64] | None:
    """The (2, 3) similarity transform of image px to crop px that is closest to the template in least squares.

    Without reflection, as in Umeyama (IEEE PAMI 13(4), 1991), solved in closed form: with points as complex numbers
    z -> w the best a, b of w = a z + b are a = sum(conj(z - mean z)(w - mean w)) / sum |z - mean z|^2 and
    b = mean w - a mean z. `landmarks` is (5, 2) px. None when they coincide, are not finite, or leave no scale.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        return None
    source = points[:, 0] + 1j * points[:, 1]
    goal = (TEMPLATE[:, 0] + 1j * TEMPLATE[:, 1]) * (size / TEMPLATE_SIZE)
    centred = source - source.mean()
    spread = float((np.abs(centred) ** 2).sum())
    if spread < 5 * _LEAST_SPREAD**2:
        return None
    factor = complex((np.conj(centred) * (goal - goal.mean())).sum() / spread)
    if abs(factor) * np.sqrt(spread) < _LEAST_SPREAD:
        return None
    shift = complex(goal.mean() - factor * source.mean())
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def align(pixels: npt.NDArray[np.uint8], landmarks: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.uint8] | None:
    """The (size, size, 3) BGR uint8 crop: bilinear, black outside the image.

    `pixels` is (height, width, 3) BGR uint8, `landmarks` (5, 2) px. None where `similarity` gives none: such a face
    cannot be embedded.
    """
    matrix = similarity(landmarks, size)
    if matrix is None:
        return None
    crop: npt.NDArray[np.uint8] = cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderValue=0.0)
    return crop
