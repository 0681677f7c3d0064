"""Who the demo's cases are about, and where their lists end: read off the demo's own search."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from facebatch.faces.directions import Point
from facebatch.faces.quality import eye_distance
from facebatch.pipelines.finding import Finding
from facebatch.pipelines.photos import Photo, Sitting, image_id

ONE_IN = 100
"""Of this many searches one may list somebody else at or above the threshold."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the gallery, with photos that were searched with."""

    subject: str
    photos: tuple[Path, ...]
    middle: Point
    """Of the face in the first photo, px."""
    eyes: float
    """Distance of the eyes there, px."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Above what some searches listed of other people."""

    value: float
    above: int
    """Searches that listed somebody else than their own subject at or above it."""
    searches: int


def people(finding: Finding, sitting: Sitting) -> list[Person]:
    """Those with a template in the gallery and a probe with one, in the order of the probes."""
    rows = {row["image_id"]: row for row in finding.probes.select(["image_id", "box", "landmarks"]).to_pylist()}
    enrolled = set(finding.gallery["subject_id"].to_pylist())
    photos: dict[str, list[Photo]] = {}
    for photo in sitting.probes:
        if photo.subject in enrolled and image_id(photo) in rows:
            photos.setdefault(photo.subject, []).append(photo)
    return [_person(subject, shots, rows[image_id(shots[0])]) for subject, shots in photos.items()]


def _person(subject: str, shots: list[Photo], row: Mapping[str, list[float]]) -> Person:
    x0, y0, x1, y1 = row["box"]
    eyes = eye_distance(np.array(row["landmarks"], np.float32).reshape(-1, 2))
    return Person(subject, tuple(shot.path for shot in shots), ((x0 + x1) / 2, (y0 + y1) / 2), eyes)


def stranger(sitting: Sitting) -> Path | None:
    """A photo of somebody who is not in the gallery: a probe's, else the astronaut that comes with scikit-image."""
    enrolled = {photo.subject for photo in sitting.gallery}
    astronaut = Path(str(files("skimage"))) / "data" / "astronaut.png"
    found = [photo.path for photo in sitting.probes if photo.subject not in enrolled]
    if astronaut.is_file() and astronaut not in {photo.path for photo in sitting.gallery}:
        found.append(astronaut)
    return found[0] if found else None


def find_threshold(candidates: pa.Table, truth: Mapping[str, str]) -> Threshold | None:
    """The least number of three decimals that at most one in ONE_IN searches listed another person at or above.

    `candidates` is `schemas.CANDIDATES` of lists without a floor, `truth` the subject of each probe by probe_id; what
    was measured this way holds for no other probes and no other gallery. None where nobody else was ever listed.
    """
    own = pl.DataFrame({"probe_id": list(truth), "own": list(truth.values())})
    lists = pl.DataFrame(candidates.select(["probe_id", "subject_id", "similarity"])).join(own, on="probe_id")
    others = lists.filter(pl.col("subject_id").ne_missing(pl.col("own")))
    highest = np.sort(others.group_by("probe_id").agg(pl.col("similarity").max())["similarity"].to_numpy())[::-1]
    if not len(highest):
        return None
    searches = lists["probe_id"].n_unique()
    value = _next_above(highest[min(searches // ONE_IN, len(highest) - 1)])
    return Threshold(value, int((highest >= np.float32(value)).sum()), searches)


def _next_above(similarity: np.float32) -> float:
    """The next number of three decimals that is higher as a float32, which similarities are; 1 at most."""
    least = int(np.floor(float(similarity) * 1000)) + 1
    return min(1.0, (least + int(np.float32(least / 1000) <= similarity)) / 1000)
