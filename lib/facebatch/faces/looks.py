"""A face of a probe's media, looked at: what is needed to weigh it, to compare it and to show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facebatch.faces.align import align
from facebatch.faces.directions import Point
from facebatch.faces.embed import CropBatches
from facebatch.faces.models import Recogniser
from facebatch.faces.picture import jpeg, surroundings
from facebatch.faces.quality import Quality, assess, unified
from facebatch.faces.recognizability import Centroid, recognizability
from facebatch.faces.select import FoundFace
from facebatch.images.records import EncodedImage, Reject
from facebatch.schemas import Outcome


@dataclass(frozen=True, slots=True)
class Still:
    """One picture of a probe, as read."""

    medium: int
    """0-based, in the order of the manifest."""
    name: str
    image: EncodedImage | Reject
    point: Point | None
    """In the designated face, px of the upright image."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One video of a probe, as fetched."""

    medium: int
    name: str
    path: Path
    sha256: str
    start_s: float
    end_s: float | None
    point: Point | None
    """In the designated face at `at_s`, px of the upright frame."""
    at_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A face that can be compared."""

    face: FoundFace
    quality: Quality
    recognizability: float | None
    """0-100; None where the model pack has no centroid."""
    unified: float
    """0-100, of all of them."""
    vector: npt.NDArray[np.float16]
    """(dim,), unit norm."""
    aligned: bytes
    """JPEG."""
    original: bytes
    """JPEG."""


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A look at the probe's person."""

    medium: int
    name: str
    at_ms: int | None
    track: int | None
    look: Look


@dataclass(frozen=True, slots=True)
class Blank:
    """A medium that gave none."""

    medium: int
    name: str
    outcome: Outcome
    reason: str | None
    faces_found: int = 0


@dataclass(frozen=True, slots=True)
class Looker:
    """Looks at chosen faces of a picture."""

    recogniser: Recogniser
    centroid: Centroid | None
    batch: int

    def look(
        self, pixels: npt.NDArray[np.uint8], chosen: Sequence[FoundFace], boxes: npt.NDArray[np.float32]
    ) -> list[Look | None]:
        """One per chosen face, in order; None for one without usable landmarks or embedding.

        `pixels` is (height, width, 3) BGR uint8, `boxes` (n, 4) px of all faces found, the chosen among them.
        """
        crops = [align(pixels, face.landmarks, self.recogniser.input_size) for face in chosen]
        batches = CropBatches(self.recogniser, self.batch)
        for crop in crops:
            if crop is not None:
                batches.add(crop)
        vectors = iter(batches.finish())
        found: list[Look | None] = []
        for face, crop in zip(chosen, crops, strict=True):
            vector = None if crop is None else next(vectors).vector
            if crop is None or vector is None:
                found.append(None)
                continue
            quality = assess(crop, face.landmarks, face.score)
            score = None if self.centroid is None else float(recognizability(vector[np.newaxis], self.centroid)[0])
            others = [box for box in boxes.tolist() if tuple(box) != face.box and np.isfinite(box).all()]
            original = jpeg(surroundings(pixels, face.box, others))
            found.append(Look(face, quality, score, unified(quality, score), vector, jpeg(crop), original))
        return found
