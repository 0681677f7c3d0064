"""What the images of a simulated shard show, and the tables that embedding makes of it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache

import numpy as np
import pyarrow as pa

from facebatch.faces.rows import Extraction, template_id
from facebatch.images.records import ImageShard
from facebatch.schemas import LEDGER, TIMINGS
from facebatch.storage.digest import digest
from simulation.scheduler import DAWN
from simulation.world import DAY
from synthetic import template_table, unit

DIM = 4
FINGERPRINT = "f" * 64
SUBJECTS = ("s0", "s1", "s2")
EXPIRING = "e"
"""Begins the etag of a shard whose second image expires."""


@dataclass(frozen=True, slots=True)
class Face:
    """One image, which shows one face."""

    template_id: str
    subject_id: str
    image_id: str
    image_sha256: str
    expires_at: datetime | None


@cache
def faces(shard: ImageShard) -> tuple[Face, ...]:
    """A new version of a shard has another first image, and the others again. Subjects are in several shards."""
    number = int(shard.name.rpartition("/")[2].removesuffix(".tar"))
    return tuple(_face(shard, number, image) for image in range(shard.size))


def _face(shard: ImageShard, number: int, image: int) -> Face:
    image_id = f"{shard.name}/{image}"
    version = shard.etag if image == 0 else ""
    sha256 = digest(f"{image_id} {version}".encode())
    name = template_id(FINGERPRINT, image_id, sha256, 0)
    expires_at = DAWN + (1 + number) * DAY if image == 1 and shard.etag.startswith(EXPIRING) else None
    return Face(name, SUBJECTS[(number + image) % len(SUBJECTS)], image_id, sha256, expires_at)


@cache
def extraction(shard: ImageShard, machine: int) -> Extraction:
    """Rows of one shard. In a mixed fleet they depend on the machine."""
    found = faces(shard)
    seeds = [int.from_bytes(digest(f"{face.template_id} {machine}".encode())[:8].encode(), "big") for face in found]
    vectors = unit(np.stack([np.random.default_rng(seed).standard_normal(DIM) for seed in seeds]))
    columns = {
        "template_id": [face.template_id for face in found],
        "image_id": [face.image_id for face in found],
        "image_sha256": [face.image_sha256 for face in found],
        "expires_at": pa.array([face.expires_at for face in found], pa.timestamp("us", "UTC")),
    }
    templates = template_table(vectors, [face.subject_id for face in found], shard=shard.uri)
    for name, values in columns.items():
        field = templates.schema.field(name)
        templates = templates.set_column(templates.schema.get_field_index(name), field, pa.array(values, field.type))
    row = {"outcome": "ok", "faces_found": 1, "faces_kept": 1, "rejected": []}
    ledger = [
        {"image_id": face.image_id, "member": face.image_id, "image_sha256": face.image_sha256, **row} for face in found
    ]
    timings = [{"image_id": face.image_id, "decode_ms": 1.0, "detect_ms": 1.0, "embed_ms": 1.0} for face in found]
    return Extraction(templates, pa.Table.from_pylist(ledger, LEDGER), pa.Table.from_pylist(timings, TIMINGS))
