"""How a head is turned, estimated from five landmarks, and what that does to the quality of its picture."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

HEAD = np.array(
    [[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.579, -0.6], [-0.434, 1.043, 0.0], [0.434, 1.043, 0.0]],
    dtype=np.float64,
)
"""(5, 3): the landmarks of a mean head in distances of its eyes, in the order of `models.Detections`: x to the image's
right, y down, z away from the camera.

Ours. x and y are the mean of frontal portraits (London set, neutral; YuNet's landmarks). The depths make `_fit` miss
the landmarks of these and of 400 photos of turning heads (AT&T set) by least: 0.58 to 0.68 for the tip of the nose,
rounded to 0.6, and 0.00 for the corners of the mouth.
"""
_CENTRED = HEAD - HEAD.mean(axis=0)
_INVERSE = np.linalg.pinv(_CENTRED)
"""(3, 5)."""
_LEAST = 1e-6
"""Share of the scale along the shorter axis of the image below which landmarks lie on a line."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Degrees; all 0 for a head that looks straight into the camera.

    Estimates: noses differ, so a single one is off by a fifth, and by some 3 (yaw) to 4 (pitch) degrees besides: the
    spread of portraits taken from the front.
    """

    yaw: float
    """[-90, 90]: positive where the nose points to the image's right."""
    pitch: float
    """[-90, 90]: positive where the nose points up."""
    roll: float
    """[-180, 180]: positive where the head is tilted clockwise, as seen in the image."""


EDGE_ON = Pose(90.0, 0.0, 0.0)
"""Where the landmarks lie on a line, as those of a profile do."""


def head_pose(landmarks: npt.NDArray[np.float32]) -> Pose:
    """The pose whose weak-perspective picture of HEAD is nearest to `landmarks`, (5, 2) px, finite.

    A = (H^+ L)^T, the least-squares affine camera of centred HEAD H and landmarks L (POS: DeMenthon and Davis, IJCV 15,
    1995), made a scaled rotation by its polar factor (A A^T)^(-1/2) A. With roll the angle of the rotated x axis in the
    image, and (u, v, w) the rotated direction of the nose with the roll undone: yaw = atan2(u, -w), pitch = asin(-v).
    """
    rotation = _fit(landmarks)
    if rotation is None:
        return EDGE_ON
    roll = math.atan2(rotation[1, 0], rotation[0, 0])
    u, v, w = (float(value) for value in -rotation[:, 2])
    across = u * math.cos(roll) + v * math.sin(roll)
    down = v * math.cos(roll) - u * math.sin(roll)
    yaw = math.atan2(across, -w)
    pitch = math.asin(min(1.0, max(-1.0, -down)))
    return Pose(math.degrees(yaw), math.degrees(pitch), math.degrees(roll))


def frontal(pose: Pose) -> float:
    """100 (cos yaw cos pitch cos roll)^2, and 0 for a roll beyond 90 degrees.

    OFIQ 1.0.3 (ISO/IEC 29794-5) has 100 cos^2 for each angle by itself, of a network's estimate; the product is ours.
    """
    yaw, pitch, roll = (math.radians(angle) for angle in (pose.yaw, pose.pitch, pose.roll))
    return 100.0 * max(0.0, math.cos(yaw) * math.cos(pitch) * math.cos(roll)) ** 2


def _fit(landmarks: npt.NDArray[np.float32]) -> npt.NDArray[np.float64] | None:
    """(3, 3) rotation of HEAD's axes into those of the image; None where the landmarks lie on a line."""
    points = landmarks.astype(np.float64)
    camera = (_INVERSE @ (points - points.mean(axis=0))).T
    square = camera @ camera.T
    root = math.sqrt(max(0.0, float(square[0, 0] * square[1, 1] - square[0, 1] ** 2)))
    trace = float(square[0, 0] + square[1, 1])
    if root <= _LEAST * trace:
        return None
    # square root of a symmetric 2 x 2 matrix by Cayley and Hamilton; its determinant is `root`
    half = (square + root * np.eye(2)) / math.sqrt(trace + 2 * root)
    adjugate = np.array([[half[1, 1], -half[0, 1]], [-half[1, 0], half[0, 0]]])
    rows = adjugate @ camera / root
    return np.vstack([rows, np.cross(rows[0], rows[1])])
