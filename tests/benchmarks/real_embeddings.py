"""Embeddings of real photographs, made by the package's own extraction, with whose they are."""

import csv
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facebatch.faces.extract import Extractor
from facebatch.faces.open import open_models
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.images.read import read_shard
from facebatch.images.shards import list_shards
from facebatch.images.source import DecodeSpec, SourceSpec
from facebatch.storage.settings import S3Spec

SETTINGS = {"london": FaceSpec(), "orl": FaceSpec(pad=0.5, enlarge=2.0)}
"""Folders of FACEBATCH_DATA with a labels.csv, and how their faces are found."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Templates of known subjects."""

    vectors: npt.NDArray[np.float16]
    """(rows, dim), unit norm."""
    subjects: npt.NDArray[np.int64]
    """(rows,): a number per subject, 0-based and without gaps."""


def embed_photos(pack: str, threads: int) -> Embeddings:
    """The largest face of every photo, with this pack of FACEBATCH_MODELS."""
    vectors: list[list[float]] = []
    names: list[str] = []
    for folder, faces in SETTINGS.items():
        place = Path(os.environ["FACEBATCH_DATA"]) / folder
        with (place / "labels.csv").open(newline="", encoding="utf-8") as stream:
            labels = {row["file"]: row["identity"] for row in csv.DictReader(stream)}
        for image, vector in _embed_folder(place, faces, ModelSpec(pack=pack, threads=threads)):
            vectors.append(vector)
            names.append(labels[image])
    numbers = np.unique(np.array(names), return_inverse=True)[1]
    return Embeddings(np.array(vectors, dtype=np.float16), numbers)


def _embed_folder(place: Path, faces: FaceSpec, model: ModelSpec) -> list[tuple[str, list[float]]]:
    card, detector, recogniser = open_models(model, faces)
    extractor = Extractor(card, detector, recogniser, faces, DecodeSpec(), model.batch)
    source = SourceSpec(uri=str(place), kind="folder")
    found: list[tuple[str, list[float]]] = []
    for shard in list_shards(source, S3Spec()):
        with tempfile.TemporaryDirectory() as folder:
            templates = extractor.extract(read_shard(shard, source, S3Spec(), Path(folder)), shard.uri).templates
        images, embeddings = templates["image_id"].to_pylist(), templates["embedding"].to_pylist()
        found.extend(zip(images, embeddings, strict=True))
    return found
