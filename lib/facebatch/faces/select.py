"""Which of the faces found in an image are embedded, and why the others are not."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.faces.directions import Point
from facebatch.faces.models import Detections
from facebatch.faces.quality import eye_distance
from facebatch.faces.settings import FaceSpec

TOO_SMALL = "too_small"
SMALL_INTER_EYE = "small_inter_eye"
NOT_LARGEST = "not_largest"
TOO_MANY_FACES = "too_many_faces"
CROWD = "crowd"
NOT_DESIGNATED = "not_designated"
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
    refusal: str | None = None
    """Why the image is refused as a whole; then no face is kept."""


def select(detections: Detections, faces: FaceSpec, point: Point | None = None) -> Selection:
    """Sort by size and apply `faces`. The result does not depend on the order of the detections.

    With keep = largest a largest face that is too small is not replaced by the next one, who may be a bystander. With
    keep = designated the face whose box holds `point` is meant; of several the one whose centre is nearest, of equally
    near ones the larger.
    """
    ordered = _by_size(detections)
    choice = _choose(detections.boxes[ordered], faces, point)
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
        reason = _size_reason(face, faces) if index in choice.kept else choice.reason
        if reason is None:
            kept.append(face)
        else:
            rejected.append(RejectedFace(box, reason))
    return Selection(tuple(kept), tuple(rejected), choice.refusal)


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which faces may be kept, by their company alone."""

    kept: range
    """Ranks by size."""
    reason: str
    """For which the others are rejected."""
    refusal: str | None = None


def _choose(boxes: npt.NDArray[np.float32], faces: FaceSpec, point: Point | None) -> _Choice:
    found = len(boxes)
    if faces.crowd is not None and found > faces.crowd:
        words = f"{found} faces found where faces.crowd allows {faces.crowd}; crop the image to the designated face"
        return _Choice(range(0), CROWD, f"{words}, or raise faces.crowd, for probes with an approver in the request")
    if faces.keep == "designated" and point is not None:
        return _designated(boxes, point)
    if faces.keep in ("only", "designated") and found > 1:
        return _Choice(range(0), TOO_MANY_FACES)
    if faces.keep == "largest":
        return _Choice(range(1), NOT_LARGEST)
    return _Choice(range(faces.max_faces), TOO_MANY_FACES)


def _designated(boxes: npt.NDArray[np.float32], point: Point) -> _Choice:
    wide, place = boxes.astype(np.float64), np.array(point)
    corners, ends = wide[:, :2], wide[:, 2:]
    inside = np.flatnonzero(((corners <= place) & (place < ends)).all(axis=1))
    if len(inside):
        offsets = (corners[inside] + ends[inside]) / 2 - place
        meant = int(inside[np.argmin((offsets**2).sum(axis=1))])
        return _Choice(range(meant, meant + 1), NOT_DESIGNATED)
    words = f"none of {len(boxes)} faces found holds the designated point ({point[0]:g}, {point[1]:g})"
    refusal = f"{words}; correct face_x and face_y, px of the upright image" if len(boxes) else None
    return _Choice(range(0), NOT_DESIGNATED, refusal)


def _by_size(detections: Detections) -> list[int]:
    """Rows of the detections, largest box first; rows with a number that is not finite come last."""

    def key(row: int) -> tuple[float, ...]:
        x0, y0, x1, y1 = (float(value) for value in detections.boxes[row])
        area = max(0.0, x1 - x0) * max(0.0, y1 - y0)
        values = (-area, y0, x0, y1, x1, *(float(value) for value in detections.landmarks[row].ravel()))
        return (0.0, *values) if np.isfinite(values).all() else (1.0, *(0.0 for _ in values))

    return sorted(range(len(detections.boxes)), key=key)


def _size_reason(face: FoundFace, faces: FaceSpec) -> str | None:
    x0, y0, x1, y1 = face.box
    if min(x1 - x0, y1 - y0) < faces.min_face_px:
        return TOO_SMALL
    return SMALL_INTER_EYE if eye_distance(face.landmarks) < faces.min_inter_eye_px else None
