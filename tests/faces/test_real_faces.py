"""Real photos through the whole extractor, with the open development pack."""

import csv
import hashlib
from pathlib import Path

import cv2
import insightface.data
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from facebatch.faces.extract import Extraction, Extractor
from facebatch.faces.open import open_models
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.images.records import EncodedImage
from facebatch.images.source import DecodeSpec
from faces.networks import write_pack

pytestmark = pytest.mark.integration

ORL = FaceSpec(detector_size=256, enlarge=2.0)
"""92 x 112 px crops of faces: twice as large, on a canvas that leaves black around them."""


def encoded(path: Path, subject: str) -> EncodedImage:
    data = path.read_bytes()
    return EncodedImage(path.name, path.name, data, hashlib.sha256(data).hexdigest(), subject_id=subject)


def photos(folder: Path) -> list[tuple[dict[str, str], EncodedImage]]:
    with (folder / "labels.csv").open(newline="") as file:
        return [(row, encoded(folder / row["file"], row["identity"])) for row in csv.DictReader(file)]


def run(models, faces: FaceSpec, images: list[EncodedImage], batch: int = 32, threads: int = 2) -> Extraction:
    return Extractor(*models, faces, DecodeSpec(), batch, threads).extract(images, "file:///shard")


def vectors(templates: pa.Table) -> npt.NDArray[np.float64]:
    return np.array(templates.column("embedding").to_pylist(), dtype=np.float64)


def rank_one(extraction: Extraction, probes: set[str]) -> float:
    """Share of the probes (image ids) whose most similar gallery template is of the same subject.

    A probe without a template counts as missed.
    """
    ids = extraction.templates.column("image_id").to_pylist()
    subjects = np.array(extraction.templates.column("subject_id").to_pylist())
    is_probe = np.array([name in probes for name in ids])
    rows = vectors(extraction.templates)
    best = (rows[is_probe] @ rows[~is_probe].T).argmax(axis=1)
    return float((subjects[~is_probe][best] == subjects[is_probe]).sum() / len(probes))


def london(data_dir: Path, people: int | None) -> tuple[list[EncodedImage], set[str]]:
    """Neutral photos of everyone and smiling ones of up to `people`; the smiling ones are the probes."""
    rows = photos(data_dir / "london")
    smiling = [image for row, image in rows if row["set"] == "smiling"][:people]
    wanted = {image.subject_id for image in smiling}
    neutral = [
        image for row, image in rows if row["set"] == "neutral" and (people is None or image.subject_id in wanted)
    ]
    return neutral + smiling, {image.image_id for image in smiling}


def orl(data_dir: Path, people: int) -> tuple[list[EncodedImage], set[str]]:
    """Ten photos of each of the first `people`: the first five are the gallery, the others the probes."""
    rows = photos(data_dir / "orl")
    chosen = sorted({row["identity"] for row, _ in rows})[:people]
    images = [image for row, image in rows if row["identity"] in chosen]
    return images, {image.image_id for image in images if int(image.image_id[4:6]) > 5}


def test_six_faces_of_the_group_photo(real_models):
    photo = encoded(Path(insightface.data.__file__).parent / "images" / "t1.jpg", "")
    extraction = run(real_models, FaceSpec(keep="all"), [photo])
    rows = extraction.templates.to_pylist()
    assert [row["face_index"] for row in rows] == list(range(6))
    assert extraction.ledger.to_pylist()[0]["faces_kept"] == 6
    similarity = vectors(extraction.templates) @ vectors(extraction.templates).T
    assert similarity[~np.eye(6, dtype=bool)].max() < 0.5
    for row in rows:
        x0, y0, x1, y1 = row["box"]
        points = np.reshape(row["landmarks"], (5, 2))
        assert (points > [x0, y0]).all()
        assert (points < [x1, y1]).all()
        assert points[0, 0] < points[1, 0]
        assert row["detector_score"] >= 0.6


def test_london_sample_is_found_at_rank_one(real_models, data_dir):
    images, probes = london(data_dir, 20)
    assert len(images) == 40
    assert rank_one(run(real_models, FaceSpec(), images), probes) >= 0.99


def test_orl_sample_is_found_at_rank_one(real_models, data_dir, models_dir):
    images, probes = orl(data_dir, 4)
    assert len(images) == 40
    models = open_models(ModelSpec(pack="open_yunet_omz", packs=str(models_dir)), ORL)
    assert rank_one(run(models, ORL, images), probes) >= 0.98


def test_the_two_detectors_agree_on_where_the_landmarks_are(real_models, models_dir, data_dir, tmp_path):
    """The official pack's YuNet through its own decoder, with a stand-in recogniser."""
    folder = write_pack(tmp_path, detector=models_dir / "yunet_2023mar" / "face_detection_yunet_2023mar.onnx")
    images, _ = london(data_dir, 5)
    official = run(open_models(ModelSpec(pack=str(folder)), FaceSpec()), FaceSpec(), images)
    development = run(real_models, FaceSpec(), images)
    assert len(official.templates) == len(development.templates) == 10
    points = [np.array(table.templates.column("landmarks").to_pylist()) for table in (official, development)]
    assert np.abs(points[0] - points[1]).max() < 12


@pytest.mark.slow
def test_london_is_found_at_rank_one(real_models, data_dir):
    images, probes = london(data_dir, None)
    extraction = run(real_models, FaceSpec(), images)
    assert len(probes) >= 100
    assert set(extraction.ledger.column("outcome").to_pylist()) == {"ok"}
    assert rank_one(extraction, probes) >= 0.99


@pytest.mark.slow
def test_orl_is_found_at_rank_one(data_dir, models_dir):
    images, probes = orl(data_dir, 40)
    assert len(images) == 400
    models = open_models(ModelSpec(pack="open_yunet_omz", packs=str(models_dir)), ORL)
    assert rank_one(run(models, ORL, images), probes) >= 0.98


def test_threads_and_order_of_decoding_change_no_byte(real_models, data_dir):
    images, _ = london(data_dir, 6)
    results = [run(real_models, FaceSpec(keep="all"), images, batch=5, threads=threads) for threads in (1, 4)]
    assert results[0].templates.equals(results[1].templates)
    assert results[0].ledger.equals(results[1].ledger)
    assert len(results[0].templates) >= len(images)


def test_the_order_of_the_shard_moves_no_embedding_by_more_than_rounding(real_models, data_dir):
    images, _ = london(data_dir, 6)
    forward = run(real_models, FaceSpec(), images, batch=5)
    backward = run(real_models, FaceSpec(), images[::-1], batch=5)
    assert forward.templates.column("template_id").equals(backward.templates.column("template_id"))
    assert np.abs(vectors(forward.templates) - vectors(backward.templates)).max() <= 2e-3


def test_images_without_a_face_or_an_end_become_rows(real_models, data_dir):
    grey = np.full((64, 64, 3), 128, np.uint8)
    data = cv2.imencode(".png", grey)[1].tobytes()
    nobody = EncodedImage("grey", "grey.png", data, hashlib.sha256(data).hexdigest())
    cut = encoded(sorted((data_dir / "london").glob("*.jpg"))[0], "a")
    half = EncodedImage("cut", "cut.jpg", cut.data[: len(cut.data) // 2], "0" * 64)
    outcomes = run(real_models, FaceSpec(), [nobody, half]).ledger.column("outcome").to_pylist()
    assert outcomes == ["no_face", "truncated"]
