"""People who are known to be in no case, from a folder of their photos: the strangers that examiners are shown."""

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facebatch.errors import ConfigError, PlanError
from facebatch.faces.align import align
from facebatch.faces.embed import CropBatches
from facebatch.faces.models import Detector
from facebatch.faces.open import open_models
from facebatch.faces.picture import jpeg
from facebatch.faces.rows import template_id
from facebatch.faces.select import select
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.images.decode import decode
from facebatch.images.read import read_shard
from facebatch.images.records import EncodedImage, Reject
from facebatch.images.shards import list_shards
from facebatch.images.source import DecodeSpec, FieldsSpec, SourceSpec
from facebatch.pipelines.review_searches import FinishedSearch
from facebatch.pipelines.scanning import probe_ids
from facebatch.pipelines.search import probe_templates
from facebatch.review.blinding import Face
from facebatch.schemas import FACES
from facebatch.spec import Spec
from facebatch.storage.parquet import embeddings
from facebatch.storage.settings import S3Spec
from facebatch.telemetry.progress import Progress

PER_DECOY = 3
"""Strangers that one decoy is drawn from, by chance: always the one most like the probe would come again and again."""


class DecoySpec(Spec):
    """Where they come from, and how their faces become templates: as those of the gallery did."""

    decoys: str | None = None
    """A folder of photos of people who are known to be in no case, one folder in it per person: a local path or
    s3://bucket/prefix. Of the same kind as the gallery's photos, or examiners tell them apart."""
    decoy_rate: float = 0.2
    """Expected decoys per candidate, in [0, 1]. 0: none are shown, and no examiner's error rate is measured."""
    model: ModelSpec = ModelSpec()
    faces: FaceSpec = FaceSpec()
    decode: DecodeSpec = DecodeSpec()


@dataclass(frozen=True, slots=True, eq=False)
class Strangers:
    """All of a folder."""

    model: str
    """Fingerprint."""
    model_name: str
    rows: Sequence[Mapping[str, object]]
    """`schemas.FACES`."""
    vectors: npt.NDArray[np.float16]
    """(n, dim), unit norm."""
    unusable: int
    """Photos without a face that can be compared."""

    def most_like(
        self, probe: npt.NDArray[np.float16], wanted: int, barred: frozenset[str]
    ) -> list[Mapping[str, object]]:
        """Up to so many people who are most like a probe, (dim,) of unit norm, each in the photo that is; best first,
        ties by template id. Nobody of `barred`, subject ids.
        """
        likeness = self.vectors.astype(np.float64) @ probe.astype(np.float64)
        order = sorted(range(len(self.rows)), key=lambda at: (-likeness[at], str(self.rows[at]["template_id"])))
        found: dict[str, Mapping[str, object]] = {}
        for row in (self.rows[at] for at in order):
            person = str(row["subject_id"])
            if person not in barred and person not in found and len(found) < wanted:
                found[person] = row
        return list(found.values())


def open_strangers(spec: DecoySpec, s3: S3Spec, progress: Progress) -> Strangers:
    """Embed the photos of a folder in this process. ConfigError where none is named, PlanError for no usable face."""
    if spec.decoys is None:
        raise ConfigError(
            "--decoys: name a folder of photos of people who are known to be in no case, or set --decoy-rate 0, with "
            "which no examiner's error rate is measured"
        )
    card, detector, recogniser = open_models(spec.model, spec.faces)
    batches = CropBatches(recogniser, spec.model.batch)
    rows: list[dict[str, object]] = []
    photos = 0
    for item in _photos(spec.decoys, s3, progress):
        photos += 1
        crop = _crop(item, detector, recogniser.input_size, spec)
        if crop is not None and isinstance(item, EncodedImage):
            batches.add(crop)
            rows.append(_row(card.fingerprint, item, jpeg(crop)))
    done = [(row, found.vector) for row, found in zip(rows, batches.finish(), strict=True) if found.vector is not None]
    if not done:
        raise PlanError(f"{spec.decoys}: none of {photos} photos has a face that can be compared; give others")
    vectors = np.stack([vector for _, vector in done])
    return Strangers(card.fingerprint, card.name, [row for row, _ in done], vectors, photos - len(done))


def strangers_for(search: FinishedSearch, pool: Strangers, rate: float) -> dict[str, list[Mapping[str, object]]]:
    """By probe with candidates, the people from whom its decoys are drawn: PER_DECOY for each that may be needed.

    PlanError where they were embedded with another model than the search, or the probes' templates are not all there.
    """
    if pool.model != search.manifest.model:
        raise PlanError(
            f"search {search.search_id} was made with model {search.manifest.model_name} "
            f"({search.manifest.model[:12]}), the decoys with {pool.model_name} ({pool.model[:12]}); give its pack "
            "with --model.pack"
        )
    table = probe_templates(search.folder, search.manifest.model)
    places = {str(probe): at for at, probe in enumerate(probe_ids(table).to_pylist())}
    missing = next((probe for probe in search.lists if probe not in places), None)
    if missing is not None:
        raise PlanError(
            f"search {search.search_id}: the template of probe {missing!r} is not there any more, so nobody can tell "
            "who is like it; assign searches before their probes are deleted"
        )
    vectors = embeddings(table)
    barred = frozenset(face.subject_id for faces in search.lists.values() for face in faces)
    return {
        probe: pool.most_like(vectors[places[probe]], PER_DECOY * math.ceil(rate * len(faces)), barred)
        for probe, faces in search.lists.items()
    }


def as_faces(found: Mapping[str, Sequence[Mapping[str, object]]]) -> dict[str, tuple[Face, ...]]:
    """The same people as blinding knows them."""
    return {
        probe: tuple(Face(str(row["subject_id"]), str(row["template_id"])) for row in rows)
        for probe, rows in found.items()
    }


def pictures_of(found: Mapping[str, Sequence[Mapping[str, object]]]) -> pa.Table:
    """`schemas.FACES` of all of them, each once."""
    rows = {str(row["template_id"]): row for rows in found.values() for row in rows}
    return pa.Table.from_pylist([dict(rows[name]) for name in sorted(rows)], schema=FACES)


def _photos(uri: str, s3: S3Spec, progress: Progress) -> Iterator[EncodedImage | Reject]:
    source = SourceSpec(uri=uri, kind="folder", fields=FieldsSpec(subject_id="folder"))
    shards = list_shards(source, s3)
    with progress.stage("decoys", total=len(shards), unit="shards") as stage, tempfile.TemporaryDirectory() as folder:
        for shard in shards:
            yield from read_shard(shard, source, s3, Path(folder))
            stage.advance()


def _crop(item: EncodedImage | Reject, detector: Detector, size: int, spec: DecoySpec) -> npt.NDArray[np.uint8] | None:
    image = item if isinstance(item, Reject) else decode(item, spec.decode)
    if isinstance(image, Reject):
        return None
    kept = select(detector.detect(image.pixels), spec.faces).kept
    return align(image.pixels, kept[0].landmarks, size) if kept else None


def _row(fingerprint: str, item: EncodedImage, picture: bytes) -> dict[str, object]:
    return {
        "template_id": template_id(fingerprint, item.image_id, item.sha256, 0),
        "subject_id": item.subject_id or item.image_id,
        "image_id": item.image_id,
        "captured_at": None,
        "aligned": picture,
    }
