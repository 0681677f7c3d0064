"""Probes of poor media made of real photos: two clips and a still of a person, each frame degraded by itself.

A medium is near or far: that gives the distance of the eyes, the light, the sensor's noise and the file's quality to
all its frames. A frame of its own is tilted, out of focus, and shaken in three of five cases.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from facebatch.faces.align import align
from facebatch.faces.degrade import Recipe, degrade
from facebatch.faces.embed import unit
from facebatch.faces.models import Detector
from facebatch.faces.open import open_models
from facebatch.faces.quality import Quality, assess, eye_distance
from facebatch.faces.recognizability import Centroid
from facebatch.faces.select import FoundFace, select
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.faces.unrecognizable import centre, spoil
from facebatch.storage.digest import digest

Pixels = npt.NDArray[np.uint8]
MEDIA = (0, 0, 0, 0, 0, 0, 1, 1, 2)
"""The medium of each frame: a clip, a shorter one and a still."""
FACES = {"london": FaceSpec(detector_size=512), "orl": FaceSpec(detector_size=256, enlarge=2.0, pad=0.5)}
"""Folders of FACEBATCH_DATA, and how faces are found in them."""
POOR = FaceSpec(detector_size=320, enlarge=4.0, pad=0.5)
"""How they are found in what is left after degrading: a picture of some 50 px."""
PLAIN_EYES = 35.0
"""px between the eyes, where no face is found in the photo before it is degraded."""


@dataclass(frozen=True, slots=True)
class Person:
    """Real photos of one person."""

    name: str
    folder: str
    enrolled: Path
    others: tuple[Path, ...]
    """Where a probe comes from; the enrolled one again for people with a single photo, who are never mated."""
    mated: bool


@dataclass(frozen=True, slots=True)
class Look:
    """A face that was found in one frame."""

    medium: int
    vector: npt.NDArray[np.float16]
    """(dim,), unit norm."""
    quality: Quality


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What is in the gallery of one person."""

    vector: npt.NDArray[np.float16]
    crop: Pixels
    """Aligned."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What the frames of one medium have in common."""

    eyes: float
    """px between them."""
    stops: float
    noise: float
    jpeg: int


def people(data: Path) -> list[Person]:
    """Everyone of the London and ORL sets, by name: the first photo is enrolled."""
    found = []
    for folder in FACES:
        photos: dict[str, list[Path]] = {}
        with (data / folder / "labels.csv").open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                photos.setdefault(row["identity"], []).append(data / folder / row["file"])
        for name, files in sorted(photos.items()):
            first, *others = sorted(files)
            found.append(Person(name, folder, first, tuple(others) or (first,), bool(others)))
    return found


class Camera:
    """Looks at photos as they are, and at what is left of them."""

    def __init__(self, model: ModelSpec, far: float, *, one_photo_a_medium: bool = False) -> None:
        """`far`: share of media from far away, [0, 1]. Each frame shows a photo of its own, as far as there are enough,
        or those of one medium show the same."""
        self._far = far
        self._one_photo_a_medium = one_photo_a_medium
        self._detectors = {name: open_models(model, faces)[1] for name, faces in FACES.items()}
        self.card, self._poor, self._recogniser = open_models(model, POOR)

    def enrol(self, person: Person) -> Enrolled:
        """The face of the enrolled photo."""
        found = self._embed(cv2.imread(str(person.enrolled)), self._detectors[person.folder], FACES[person.folder])
        if found is None:
            raise ValueError(f"{person.enrolled}: no face in the photo to enrol")
        return Enrolled(found[2], found[1])

    def centroid(self, people: Sequence[Person], enrolled: Sequence[Enrolled]) -> Centroid:
        """That of the pack, made of what is enrolled, as `facebatch models centroid` makes it."""
        spoilt = [
            spoil(one.crop, digest(person.enrolled.read_bytes())) for person, one in zip(people, enrolled, strict=True)
        ]
        rows = [unit(row) for crops in spoilt for row in self._recogniser.embed(crops)]
        return Centroid(self.card.fingerprint, centre([row for row in rows if row is not None]).vector, "")

    def probes(self, person: Person, draws: int, seed: int) -> list[list[Look]]:
        """`draws` probes of a person: each one's looks at the frames in which the face was found."""
        photos = [cv2.imread(str(path)) for path in person.others]
        eyes = [self._eyes(pixels, person.folder) for pixels in photos]
        found = []
        for draw in range(draws):
            looks = []
            for frame, (medium, setting, photo) in enumerate(self._plan([seed, draw], len(photos))):
                rng = np.random.default_rng([seed, draw, 1, frame])
                spoilt = _film(photos[photo], eyes[photo], setting, rng)
                seen = self._embed(spoilt, self._poor, POOR)
                if seen is not None:
                    face, crop, vector = seen
                    looks.append(Look(medium, vector, assess(crop, face.landmarks, face.score)))
            found.append(looks)
        return found

    def _plan(self, seed: list[int], photos: int) -> Iterator[tuple[int, Setting, int]]:
        """Medium, setting and photo of each frame; `seed` ends with the number of the draw."""
        settings = [_setting(np.random.default_rng([*seed, 0, medium]), self._far) for medium in range(max(MEDIA) + 1)]
        for frame, medium in enumerate(MEDIA):
            turn = len(settings) * seed[-1] + medium if self._one_photo_a_medium else frame
            yield medium, settings[medium], turn % photos

    def _eyes(self, pixels: Pixels, folder: str) -> float:
        """px between the eyes of a photo."""
        face = _largest(pixels, self._detectors[folder], FACES[folder])
        return PLAIN_EYES if face is None else eye_distance(face.landmarks)

    def _embed(
        self, pixels: Pixels, detector: Detector, faces: FaceSpec
    ) -> tuple[FoundFace, Pixels, npt.NDArray[np.float16]] | None:
        """The largest face with its aligned crop and template; None where there is none that can be embedded."""
        face = _largest(pixels, detector, faces)
        crop = None if face is None else align(pixels, face.landmarks, self._recogniser.input_size)
        vector = None if crop is None else unit(self._recogniser.embed(crop[np.newaxis])[0])
        return None if face is None or crop is None or vector is None else (face, crop, vector)


def _largest(pixels: Pixels, detector: Detector, faces: FaceSpec) -> FoundFace | None:
    kept = select(detector.detect(pixels), faces).kept
    return kept[0] if kept else None


def _setting(rng: np.random.Generator, far: float) -> Setting:
    stops = rng.uniform(-2.5, 0.0)
    if rng.random() < far:
        return Setting(rng.uniform(12, 20), stops, rng.uniform(6, 20), int(rng.integers(15, 40)))
    return Setting(rng.uniform(20, 32), stops, rng.uniform(3, 10), int(rng.integers(35, 75)))


def _film(pixels: Pixels, eyes: float, setting: Setting, rng: np.random.Generator) -> Pixels:
    """One frame of a photo with so many px between the eyes: tilted, shrunk, shaken, then what `degrade` does."""
    height, width = pixels.shape[:2]
    tilt = cv2.getRotationMatrix2D((width / 2, height / 2), math.degrees(rng.normal(0, 0.1)), 1.0)
    tilted = cv2.warpAffine(pixels, tilt, (width, height), borderMode=cv2.BORDER_REPLICATE)
    left = min(eyes, max(11.0, setting.eyes * rng.uniform(0.85, 1.15)))
    small = degrade(tilted, Recipe(scale=left / eyes), rng)
    length = left * (rng.uniform(0.08, 0.35) if rng.random() < 0.6 else rng.uniform(0, 0.08))
    shaken = shake(small, length, rng.uniform(0, math.pi))
    light = setting.stops + rng.uniform(-0.5, 0.5)
    recipe = Recipe(blur=rng.uniform(0.2, 1.1), stops=light, noise=setting.noise, jpeg=setting.jpeg)
    return degrade(shaken, recipe, rng)


def shake(pixels: Pixels, length: float, angle: float) -> Pixels:
    """The mean of the picture moved along a line of `length` px at `angle`, radians: a camera or head in motion."""
    reach = math.ceil(length / 2)
    kernel = np.zeros((2 * reach + 3, 2 * reach + 3))
    for step in np.linspace(-length / 2, length / 2, 16 * reach + 1):
        _spread_point(kernel, reach + 1 + step * math.cos(angle), reach + 1 + step * math.sin(angle))
    shaken: Pixels = cv2.filter2D(pixels, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    return shaken


def _spread_point(kernel: npt.NDArray[np.float64], x: float, y: float) -> None:
    """A point of weight 1, shared by the four cells around it."""
    column, row = math.floor(x), math.floor(y)
    right, below = x - column, y - row
    kernel[row, column] += (1 - right) * (1 - below)
    kernel[row, column + 1] += right * (1 - below)
    kernel[row + 1, column] += (1 - right) * below
    kernel[row + 1, column + 1] += right * below
