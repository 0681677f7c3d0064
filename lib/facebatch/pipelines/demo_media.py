"""Media of the demo's cases, made of its photographs: worse ones, several people in one, a broken file, a video."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from facebatch.errors import CorruptError
from facebatch.faces.degrade import Recipe, degrade
from facebatch.faces.directions import Point
from facebatch.images.decode import decode
from facebatch.images.records import EncodedImage, Reject
from facebatch.images.source import DecodeSpec

Pixels = npt.NDArray[np.uint8]
Way = Callable[[float], tuple[float, float, float]]
"""From 0, the first frame, to 1, the last: height of a photo in px, and the centre of the face in it, x and y."""

WIDTH, HEIGHT, FPS = 640, 360, 10
"""Of the video, px and frames per second."""
SECONDS = 4.0
KEPT = 0.4
"""Share of the bytes of a file that is cut short."""
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]
_WALL = 118


def read_photo(path: Path) -> Pixels:
    """A photo as the jobs see it, upright (height, width, 3) BGR. CorruptError where it cannot be decoded."""
    data = path.read_bytes()
    image = decode(EncodedImage(path.name, path.name, data, hashlib.sha256(data).hexdigest()), DecodeSpec())
    if isinstance(image, Reject):
        raise CorruptError(f"{path}: {image.reason or image.outcome.value}; take it out of the photos")
    return image.pixels


def write_worse(photo: Path, path: Path, recipe: Recipe, seed: int) -> None:
    """The photo as from afar, out of focus, in the dark or from a poor camera; a PNG, so that no more is lost."""
    _write(path, degrade(read_photo(photo), recipe, np.random.default_rng(seed)), [])


def write_cut(photo: Path, path: Path) -> None:
    """The beginning of the photo's file."""
    data = photo.read_bytes()
    path.write_bytes(data[: round(len(data) * KEPT)])


def write_group(photos: Sequence[tuple[Path, Point]], path: Path) -> list[Point]:
    """One picture, a JPEG, of photos of one height side by side; where the points of the photos, px, are in it."""
    pictures = [read_photo(photo) for photo, _ in photos]
    height = min(len(picture) for picture in pictures)
    shown, points, left = [], [], 0
    for picture, (_, point) in zip(pictures, photos, strict=True):
        scale = height / len(picture)
        width = round(picture.shape[1] * scale)
        shown.append(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))
        points.append((left + point[0] * scale, point[1] * scale))
        left += width
    _write(path, np.hstack(shown), _QUALITY)
    return points


def write_video(people: Sequence[tuple[Path, Point, Way]], path: Path) -> None:
    """A silent MP4 in which photos move before a grey wall, later ones in front: SECONDS at FPS frames per second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)  # FFmpeg's own: in every build, and the same bytes again
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.bit_rate, stream.thread_count = 4_000_000, 1
        for number, pixels in enumerate(_frames(people)):
            frame = av.VideoFrame.from_ndarray(pixels, "bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _frames(people: Sequence[tuple[Path, Point, Way]]) -> Iterator[Pixels]:
    pictures = [(read_photo(photo), point, way) for photo, point, way in people]
    count = round(SECONDS * FPS)
    for number in range(count):
        canvas: Pixels = np.full((HEIGHT, WIDTH, 3), _WALL, np.uint8)
        for picture, point, way in pictures:
            height, x, y = way(number / (count - 1))
            scale = height / len(picture)
            placed = np.array([[scale, 0, x - scale * point[0]], [0, scale, y - scale * point[1]]])
            cv2.warpAffine(picture, placed, (WIDTH, HEIGHT), dst=canvas, borderMode=cv2.BORDER_TRANSPARENT)
        yield canvas


def _write(path: Path, pixels: Pixels, parameters: Sequence[int]) -> None:
    path.write_bytes(cv2.imencode(path.suffix, pixels, list(parameters))[1].tobytes())
