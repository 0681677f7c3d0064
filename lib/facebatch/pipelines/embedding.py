"""One shard, embedded: read, extract, write parts, commit. The same task serves the gallery and the probes."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.compute as pc

from facebatch.errors import CorruptError
from facebatch.faces.directions import NOTHING_SETTLED, Directions
from facebatch.faces.extract import Extractor
from facebatch.faces.models import ModelCard
from facebatch.faces.open import open_models
from facebatch.faces.rows import Extraction
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.gallery.capture_times import capture_times
from facebatch.gallery.commits import PartFile, ShardCommit, find_commit, put_first, put_part, shard_key
from facebatch.images.read import read_shard
from facebatch.images.records import ImageShard
from facebatch.images.source import DecodeSpec, SourceSpec
from facebatch.pipelines.grants import Grant, Guard
from facebatch.pipelines.planned_centroid import worker_centroid
from facebatch.runtime.executor import Resources
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.open import open_store
from facebatch.storage.parquet import write_table
from facebatch.storage.settings import S3Spec

WORKER_BYTES = 700 << 20
"""Interpreter, libraries and networks of one worker, at most (355 MiB measured with the development pack)."""
TYPICAL_PIXELS = 24_000_000
ENCODED_BYTES = 256 << 20
"""Encoded images of one shard held at a time, at most: shards are streamed from local disk."""


class RowsSpec(Spec):
    """All settings that change rows; with shard and model they make the shard key."""

    source: SourceSpec
    decode: DecodeSpec
    model: ModelSpec
    faces: FaceSpec
    directions: Directions = NOTHING_SETTLED
    """For single probes; what they add to the key of a shard is `directions.key_part`."""
    centroid: str | None = None
    """sha256 of the centroid that recognizability is measured from; None: there is none."""

    def key_part(self) -> Mapping[str, Any]:
        """Canonical values. Where the source lies and how the pack is found change no row, nor does what is absent: a
        limit, a gate without limits, a centroid.
        """
        source = self.source.model_dump(mode="json", exclude={"uri", "kind", "images_per_shard"})
        faces = self.faces.model_dump(mode="json", exclude_none=True)
        if not faces["gate"]:
            del faces["gate"]
        return {
            "source": source,
            "decode": self.decode.model_dump(mode="json"),
            "faces": faces,
            "model": self.model.model_dump(mode="json", include={"threads", "batch"}),
            **({} if self.centroid is None else {"centroid": self.centroid}),
        }


@dataclass(frozen=True, slots=True)
class EmbedTask:
    """Embeds shards into one root. `grant` is None for enrolment and a must for probes."""

    root: str
    rows: RowsSpec
    s3: S3Spec
    fingerprint: str
    memory: int
    grant: Grant | None = None

    @property
    def resources(self) -> Resources:
        """The networks' threads, a GPU where they run on one, and the estimate of `embed_memory`."""
        model = self.rows.model
        return Resources(cpus=float(model.threads), gpus=float(model.device == "cuda"), memory=self.memory)

    def setup(self) -> Callable[[ImageShard], ShardCommit]:
        """Check the grant before anything else, then load the models."""
        return EmbedWorker(self)


class EmbedWorker:
    """Holds the models and the stores of one process."""

    def __init__(self, task: EmbedTask) -> None:
        """Open pack and root. ForbiddenError, before anything else, without a good grant where one is needed;
        CorruptError when this machine's pack or centroid is not the planned one.
        """
        self._task = task
        self._guard = Guard(task.grant, (task.root,), task.s3) if task.grant is not None else None
        rows = task.rows
        self._card, detector, recogniser = open_models(rows.model, rows.faces)
        _check_pack(self._card, task.fingerprint)
        networks = (self._card, detector, recogniser)
        centroid = worker_centroid(rows.model, task.fingerprint, rows.centroid)
        self._extractor = Extractor(*networks, rows.faces, rows.decode, rows.model.batch, centroid=centroid)
        self._store = open_store(task.root, task.s3)

    def __call__(self, shard: ImageShard) -> ShardCommit:
        """Embed one shard and commit it, unless it is committed already."""
        key = self._admit(shard)
        standing = find_commit(self._store, key)
        if standing is not None:
            return standing
        started = time.monotonic()
        extraction = self.extract(shard)
        commit = self._write(shard, key, extraction, time.monotonic() - started)
        return put_first(self._store, layout.commit(key), commit)[0]

    def extract(self, shard: ImageShard) -> Extraction:
        """The rows of one shard; nothing is stored. ForbiddenError where a grant is needed and not good for it."""
        self._admit(shard)
        with tempfile.TemporaryDirectory(prefix="facebatch-") as folder:
            images = read_shard(shard, self._task.rows.source, self._task.s3, Path(folder))
            return self._extractor.extract(images, shard.uri, self._task.rows.directions)

    def _admit(self, shard: ImageShard) -> str:
        """The shard's key."""
        rows = self._task.rows
        rows_config = {**rows.key_part(), **rows.directions.key_part(shard)}
        key = shard_key(shard, model=self._card.fingerprint, rows_config=rows_config)
        if self._guard is not None:
            self._guard.check_shard(key)
        return key

    def _write(self, shard: ImageShard, key: str, extraction: Extraction, seconds: float) -> ShardCommit:
        attempt = uuid4().hex[:12]
        outcomes = _outcomes(extraction)
        parts = {
            kind: self._put(kind, folder, f"{key}", attempt, extraction)
            for kind, folder in (
                ("templates", layout.TEMPLATES),
                ("ledger", layout.LEDGER),
                ("timings", layout.TIMINGS),
            )
        }
        return ShardCommit(
            shard_key=key,
            shard_uri=shard.uri,
            source=self._task.rows.source.uri,
            attempt=attempt,
            model=self._card.fingerprint,
            images=extraction.ledger.num_rows,
            outcomes=outcomes,
            seconds=_seconds(extraction, seconds),
            next_expiry=pc.min(extraction.templates["expires_at"]).as_py(),
            captured=capture_times(extraction.templates),
            **parts,
        )

    def _put(self, kind: str, folder: str, key: str, attempt: str, extraction: Extraction) -> PartFile:
        table = getattr(extraction, kind)
        data = write_table(table, kind=kind, model=self._card.fingerprint)
        return put_part(self._store, layout.part(folder, key, attempt), data, table.num_rows)


def _check_pack(card: ModelCard, fingerprint: str) -> None:
    if card.fingerprint != fingerprint:
        raise CorruptError(
            f"model pack {card.name} on this worker has fingerprint {card.fingerprint[:12]}, the plan says "
            f"{fingerprint[:12]}; install the same pack on all machines"
        )


def _outcomes(extraction: Extraction) -> dict[str, int]:
    """Ledger rows by outcome, and the check that the ledger reconciles with the templates."""
    ledger = extraction.ledger
    kept = pc.sum(ledger["faces_kept"]).as_py() or 0
    if kept != extraction.templates.num_rows:
        raise CorruptError(f"the ledger counts {kept} faces kept, the part has {extraction.templates.num_rows}")
    counts = ledger["outcome"].value_counts().to_pylist()
    return {str(item["values"]): int(item["counts"]) for item in sorted(counts, key=lambda item: str(item["values"]))}


def _seconds(extraction: Extraction, total: float) -> dict[str, float]:
    stages = {
        name: round((pc.sum(extraction.timings[f"{name}_ms"]).as_py() or 0.0) / 1000, 3)
        for name in ("decode", "detect", "embed")
    }
    return {**stages, "shard": round(total, 3)}


def embed_memory(shards: Sequence[ImageShard], decode: DecodeSpec) -> int:
    """Bytes a worker needs: interpreter and networks, encoded images in flight, and decoded ones.

    Decoding peaks at 22 bytes a pixel (WebP; measured), of which 3 stay; one image is decoded while others wait. Images
    are taken to have at most TYPICAL_PIXELS, or the pixel limit where that is lower: an upper estimate for photographs,
    not for a source of larger scans, which needs workers with more memory.
    """
    pixels = min(decode.max_pixels, TYPICAL_PIXELS)
    largest = max((shard.size for shard in shards), default=0)
    return WORKER_BYTES + min(largest, ENCODED_BYTES) + pixels * (22 + 3 * 3)
