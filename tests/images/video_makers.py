"""Real videos, written with PyAV: counted grey frames, and scenes in which real faces move."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

CONTAINERS = [
    ("mp4", "libx264"),
    ("mov", "mjpeg"),
    ("mkv", "libx264"),
    ("mkv", "libx265"),
    ("webm", "libvpx"),
    ("webm", "libvpx-vp9"),
    ("mp4", "libsvtav1"),
    ("avi", "mpeg4"),
    ("avi", "libx264"),
]
"""File suffix and encoder; together every container that is read."""

_QUIET = {"libx265": {"x265-params": "log-level=none"}, "libsvtav1": {"svtav1-params": "lp=1"}}
_TICKS = 90_000


@dataclass(frozen=True)
class Video:
    """How frames are written."""

    codec: str = "libx264"
    fps: int = 30
    times_ms: Sequence[int] | None = None
    """When each frame is shown; absent: `fps` per second."""
    rotation: float | None = None
    """Degrees counterclockwise by which a player turns the picture."""
    hflip: bool = False
    aspect: Fraction | None = None
    """Width of a pixel per its height."""
    gop: int = 10
    options: tuple[tuple[str, str], ...] = ()
    fragments: bool = False
    """mp4 with its index in front and in every fragment."""


def write_video(path: Path, frames: Iterable[Pixels], video: Video | None = None) -> Path:
    """`frames` are (height, width, 3) BGR of one even size."""
    video = video or Video()
    flags = {"fflags": "+bitexact"} | ({"movflags": "frag_keyframe+empty_moov"} if video.fragments else {})
    with av.open(str(path), "w", options=flags) as container:
        stream = None
        for number, pixels in enumerate(frames):
            if stream is None:
                stream = _stream(container, video, pixels.shape)
            frame = av.VideoFrame.from_ndarray(pixels, "bgr24")
            frame.time_base = Fraction(1, _TICKS if video.times_ms else video.fps)
            frame.pts = video.times_ms[number] * _TICKS // 1000 if video.times_ms else number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _stream(container, video: Video, shape):
    options = {"g": str(video.gop), **_QUIET.get(video.codec, {}), **dict(video.options)}
    stream = container.add_stream(video.codec, rate=video.fps, options=options)
    stream.height, stream.width = shape[:2]
    stream.pix_fmt = "yuvj420p" if video.codec == "mjpeg" else "yuv420p"
    if video.times_ms:
        stream.codec_context.time_base = Fraction(1, _TICKS)
    if video.aspect:
        stream.codec_context.sample_aspect_ratio = video.aspect
    if video.rotation is not None:
        stream.set_display_rotation(video.rotation, hflip=video.hflip)
    return stream


def counted(count: int) -> list[Pixels]:
    """96 x 64 px frames that tell their number, up to 63, in six bars: dark 0, light 1, the lowest digit leftmost."""
    digits = (np.arange(count)[:, None] >> np.arange(6)) & 1
    rows = np.repeat(60 + 140 * digits, 16, axis=1).astype(np.uint8)
    return [np.broadcast_to(row[None, :, None], (64, 96, 3)).copy() for row in rows]


def number_of(pixels: Pixels) -> int:
    """Which of the counted frames it is."""
    bars = pixels.reshape(64, 6, 16, 3).mean(axis=(0, 2, 3))
    return int(((bars > 130) << np.arange(6)).sum())


def write_sound(path: Path) -> Path:
    """A file with a second of silence and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@dataclass(frozen=True)
class Person:
    """A photo that moves through a scene."""

    photo: Pixels
    """(h, w, 3) BGR."""
    place: Callable[[float], tuple[float, float] | None]
    """Seconds -> centre of the photo in px of the scene; None: not in it."""
    height: int = 200
    """px of the photo in the scene."""


def scene(people: Sequence[Person], seconds: float, fps: int, size: tuple[int, int] = (640, 360)) -> Iterable[Pixels]:
    """Frames of (width, height) `size` in which later people pass in front of earlier ones, before a grey wall."""
    shrunk = [
        cv2.resize(each.photo, (each.photo.shape[1] * each.height // each.photo.shape[0], each.height))
        for each in people
    ]
    for number in range(round(seconds * fps)):
        canvas = np.full((size[1], size[0], 3), 120, np.uint8)
        for person, picture in zip(people, shrunk, strict=True):
            centre = person.place(number / fps)
            if centre is not None:
                _paste(canvas, picture, centre)
        yield canvas


def _paste(canvas: Pixels, picture: Pixels, centre: tuple[float, float]) -> None:
    height, width = picture.shape[:2]
    left, top = round(centre[0] - width / 2), round(centre[1] - height / 2)
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(canvas.shape[1], left + width), min(canvas.shape[0], top + height)
    if x0 < x1 and y0 < y1:
        canvas[y0:y1, x0:x1] = picture[y0 - top : y1 - top, x0 - left : x1 - left]


def as_bytes(suffix: str, frames: Iterable[Pixels], folder: Path, video: Video | None = None) -> bytes:
    return write_video(folder / f"made.{suffix}", frames, video).read_bytes()
