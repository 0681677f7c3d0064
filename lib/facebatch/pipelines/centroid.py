"""models centroid: from photos of good faces to the centre of unrecognisable ones, for one model pack."""

import tempfile
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from facebatch.errors import ConfigError, StopError
from facebatch.faces.align import align
from facebatch.faces.embed import CropBatches
from facebatch.faces.models import Detector, ModelCard, Recogniser
from facebatch.faces.open import open_models
from facebatch.faces.recognizability import FILE, Centroid, CentroidSpec, recognizability, write_centroid
from facebatch.faces.select import select
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.faces.unrecognizable import VARIANTS, Centre, centre, spoil
from facebatch.images.decode import decode
from facebatch.images.read import read_shard
from facebatch.images.records import EncodedImage, ImageShard, Reject
from facebatch.images.shards import list_shards
from facebatch.images.source import DecodeSpec, SourceSpec
from facebatch.spec import Spec
from facebatch.storage.digest import digest
from facebatch.storage.settings import S3Spec
from facebatch.telemetry.progress import Progress

Vectors = npt.NDArray[np.float16]
Crop = npt.NDArray[np.uint8]


class CentroidConfig(Spec):
    """Photos like those that will be enrolled, of many people, and a model pack."""

    source: SourceSpec
    """Photos of good quality; nobody has to be known in them."""
    out: str
    """Local path of the file. `unrecognizable.json` in the pack's folder is found without being named."""
    most: int = Field(default=1000, ge=1, le=100_000)
    """Faces to make it of."""
    least: int = Field(default=100, ge=1)
    """With fewer faces none is made: it would tell of these people more than of the model."""
    decode: DecodeSpec = DecodeSpec()
    model: ModelSpec = ModelSpec()
    faces: FaceSpec = FaceSpec()
    s3: S3Spec = S3Spec()


@dataclass(frozen=True, slots=True)
class CentroidPlan:
    """What would be done."""

    model: str
    source: str
    shards: int
    bytes: int
    """Of all shards; reading stops when there are enough faces."""
    crops: int
    """To be embedded, at most."""
    out: str


@dataclass(frozen=True, slots=True)
class CentroidReport:
    """A centroid and how well it tells faces apart."""

    out: str
    sha256: str
    model: str
    faces: int
    crops: int
    """Spoilt ones that have an embedding."""
    without_a_face: dict[str, int]
    """Images that gave none, by reason."""
    concentration: float
    """Of the spoilt crops, [0, 1]: near 0, and they have nothing in common."""
    recognizability_good: float
    """Median of the faces as they were. Close to that of the spoilt ones, the score is of no use with this model."""
    recognizability_spoilt: float
    """Median of the spoilt crops."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Finds faces in photos."""

    config: CentroidConfig
    detector: Detector
    size: int
    """Side of the aligned crop, px."""

    def find(self, item: EncodedImage | Reject) -> Crop | str:
        """The aligned crop of the largest face, or why there is none."""
        decoded = item if isinstance(item, Reject) else decode(item, self.config.decode)
        if isinstance(decoded, Reject):
            return decoded.outcome.value
        selection = select(self.detector.detect(decoded.pixels), self.config.faces)
        if not selection.kept:
            return selection.rejected[0].reason if selection.rejected else "no_face"
        crop = align(decoded.pixels, selection.kept[0].landmarks, self.size)
        return "model_error" if crop is None else crop


def run(config: CentroidConfig, progress: Progress, *, dry_run: bool = False) -> CentroidReport | CentroidPlan:
    """Make the file, which depends on photos, pack and settings alone: on no order, path or time.

    StopError, and no file, for fewer than `config.least` faces; ConfigError where `config.out` is a folder; what
    `open_models` and `list_shards` raise.
    """
    if Path(config.out).expanduser().is_dir():
        raise ConfigError(f"out: {config.out} is a folder; give the file, for example {config.out}/{FILE}")
    card, detector, recogniser = open_models(config.model, config.faces)
    shards = sorted(list_shards(config.source, config.s3), key=_place)
    if dry_run:
        size, crops = sum(shard.size for shard in shards), (1 + VARIANTS) * _most(config, shards)
        return CentroidPlan(card.name, config.source.uri, len(shards), size, crops, config.out)
    faces, refused = _faces(config, shards, _Reader(config, detector, recogniser.input_size), progress)
    if len(faces) < config.least:
        told = ", ".join(f"{reason}: {count}" for reason, count in sorted(refused.items())) or "no image had none"
        raise StopError(
            f"{config.source.uri}: {len(faces)} faces found ({told}), and a centroid is made of {config.least} or more;"
            " give more photos, or lower --least"
        )
    good, spoilt = _embed(faces, recogniser, config.model.batch, progress)
    return _report(config, card, centre(spoilt), (good, spoilt), refused)


def _place(shard: ImageShard) -> str:
    """Mixes the shards, so that the first faces come from all over the source, wherever that lies."""
    return digest((shard.name or shard.members[0].image_id).encode())


def _most(config: CentroidConfig, shards: list[ImageShard]) -> int:
    """Faces that can be taken, where the listing tells how many images there are."""
    listed = [len(shard.members) for shard in shards]
    return min(config.most, sum(listed)) if all(listed) else config.most


def _faces(
    config: CentroidConfig, shards: list[ImageShard], reader: _Reader, progress: Progress
) -> tuple[dict[str, Crop], Counter[str]]:
    """Aligned crops by the digest of their image, in its order, and what was wrong with the other images."""
    faces: dict[str, Crop] = {}
    refused: Counter[str] = Counter()
    with (
        tempfile.TemporaryDirectory(prefix="facebatch-") as folder,
        closing(_images(config, shards, Path(folder))) as images,
        progress.stage("faces", total=_most(config, shards), unit="faces") as bar,
    ):
        for item in images:
            found = reader.find(item)
            if isinstance(found, str):
                refused[found] += 1
            elif item.sha256 is not None and item.sha256 not in faces:
                faces[item.sha256] = found
                bar.advance(images=1)
            if len(faces) == config.most:
                break
    return dict(sorted(faces.items())), refused


def _images(
    config: CentroidConfig, shards: list[ImageShard], folder: Path
) -> Generator[EncodedImage | Reject, None, None]:
    for shard in shards:
        yield from read_shard(shard, config.source, config.s3, folder)


def _embed(
    faces: dict[str, Crop], recogniser: Recogniser, batch: int, progress: Progress
) -> tuple[list[Vectors], list[Vectors]]:
    """Embeddings of the faces, and of the spoilt crops; those that the network has none for are left out."""
    good, spoilt = CropBatches(recogniser, batch), CropBatches(recogniser, batch)
    with progress.stage("spoilt faces", total=len(faces), unit="faces") as bar:
        for image_sha256, crop in faces.items():
            good.add(crop)
            for worse in spoil(crop, image_sha256):
                spoilt.add(worse)
            bar.advance()
        return (
            [one.vector for one in good.finish() if one.vector is not None],
            [one.vector for one in spoilt.finish() if one.vector is not None],
        )


def _report(
    config: CentroidConfig,
    card: ModelCard,
    found: Centre,
    embeddings: tuple[list[Vectors], list[Vectors]],
    refused: Counter[str],
) -> CentroidReport:
    good, spoilt = embeddings
    document = CentroidSpec(
        model=card.fingerprint,
        model_name=card.name,
        vector=tuple(found.vector.tolist()),
        faces=len(good),
        crops=found.count,
        concentration=round(found.concentration, 6),
    )
    sha256 = write_centroid(document, Path(config.out).expanduser())
    centroid = Centroid(card.fingerprint, found.vector, sha256)
    medians = [float(np.median(recognizability(np.stack(vectors), centroid))) for vectors in (good, spoilt)]
    return CentroidReport(
        out=config.out,
        sha256=sha256,
        model=card.name,
        faces=len(good),
        crops=found.count,
        without_a_face=dict(sorted(refused.items())),
        concentration=document.concentration,
        recognizability_good=round(medians[0], 2),
        recognizability_spoilt=round(medians[1], 2),
    )
