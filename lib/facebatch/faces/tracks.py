"""Faces followed through the frames of a video, and the one of them that is meant. Pure: no pixels, no networks.

A track is one appearance of one person: it ends when the person is not seen for a while, and a person who returns is
a new track, unless the settings say how alike the two must be. Two people in one track would be a template of nobody,
which no later step can notice; so when in doubt a track ends.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field

from facebatch.faces.association import assign, likenesses, overlaps
from facebatch.faces.directions import Point
from facebatch.faces.models import Detections
from facebatch.schemas import Outcome
from facebatch.spec import Spec

Vectors = npt.NDArray[np.float16] | npt.NDArray[np.float32]


class TrackSpec(Spec):
    """How faces are followed. Similarities are cosines of the model's templates, as in candidate lists."""

    min_overlap: float = Field(default=0.2, gt=0, le=1)
    """Intersection over union with the last box of a track from which a face may continue it."""
    similarity: float = Field(default=0.35, ge=-1, le=1)
    """Similarity that it must have besides."""
    moved_similarity: float = Field(default=0.5, ge=-1, le=1)
    """Similarity from which it continues the track wherever it is: people move by more than a face between frames."""
    max_gap_s: float = Field(default=2.0, ge=0, le=60)
    """Seconds without being seen after which a track ends."""
    rejoin_similarity: float | None = Field(default=None, ge=-1, le=1)
    """Similarity to an ended track from which a face continues it. Absent: a person who returns is a new track."""
    min_sightings: int = Field(default=2, ge=1)
    """Tracks seen in fewer frames do not count as people when no face is designated, unless all are that short."""
    point_tolerance_ms: int = Field(default=500, ge=0)
    """How far from the given time a designated face may be seen."""
    best_frames: int = Field(default=8, ge=1)
    """Most frames of a track that are used."""
    spacing_ms: int = Field(default=500, ge=0)
    """Least time between two of them: frames that follow each other show the same again."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameFaces:
    """All faces of one frame."""

    at_ms: int
    """Since the start of the video."""
    detections: Detections
    vectors: Vectors
    """(n, dim), unit norm, in the order of the detections; a row that is not finite: none, and not followed."""


@dataclass(frozen=True, slots=True)
class SeenFace:
    """One face in one frame."""

    at_ms: int
    frame: int
    """Index among the frames that were given."""
    row: int
    """Of the frame's detections."""
    box: tuple[float, ...]
    """x0, y0, x1, y1 px."""
    score: float
    """Of the detector, [0, 1]."""


@dataclass(frozen=True, slots=True)
class Track:
    """One person's face through the frames."""

    index: int
    """0-based, by first appearance; of those who appear in the same frame from left to right."""
    sightings: tuple[SeenFace, ...]
    """In order of time, at most one per frame, one or more."""


@dataclass(frozen=True, slots=True)
class Designation:
    """The track that is meant, or why there is none."""

    track: Track | None
    outcome: Outcome
    """ok, no_face, several_faces_none_designated, or refused where the designated face is not found."""
    reason: str | None = None


def follow(frames: Iterable[FrameFaces], spec: TrackSpec) -> tuple[Track, ...]:
    """Tracks in the order of their index; each face with a finite box and vector is in exactly one.

    `frames` come in order of time, rising, and are taken one by one, so their pixels need not be kept. The result does
    not depend on the order of the detections within a frame, except for faces that are equal in every number.
    """
    tracks: list[_Growing] = []
    for number, faces in enumerate(frames):
        rows = _usable(faces)
        boxes, vectors = faces.detections.boxes[rows], faces.vectors[rows]
        pairs = _continued(tracks, faces.at_ms, boxes, vectors, spec) if len(rows) else []
        seen = [
            SeenFace(faces.at_ms, number, row, tuple(map(float, box)), float(faces.detections.scores[row]))
            for row, box in zip(rows, boxes, strict=True)
        ]
        taken = {column: tracks[row] for row, column in pairs}
        for column, face in enumerate(seen):
            if column in taken:
                taken[column].add(face, vectors[column])
            else:
                tracks.append(_Growing(face, vectors[column]))
    return tuple(Track(index, tuple(track.sightings)) for index, track in enumerate(tracks))


def designated(tracks: Sequence[Track], point: Point | None, at_ms: int, spec: TrackSpec) -> Designation:
    """The track whose box holds `point` (px) nearest to `at_ms`, or without a point the only track there is.

    The nearest sighting in time decides, with the nearest centre among several boxes. If at the nearest frame no box
    holds the point, sightings within the tolerance count, but only if all that hold it are of one track.
    """
    if not tracks:
        return Designation(None, Outcome.NO_FACE)
    if point is None:
        return _only(tracks, spec)
    near = sorted(
        (abs(face.at_ms - at_ms), face.at_ms, _distance(face.box, point), track.index)
        for track in tracks
        for face in track.sightings
        if abs(face.at_ms - at_ms) <= spec.point_tolerance_ms
    )
    holding = [each for each in near if each[2] < np.inf]
    where = f"the designated point ({point[0]:g}, {point[1]:g}) at {at_ms / 1000:g} s"
    if not holding:
        words = f"none of {len(near)} faces" if near else "no face"
        within = f"seen within {spec.point_tolerance_ms / 1000:g} s of it"
        return Designation(None, Outcome.REFUSED, f"{words} {within} holds {where}; correct the point or the time")
    if holding[0][0] != near[0][0] and len({each[3] for each in holding}) > 1:
        words = f"no face is at {where}, and several people's are shortly before or after"
        return Designation(None, Outcome.REFUSED, f"{words}; give a time at which the face is seen")
    by_index = {track.index: track for track in tracks}
    return Designation(by_index[holding[0][3]], Outcome.OK)


def best(
    track: Track, qualities: Sequence[float] | npt.NDArray[np.floating], k: int = 8, spacing_ms: int = 500
) -> tuple[int, ...]:
    """Positions of up to `k` sightings of the track, in order of time: the best first, then the next best that is at
    least `spacing_ms` from each one taken, and so on; of equal ones the earlier.

    `qualities` are one number per sighting, higher is better; sightings whose number is not finite are left out.
    """
    ranked = sorted(
        (-float(quality), position, face.at_ms)
        for position, (face, quality) in enumerate(zip(track.sightings, qualities, strict=True))
        if np.isfinite(quality)
    )
    taken: dict[int, int] = {}
    for _, position, at_ms in ranked:
        if len(taken) < k and all(abs(at_ms - other) >= spacing_ms for other in taken.values()):
            taken[position] = at_ms
    return tuple(sorted(taken))


class _Growing:
    """A track while frames are still coming."""

    def __init__(self, face: SeenFace, vector: Vectors) -> None:
        self.sightings = [face]
        self._sum = vector.astype(np.float64)
        self.last = vector.astype(np.float64)

    def add(self, face: SeenFace, vector: Vectors) -> None:
        self.sightings.append(face)
        self.last = vector.astype(np.float64)
        self._sum = self._sum + self.last

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """Direction of all vectors together; zero where they cancel out."""
        norm = float(np.sqrt((self._sum**2).sum()))
        return self._sum / norm if norm else self._sum


def _usable(faces: FrameFaces) -> list[int]:
    """Rows with finite numbers, from left to right, then from top to bottom."""
    boxes = faces.detections.boxes
    finite = np.isfinite(boxes).all(axis=1) & np.isfinite(faces.vectors).all(axis=1)
    return sorted(np.flatnonzero(finite).tolist(), key=lambda row: (*map(float, boxes[row]), row))


def _continued(
    tracks: Sequence[_Growing], at_ms: int, boxes: npt.NDArray[np.float32], vectors: Vectors, spec: TrackSpec
) -> list[tuple[int, int]]:
    """(track, face) of those faces that continue one."""
    ages = np.array([at_ms - track.sightings[-1].at_ms for track in tracks])
    alive = ages <= 1000 * spec.max_gap_s
    wanted = np.flatnonzero(alive if spec.rejoin_similarity is None else np.ones(len(tracks), np.bool_)).tolist()
    if not wanted:
        return []
    chosen = [tracks[row] for row in wanted]
    overlap = overlaps(np.array([track.sightings[-1].box for track in chosen], np.float32), boxes)
    alike = np.maximum(
        likenesses(np.stack([track.last for track in chosen]), vectors),
        likenesses(np.stack([track.mean for track in chosen]), vectors),
    )
    near = (overlap >= spec.min_overlap) & (alike >= spec.similarity) | (alike >= spec.moved_similarity)
    allowed = near & alive[wanted, None]
    if spec.rejoin_similarity is not None:
        allowed |= (alike >= spec.rejoin_similarity) & ~alive[wanted, None]
    scores = np.where(alive[wanted, None], overlap, 0.0) + np.clip(alike, 0, None)
    return [(wanted[row], column) for row, column in assign(scores, allowed)]


def _only(tracks: Sequence[Track], spec: TrackSpec) -> Designation:
    people = [track for track in tracks if len(track.sightings) >= spec.min_sightings] or list(tracks)
    if len(people) == 1:
        return Designation(people[0], Outcome.OK)
    words = f"{len(people)} faces are followed through the video"
    return Designation(None, Outcome.SEVERAL_FACES, f"{words}; give a point in the face that is meant, and its time")


def _distance(box: tuple[float, ...], point: Point) -> float:
    """Squared, of the centre of the box; infinite where the box does not hold the point."""
    x0, y0, x1, y1 = box
    x, y = point
    inside = x0 <= x < x1 and y0 <= y < y1
    return ((x0 + x1) / 2 - x) ** 2 + ((y0 + y1) / 2 - y) ** 2 if inside else float("inf")
