"""Real photographs for the demo: where they are, who is in the gallery and who is a probe, and shards of them."""

import csv
import io
import json
import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from facebatch.errors import NotFoundError, StopError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
IMAGES_PER_SHARD = 32
NEARBY = Path("../shared/data/london")
"""Where a checkout may have a folder of photos beside it."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One photograph and whose it is."""

    path: Path
    subject: str
    set: str | None = None
    """From labels.csv, where it has such a column."""


@dataclass(frozen=True, slots=True)
class Sitting:
    """The photos of a demo, split into gallery and probes."""

    origin: str
    """Where the photos are from, for the report."""
    gallery: tuple[Photo, ...]
    probes: tuple[Photo, ...]


def find_photos(folder: str | None, probe_set: str) -> Sitting:
    """Photos from `folder`; else nearby or FACEBATCH_DATA's; else those that installed packages carry.

    `probe_set` as in `split`.
    """
    if folder is not None:
        return _from_folder(Path(folder), probe_set)
    data = os.environ.get("FACEBATCH_DATA")
    places = [Path(data) / "london"] if data else []
    for place in [*places, NEARBY]:
        if place.is_dir():
            return _from_folder(place, probe_set)
    return _installed()


def _from_folder(folder: Path, probe_set: str) -> Sitting:
    if not folder.is_dir():
        raise NotFoundError(f"{folder}: no such folder; give one with photos as <subject>/<photo>.jpg")
    labels = folder / "labels.csv"
    photos = _labelled(labels) if labels.is_file() else _by_folder(folder)
    if len(photos) < 2:
        raise StopError(f"{folder}: no photos found; expected <subject>/<photo>.jpg, or labels.csv with file,identity")
    return split(str(folder), photos, probe_set)


def _labelled(labels: Path) -> list[Photo]:
    with labels.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        missing = {"file", "identity"} - set(reader.fieldnames or ())
        if missing:
            raise StopError(f"{labels}: column {sorted(missing)[0]!r} is missing; columns file and identity are needed")
        rows = [Photo(labels.parent / str(row["file"]), str(row["identity"]), row.get("set")) for row in reader]
    return sorted(rows, key=lambda photo: photo.path)


def _by_folder(folder: Path) -> list[Photo]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return [Photo(path, path.parent.name if path.parent != folder else path.stem) for path in found]


def split(origin: str, photos: Sequence[Photo], probe_set: str) -> Sitting:
    """Photos of the set `probe_set` are probes; where there is none, the second half of each subject's photos. Pure."""
    probes = [photo for photo in photos if photo.set == probe_set]
    if not probes:
        by_subject: dict[str, list[Photo]] = {}
        for photo in photos:
            by_subject.setdefault(photo.subject, []).append(photo)
        probes = [photo for shots in by_subject.values() for photo in shots[(len(shots) + 1) // 2 :]]
    if not probes:
        raise StopError(f"{origin}: each subject has one photo only, so there is nothing to search with; add a second")
    searched = set(probes)
    return Sitting(origin, tuple(photo for photo in photos if photo not in searched), tuple(probes))


def _installed() -> Sitting:
    """Photographs inside insightface and scikit-image; each masked picture is a probe of the man it shows."""
    images = Path(str(files("insightface"))) / "data" / "images"
    named = [
        Photo(images / "t1.jpg", "group photo"),
        Photo(images / "Tom_Hanks_54745.png", "portrait"),
        Photo(Path(str(files("skimage"))) / "data" / "astronaut.png", "astronaut"),
    ]
    there = [photo for photo in named if photo.path.is_file()]
    if not there:
        raise NotFoundError("no photos found; give a folder with --images")
    return Sitting("photographs in installed packages, each searched for itself", tuple(there), tuple(there))


def write_shards(photos: Sequence[Photo], folder: Path) -> int:
    """WebDataset tars: image, and JSON sidecar with image_id and subject_id. Deterministic; returns their number."""
    folder.mkdir(parents=True)
    shards = [photos[begin : begin + IMAGES_PER_SHARD] for begin in range(0, len(photos), IMAGES_PER_SHARD)]
    for number, shard in enumerate(shards):
        with tarfile.open(folder / f"shard-{number:05d}.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            for position, photo in enumerate(shard):
                key = f"{number * IMAGES_PER_SHARD + position:08d}"
                sidecar = {"image_id": image_id(photo), "subject_id": photo.subject}
                _add(tar, f"{key}{photo.path.suffix.lower()}", photo.path.read_bytes())
                _add(tar, f"{key}.json", json.dumps(sidecar).encode())
    return len(shards)


def image_id(photo: Photo) -> str:
    """Folder and file name of a photo."""
    return f"{photo.path.parent.name}/{photo.path.name}"


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
