"""Pictures made worse on purpose, as distance, lens, light, sensor and file do it: for centroids, tests and benchmarks,
never for what is enrolled or searched.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

GAMMA = 2.2
"""Exponent from encoded values to light, the usual approximation of sRGB's curve."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done, in the order of the fields. The defaults do nothing."""

    scale: float = 1.0
    """Side of the result per side of the picture, (0, 1]; each new pixel is the mean of those it covers."""
    blur: float = 0.0
    """Standard deviation of a Gaussian, px of the result, >= 0."""
    stops: float = 0.0
    """Exposure: light times 2**stops, cut off at white. -4 is a dim room, +2 a face in the flash."""
    noise: float = 0.0
    """Standard deviation of Gaussian noise on each channel after exposure, grey levels of 255, >= 0."""
    jpeg: int | None = None
    """Quality of JPEG compression, 1-100; None: not compressed."""


def degrade(pixels: npt.NDArray[np.uint8], recipe: Recipe, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The picture made worse, (height, width, 3) BGR uint8; each side is `recipe.scale` times as long, at least 1 px.

    `rng` is drawn from only for noise, so one of equal state gives equal pixels (with equal OpenCV).
    """
    wide: npt.NDArray[np.float32] = _shrink(pixels, recipe.scale).astype(np.float32)
    if recipe.blur > 0:
        wide = cv2.GaussianBlur(wide, (0, 0), recipe.blur)
    if recipe.stops:
        wide = _expose(wide, recipe.stops)
    if recipe.noise > 0:
        wide = wide + recipe.noise * rng.standard_normal(wide.shape, dtype=np.float32)
    found: npt.NDArray[np.uint8] = np.clip(np.rint(wide), 0, 255).astype(np.uint8)
    return found if recipe.jpeg is None else _compress(found, recipe.jpeg)


def degrade_crop(crop: npt.NDArray[np.uint8], recipe: Recipe, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """An aligned (size, size, 3) BGR crop made worse and enlarged to its size again, bilinear, as alignment does."""
    small = degrade(crop, recipe, rng)
    height, width = crop.shape[:2]
    enlarged: npt.NDArray[np.uint8] = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return enlarged


def _shrink(pixels: npt.NDArray[np.uint8], scale: float) -> npt.NDArray[np.uint8]:
    if scale == 1.0:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    small: npt.NDArray[np.uint8] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return small


def _expose(values: npt.NDArray[np.float32], stops: float) -> npt.NDArray[np.float32]:
    light = np.minimum((values / np.float32(255)) ** np.float32(GAMMA) * np.float32(2**stops), np.float32(1))
    found: npt.NDArray[np.float32] = np.float32(255) * light ** np.float32(1 / GAMMA)
    return found


def _compress(pixels: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)
