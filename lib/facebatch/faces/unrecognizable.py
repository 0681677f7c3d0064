"""Faces that nobody can recognise any more, made of good ones, and the centre of their embeddings. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.errors import StopError
from facebatch.faces.align import TEMPLATE_SIZE
from facebatch.faces.degrade import Recipe, degrade_crop

VARIANTS = 8
"""Spoilt crops of each face."""
SEED = 2106_04112
"""Of every draw; together with the digest of the image."""
SIDE_PX = (12.0, 24.0)
"""To which the crop is shrunk, of 112: 4 to 8 px between the eyes. Log-uniform."""
BLUR_PX = (0.0, 1.0)
"""Of the shrunk crop. This and what follows uniform, and independent of each other."""
STOPS = (-4.0, 2.0)
NOISE = (0.0, 20.0)
"""Grey levels. The ranges were chosen on one half of the people of `make bench-quality`, which measures the others."""
_LEAST_NORM = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Centre:
    """Of a set of unit vectors."""

    vector: npt.NDArray[np.float32]
    """(dim,), unit norm: the direction of their mean."""
    concentration: float
    """Norm of their mean, [0, 1]."""
    count: int


def spoil(crop: npt.NDArray[np.uint8], image_sha256: str) -> npt.NDArray[np.uint8]:
    """An aligned (size, size, 3) BGR crop -> (VARIANTS, size, size, 3), each one spoilt by a recipe of its own.

    Recipes and noise are drawn by PCG64, seeded with SEED and the first 128 bits of the image's digest, so that they
    depend neither on the other images nor on who draws when.
    """
    rng = np.random.Generator(np.random.PCG64([SEED, int(image_sha256[:32], 16)]))
    return np.stack([degrade_crop(crop, draw(rng), rng) for _ in range(VARIANTS)])


def draw(rng: np.random.Generator) -> Recipe:
    """A recipe for an aligned crop."""
    side = math.exp(rng.uniform(math.log(SIDE_PX[0]), math.log(SIDE_PX[1])))
    return Recipe(
        scale=side / TEMPLATE_SIZE, blur=rng.uniform(*BLUR_PX), stops=rng.uniform(*STOPS), noise=rng.uniform(*NOISE)
    )


def centre(vectors: Iterable[npt.NDArray[np.float16]]) -> Centre:
    """Of (dim,) unit vectors, at least one. StopError where they cancel out, so that no direction is left.

    Sums of float16 in float64 are exact up to a hundred million unit vectors, so the order changes no bit.
    """
    total, count = np.zeros(1), 0
    for vector in vectors:
        total, count = total + vector.astype(np.float64), count + 1
    norm = float(np.linalg.norm(total))
    if norm <= _LEAST_NORM * count:
        raise StopError(f"the embeddings of {count} spoilt faces have no common direction; give more faces")
    return Centre((total / norm).astype(np.float32), min(1.0, norm / count), count)
