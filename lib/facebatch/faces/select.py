"""Which of the faces found in an image are embedded, and why the others are not."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.faces.models import Detections
from facebatch.faces.quality import eye_distance
from facebatch.faces.settings import FaceSpec

TOO_SMALL = "too_small"
SMALL_INTER_EYE = "small_inter_eye"
NOT_LARGEST = "not_largest"
TOO_MANY_FACES = "too_many_faces"
MODEL_ERROR = "model_error"


@dataclass(frozen=True, slots=True)
class FoundFace:
    """One face of one image."""

    index: int
    """Rank by box area among all faces found, 0 = largest; equal areas by position, top to bottom, left to right."""
    box: tuple[float, ...]
    """x0, y0, x1, y1 px."""
    landmarks: npt.NDArray[np.float32]
    """(5, 2) px."""
    score: float


@dataclass(frozen=True, slots=True)
class RejectedFace:
    """A face found and not kept."""

    box: tuple[float, ...]
    """x0, y0, x1, y1 px; zeros where the detector gave a number that is not finite."""
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """All faces of one image, largest first."""

    kept: tuple[FoundFace, ...]
    rejected: tuple[RejectedFace, ...]


def select(detections: Detections, faces: FaceSpec) -> Selection:
    """Sort by size and apply `faces`. The result does not depend on the order of the detections.

    With keep = largest a largest face that is too small is not replaced by the next one, who may be a bystander.
    """
    ordered = _by_size(detections)
    kept: list[FoundFace] = []
    rejected: list[RejectedFace] = []
    for index, row in enumerate(ordered):
        box = tuple(float(value) for value in detections.boxes[row])
        landmarks = detections.landmarks[row]
        score = float(detections.scores[row])
        if not (np.isfinite(box).all() and np.isfinite(landmarks).all() and np.isfinite(score)):
            rejected.append(RejectedFace((0.0, 0.0, 0.0, 0.0), MODEL_ERROR))
            continue
        face = FoundFace(index, box, landmarks, score)
        reason = _crowd_reason(index, len(ordered), faces) or _size_reason(face, faces)
        if reason is None:
            kept.append(face)
        else:
            rejected.append(RejectedFace(box, reason))
    return Selection(tuple(kept), tuple(rejected))


def _by_size(detections: Detections) -> list[int]:
    """Rows of the detections, largest box first; rows with a number that is not finite come last."""

    def key(row: int) -> tuple[float, ...]:
        x0, y0, x1, y1 = (float(value) for value in detections.boxes[row])
        area = max(0.0, x1 - x0) * max(0.0, y1 - y0)
        values = (-area, y0, x0, y1, x1, *(float(value) for value in detections.landmarks[row].ravel()))
        return (0.0, *values) if np.isfinite(values).all() else (1.0, *(0.0 for _ in values))

    return sorted(range(len(detections.boxes)), key=key)


def _crowd_reason(index: int, found: int, faces: FaceSpec) -> str | None:
    if faces.keep == "only" and found > 1:
        return TOO_MANY_FACES
    if faces.keep == "largest" and index > 0:
        return NOT_LARGEST
    return TOO_MANY_FACES if index >= faces.max_faces else None


def _size_reason(face: FoundFace, faces: FaceSpec) -> str | None:
    x0, y0, x1, y1 = face.box
    if min(x1 - x0, y1 - y0) < faces.min_face_px:
        return TOO_SMALL
    return SMALL_INTER_EYE if eye_distance(face.landmarks) < faces.min_inter_eye_px else None
