"""Folders of people made of real photos, embedded by the package, scored as LFW is."""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from facebatch.evaluate.folds import PairsAccuracy, cross_validate, score_pairs
from facebatch.evaluate.pairs import Photo, draw_pairs, format_pairs, parse_pairs, photos_of
from facebatch.faces.extract import Extractor
from facebatch.faces.open import open_models
from facebatch.faces.rows import Extraction
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.images.read import read_shard
from facebatch.images.shards import list_shards
from facebatch.images.source import DecodeSpec, SourceSpec
from facebatch.storage.settings import S3Spec

pytestmark = pytest.mark.integration

ORL = FaceSpec(detector_size=256, enlarge=2.0)
LONDON = FaceSpec(detector_size=320)
PEOPLE = 70
"""Of the 102 with two photos, for time."""


def labelled(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(people: Path, photo: Photo, pixels: npt.NDArray[np.uint8]) -> None:
    path = people / f"{photo.name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])


def degrade(pixels: npt.NDArray[np.uint8], side: int, seed: int) -> npt.NDArray[np.uint8]:
    """As a small, dark and noisy frame of a camera would show it, enlarged to 256 px again."""
    small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA).astype(np.float64)
    noisy = small * 0.5 + np.random.default_rng(seed).normal(0, 8, small.shape)
    squeezed = cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return cv2.resize(cv2.imdecode(squeezed, cv2.IMREAD_COLOR), (256, 256), interpolation=cv2.INTER_CUBIC)


def extract(people: Path, models: Path, faces: FaceSpec) -> Extraction:
    """One folder source of fewer images than a shard holds."""
    card, detector, recogniser = open_models(ModelSpec(pack="open_yunet_omz", packs=str(models)), faces)
    source = SourceSpec(uri=str(people), kind="folder", images_per_shard=100_000)
    (shard,) = list_shards(source, S3Spec())
    images = read_shard(shard, source, S3Spec(), people)
    return Extractor(card, detector, recogniser, faces, DecodeSpec(), 32).extract(images, shard.uri)


def accuracy(extraction: Extraction, numbers: set[int], size: int) -> PairsAccuracy:
    """Of the images with these numbers, by a list that went through its file format."""
    people = photos_of(extraction.ledger["image_id"].to_pylist())
    chosen = {person: sorted(numbers.intersection(own)) for person, own in people.items()}
    text = format_pairs(draw_pairs(chosen, folds=10, size=size, seed=0))
    return cross_validate(score_pairs(parse_pairs(text, "pairs.txt"), extraction.templates, extraction.ledger))


def smiling_and_neutral(data_dir: Path) -> Iterator[tuple[str, npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]:
    rows = labelled(data_dir / "london")
    neutral = {row["identity"]: row["file"] for row in rows if row["set"] == "neutral"}
    for row in rows:
        if row["set"] == "smiling":
            files = (neutral[row["identity"]], row["file"])
            first, second = (cv2.imread(str(data_dir / "london" / file)) for file in files)
            yield row["identity"], first, second


def test_pairs_of_orl(models_dir, data_dir, tmp_path):
    for row in labelled(data_dir / "orl"):
        if int(row["set"]) <= 4:
            photo = Photo(row["identity"], int(row["set"]))
            write(tmp_path, photo, cv2.imread(str(data_dir / "orl" / row["file"])))
    found = accuracy(extract(tmp_path, models_dir, ORL), {1, 2, 3, 4}, size=20)
    assert found.images == 160
    assert found.failed_images <= 8
    assert [fold.n for fold in found.all_pairs.folds] == [40] * 10
    assert 0.95 <= found.all_pairs.mean <= 1.0
    assert found.compared_pairs is not None
    assert found.compared_pairs.mean >= found.all_pairs.mean
    assert found.all_pairs.standard_error < 0.02


def test_pairs_of_london_against_degraded_photos(models_dir, data_dir, tmp_path):
    for number, (person, neutral, smiling) in enumerate(islice(smiling_and_neutral(data_dir), PEOPLE)):
        write(tmp_path, Photo(person, 1), neutral)
        write(tmp_path, Photo(person, 2), smiling)
        write(tmp_path, Photo(person, 3), degrade(smiling, 52, number))
    extraction = extract(tmp_path, models_dir, LONDON)
    clean, hard = (accuracy(extraction, numbers, size=PEOPLE // 10) for numbers in ({1, 2}, {1, 3}))
    assert clean.images == hard.images == 2 * PEOPLE
    assert clean.failed_images == 0
    assert clean.all_pairs.mean >= 0.99
    assert 0.6 <= hard.all_pairs.mean <= 0.9
    # The noise hides some faces from the detector: right by default in non-mated pairs, wrong in mated ones.
    assert 1 <= hard.failed_images <= 20
    assert hard.failed_mated >= 1
    assert hard.compared_pairs is not None
    counted = [sum(fold.n for fold in accuracy.folds) for accuracy in (hard.all_pairs, hard.compared_pairs)]
    assert counted[0] - counted[1] == hard.failed_mated + hard.failed_non_mated
