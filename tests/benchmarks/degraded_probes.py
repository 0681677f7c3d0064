"""Real photos, each degraded many times over a wide range, and compared with other photos as they are.

People with one photo make the centroid, and nobody else does. Everyone else is enrolled by one photo and probed by the
others; with two photos, by each in turn.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.degraded_frames import Person
from facebatch.evaluate.verification import compare, threshold_for
from facebatch.faces.align import align
from facebatch.faces.degrade import Recipe, degrade
from facebatch.faces.embed import CropBatches
from facebatch.faces.open import open_models
from facebatch.faces.quality import Quality, assess, eye_distance
from facebatch.faces.recognizability import Centroid
from facebatch.faces.select import FoundFace, select
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.faces.unrecognizable import centre, spoil
from facebatch.storage.digest import digest

Pixels = npt.NDArray[np.uint8]
Vectors = npt.NDArray[np.float16]
FACES = FaceSpec(enlarge=4.0, pad=0.5)
EYES_PX = (12.0, 60.0)
"""Between the eyes, log-uniform, and not more than the photo has. 30 is a face of some 75 px."""
SHARE = 0.4
"""Of the probes that have each other fault, independent of the others."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The face of one picture."""

    face: FoundFace
    crop: Pixels
    """Aligned."""
    quality: Quality


@dataclass(frozen=True, slots=True)
class Probes:
    """Degraded photos in which a face was found, n of them, and whom they are compared with."""

    vectors: Vectors
    """(n, dim)."""
    crops: Pixels
    """(n, size, size, 3)."""
    qualities: tuple[Quality, ...]
    people: npt.NDArray[np.str_]
    """(n,): name of the person."""
    mates: npt.NDArray[np.int64]
    """(n,): row of `enrolled` that shows the same person in another photo."""
    enrolled: Vectors
    """(photos, dim)."""
    enrolled_people: npt.NDArray[np.str_]
    without_face: int
    """Degraded photos in which none was found; they have no score and are on no curve."""

    def missed(self, fmr: float) -> tuple[npt.NDArray[np.bool_], float]:
        """(n,): whose mate is below the threshold at which the non-mated comparisons of all have this FMR; and it."""
        similarity = self.vectors.astype(np.float32) @ self.enrolled.astype(np.float32).T
        mated = similarity[np.arange(len(self.mates)), self.mates]
        threshold = threshold_for(
            compare(mated, similarity[self.people[:, None] != self.enrolled_people[None, :]]), fmr
        )
        return mated < threshold, threshold


class Studio:
    """Degrades photos and looks at them with one model pack."""

    def __init__(self, model: ModelSpec) -> None:
        self.card, self._detector, self._recogniser = open_models(model, FACES)
        self._batch = model.batch

    def centroid(self, people: Sequence[Person]) -> Centroid:
        """As `facebatch models centroid` makes it, of the enrolled photos."""
        spoilt = [
            crop
            for person in people
            for crop in spoil(self._look(person.enrolled).crop, digest(person.enrolled.read_bytes()))
        ]
        return Centroid(self.card.fingerprint, centre(self._embed(spoilt)).vector, "")

    def probes(self, people: Sequence[Person], draws: int, seed: int) -> Probes:
        """`draws` degraded copies of each photo. What is drawn depends on the photo's content and the seed alone."""
        photos = [(person, path) for person in people for path in (person.enrolled, *person.others)]
        seen = [self._look(path) for _, path in photos]
        rows = {path: row for row, (_, path) in enumerate(photos)}
        found: list[tuple[Seen, str, int]] = []
        lost = 0
        for person, path, mate in _comparisons(people):
            for worse in _worse(path, seen[rows[path]].face, draws, seed):
                look = self._find(worse)
                lost += look is None
                if look is not None:
                    found.append((look, person.name, rows[mate]))
        looks = [look for look, _, _ in found]
        return Probes(
            vectors=self._embed([look.crop for look in looks]),
            crops=np.stack([look.crop for look in looks]),
            qualities=tuple(look.quality for look in looks),
            people=np.array([name for _, name, _ in found]),
            mates=np.array([row for _, _, row in found]),
            enrolled=self._embed([look.crop for look in seen]),
            enrolled_people=np.array([person.name for person, _ in photos]),
            without_face=lost,
        )

    def _look(self, path: Path) -> Seen:
        found = self._find(cv2.imread(str(path)))
        if found is None:
            raise ValueError(f"{path}: no face in the photo as it is")
        return found

    def _find(self, pixels: Pixels) -> Seen | None:
        kept = select(self._detector.detect(pixels), FACES).kept
        crop = align(pixels, kept[0].landmarks, self._recogniser.input_size) if kept else None
        if crop is None:
            return None
        return Seen(kept[0], crop, assess(crop, kept[0].landmarks, kept[0].score))

    def _embed(self, crops: Sequence[Pixels]) -> Vectors:
        batches = CropBatches(self._recogniser, self._batch)
        for crop in crops:
            batches.add(crop)
        return np.stack([one.vector for one in batches.finish() if one.vector is not None])


def draw(rng: np.random.Generator) -> tuple[float, Recipe]:
    """px between the eyes, and what else is done: blur, low light or over-exposure, noise, JPEG."""
    eyes = math.exp(rng.uniform(math.log(EYES_PX[0]), math.log(EYES_PX[1])))
    recipe = Recipe()
    if rng.random() < SHARE:
        recipe = replace(recipe, blur=rng.uniform(0.5, 2.5) * eyes / 30.0)
    if rng.random() < SHARE:
        recipe = replace(recipe, stops=rng.uniform(-6.0, -2.0) if rng.random() < 0.5 else rng.uniform(1.0, 3.0))
    if rng.random() < SHARE:
        recipe = replace(recipe, noise=rng.uniform(4.0, 30.0))
    if rng.random() < SHARE:
        recipe = replace(recipe, jpeg=int(rng.integers(10, 50)))
    return eyes, recipe


def _worse(path: Path, face: FoundFace, draws: int, seed: int) -> Iterator[Pixels]:
    pixels = cv2.imread(str(path))
    rng = np.random.default_rng([seed, int(digest(path.read_bytes())[:16], 16)])
    for _ in range(draws):
        eyes, recipe = draw(rng)
        yield degrade(pixels, replace(recipe, scale=min(1.0, eyes / eye_distance(face.landmarks))), rng)


def _comparisons(people: Sequence[Person]) -> Iterator[tuple[Person, Path, Path]]:
    """Person, the photo that is degraded, the one it is compared with."""
    for person in people:
        for other in person.others:
            yield person, other, person.enrolled
        if len(person.others) == 1:
            yield person, person.enrolled, person.others[0]
