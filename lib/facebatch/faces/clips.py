"""The designated person of one video of a probe: followed, and looked at where they are seen best.

To tell the person from bystanders, every face of a frame is embedded while the video is read. Of bystanders nothing is
kept: neither template, nor picture, nor number.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from facebatch.faces.looks import Blank, Clip, Look, Looker, Sighting
from facebatch.faces.models import Detector
from facebatch.faces.quality import eye_distance
from facebatch.faces.select import FoundFace
from facebatch.faces.settings import FaceSpec
from facebatch.faces.tracks import FrameFaces, Track, TrackSpec, best, designated, follow
from facebatch.images.video import Frame, Stopped, VideoSpec, read_frames
from facebatch.schemas import Outcome


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """How a video is read and followed."""

    faces: FaceSpec
    video: VideoSpec
    tracks: TrackSpec
    everybody: bool = False
    """Every track is meant, not one that is designated."""


@dataclass(slots=True)
class _Watched:
    """What was seen so far."""

    looks: list[list[Look | None]] = field(default_factory=list)
    """Per frame, in the order of its detections."""
    stopped: Stopped | None = None
    most: int = 0
    """Faces in one frame."""


def see_clip(clip: Clip, detector: Detector, looker: Looker, spec: ClipSpec) -> list[Sighting | Blank]:
    """The best sightings of the person who is meant, or one `Blank` that says why there are none. A video that ends
    early gives what was seen before, and a `Blank` with the reason. Never an exception because of the video.
    """
    watched = _Watched()
    tracks = follow(_frames(clip, detector, looker, spec, watched), spec.tracks)
    if spec.faces.crowd is not None and watched.most > spec.faces.crowd:
        words = f"{watched.most} faces in a frame where faces.crowd allows {spec.faces.crowd}; cut the time range"
        return [
            _blank(clip, Outcome.REFUSED, f"{words} or the picture, or raise faces.crowd with an approver", watched)
        ]
    if not watched.looks and watched.stopped is not None:
        return [_blank(clip, watched.stopped.outcome, watched.stopped.reason, watched)]
    if spec.everybody and tracks:
        return _everybody(clip, tracks, watched, spec)
    meant = designated(tracks, clip.point, round(clip.at_s * 1000), spec.tracks)
    if meant.track is None:
        return [_blank(clip, meant.outcome, meant.reason, watched)]
    found = _best(clip, meant.track, watched.looks, spec)
    if not found:
        words = "the face has too few pixels in every frame; find a video in which it is larger"
        return [_blank(clip, Outcome.TOO_SMALL, words, watched)]
    if watched.stopped is None:
        return list(found)
    return [*found, _blank(clip, watched.stopped.outcome, watched.stopped.reason, watched)]


def _everybody(clip: Clip, tracks: Sequence[Track], watched: _Watched, spec: ClipSpec) -> list[Sighting | Blank]:
    """The best sightings of each track; people seen too shortly or too small are left out."""
    people = [track for track in tracks if len(track.sightings) >= spec.tracks.min_sightings] or list(tracks)
    found: list[Sighting | Blank] = [seen for track in people for seen in _best(clip, track, watched.looks, spec)]
    if watched.stopped is not None or not found:
        outcome = watched.stopped.outcome if watched.stopped else Outcome.TOO_SMALL
        reason = watched.stopped.reason if watched.stopped else "every face has too few pixels in every frame"
        found.append(_blank(clip, outcome, reason, watched))
    return found


def _frames(clip: Clip, detector: Detector, looker: Looker, spec: ClipSpec, watched: _Watched) -> Iterator[FrameFaces]:
    frames = cast("Any", read_frames(clip.path, spec.video, clip.start_s, clip.end_s))
    with closing(frames):
        for frame in frames:
            if isinstance(frame, Stopped):
                watched.stopped = frame
                return
            yield _looked(frame, detector, looker, watched)


def _looked(frame: Frame, detector: Detector, looker: Looker, watched: _Watched) -> FrameFaces:
    detections = detector.detect(frame.pixels)
    faces = [
        FoundFace(row, tuple(map(float, box)), landmarks, float(score))
        for row, (box, landmarks, score) in enumerate(
            zip(detections.boxes, detections.landmarks, detections.scores, strict=True)
        )
    ]
    looks = looker.look(frame.pixels, faces, detections.boxes)
    watched.looks.append(looks)
    watched.most = max(watched.most, len(faces))
    vectors = np.full((len(looks), looker.recogniser.dim), np.nan, np.float16)
    for row, look in enumerate(looks):
        if look is not None:
            vectors[row] = look.vector
    return FrameFaces(frame.at_ms, detections, vectors)


def _best(clip: Clip, track: Track, looks: Sequence[Sequence[Look | None]], spec: ClipSpec) -> list[Sighting]:
    every = [(face, looks[face.frame][face.row]) for face in track.sightings]
    qualities = [look.unified if look is not None and _is_large(look, spec.faces) else np.nan for _, look in every]
    chosen = best(track, qualities, spec.tracks.best_frames, spec.tracks.spacing_ms)
    return [
        Sighting(clip.medium, clip.name, face.at_ms, track.index, look)
        for face, look in (every[position] for position in chosen)
        if look is not None
    ]


def _is_large(look: Look, faces: FaceSpec) -> bool:
    x0, y0, x1, y1 = look.face.box
    return min(x1 - x0, y1 - y0) >= faces.min_face_px and eye_distance(look.face.landmarks) >= faces.min_inter_eye_px


def _blank(clip: Clip, outcome: Outcome, reason: str | None, watched: _Watched) -> Blank:
    return Blank(clip.medium, clip.name, outcome, reason, watched.most)
