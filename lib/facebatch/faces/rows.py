"""From examined images and embeddings to the three tables of a shard."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facebatch import schemas
from facebatch.faces.embed import Embedded
from facebatch.faces.judge import Judged, judge
from facebatch.faces.quality import Quality
from facebatch.faces.recognizability import Centroid
from facebatch.faces.select import MODEL_ERROR, TOO_MANY_FACES, FoundFace, RejectedFace
from facebatch.faces.settings import QualityGate
from facebatch.images.records import EncodedImage, Reject
from facebatch.schemas import Outcome


@dataclass(frozen=True, slots=True)
class AlignedFace:
    """A kept face whose crop has gone to the recogniser."""

    face: FoundFace
    quality: Quality


@dataclass(frozen=True, slots=True)
class Examined:
    """A decoded image after detection, without its bytes and pixels."""

    source: EncodedImage
    """With `data` emptied."""
    width: int
    """px, upright."""
    height: int
    note: str | None
    faces: tuple[AlignedFace, ...]
    """Kept faces, one crop each, in the order the crops were queued."""
    rejected: tuple[RejectedFace, ...]
    decode_ms: float
    detect_ms: float
    align_ms: float
    refusal: str | None = None
    """Why the image is refused as a whole; then no face is kept."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """What one shard became. Equal input, models and settings give equal `templates` and `ledger`, byte for byte."""

    templates: pa.Table
    """`schemas.templates(dim)`, sorted by image_id, face_index."""
    ledger: pa.Table
    """`schemas.LEDGER`: one row per input, in the order of the shard."""
    timings: pa.Table
    """`schemas.TIMINGS`: one row per input, in the order of the shard."""


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What all rows of a shard have in common."""

    shard_uri: str
    fingerprint: str
    """Of the model card."""
    dim: int
    centroid: Centroid | None = None
    """None: recognizability is not measured."""
    gate: QualityGate = field(default_factory=QualityGate)
    """What is checked of faces that are embedded."""


def template_id(fingerprint: str, image_id: str, image_sha256: str, face_index: int) -> str:
    """First 32 hex digits of sha256 over the four as a JSON array, so that no two quadruples share an encoding."""
    encoded = json.dumps([fingerprint, image_id, image_sha256, face_index], separators=(",", ":"))
    return hashlib.sha256(encoded.encode()).hexdigest()[:32]


def template_ids(fingerprint: str, image_id: str, image_sha256: str, faces: int) -> list[str]:
    """`template_id` of the first so many faces of an image."""
    encoded = json.dumps([fingerprint, image_id, image_sha256], separators=(",", ":"))
    start = hashlib.sha256(f"{encoded[:-1]},".encode())
    found = []
    for face_index in range(faces):
        whole = start.copy()
        whole.update(b"%d]" % face_index)
        found.append(whole.hexdigest()[:32])
    return found


def assemble(items: Sequence[Examined | Reject], embedded: Sequence[Embedded], facts: ShardFacts) -> Extraction:
    """`items` in the order of the shard; `embedded` has one entry per face of `items`, in the same order."""
    qualities = [aligned.quality for item in items if isinstance(item, Examined) for aligned in item.faces]
    results = judge(qualities, embedded, facts.centroid, facts.gate)
    templates: list[dict[str, Any]] = []
    vectors: list[npt.NDArray[np.float16]] = []
    ledger: list[dict[str, Any]] = []
    timings: list[dict[str, Any]] = []
    for item in items:
        if isinstance(item, Reject):
            ledger.append(_reject_row(item))
            timings.append({"image_id": item.image_id, "decode_ms": 0.0, "detect_ms": 0.0, "embed_ms": 0.0})
            continue
        outcomes = list(islice(results, len(item.faces)))
        for aligned, outcome in zip(item.faces, outcomes, strict=True):
            if outcome.vector is not None:
                templates.append(_template_row(item.source, aligned, outcome, facts))
                vectors.append(outcome.vector)
        ledger.append(_ledger_row(item, outcomes))
        timings.append(_timing_row(item, outcomes))
    return Extraction(
        _template_table(templates, vectors, facts.dim),
        pa.Table.from_pylist(ledger, schema=schemas.LEDGER),
        pa.Table.from_pylist(timings, schema=schemas.TIMINGS),
    )


def _template_row(source: EncodedImage, aligned: AlignedFace, judged: Judged, facts: ShardFacts) -> dict[str, Any]:
    face, quality = aligned.face, aligned.quality
    return {
        "template_id": template_id(facts.fingerprint, source.image_id, source.sha256, face.index),
        "subject_id": source.subject_id,
        "image_id": source.image_id,
        "image_sha256": source.sha256,
        "shard_uri": facts.shard_uri,
        "face_index": face.index,
        "box": face.box,
        "landmarks": face.landmarks.ravel().tolist(),
        "detector_score": face.score,
        "quality_inter_eye": quality.inter_eye,
        "quality_sharpness": quality.sharpness,
        "quality_luminance": quality.luminance,
        "quality_pose": quality.pose,
        "quality_exposure": quality.exposure,
        "quality_recognizability": judged.recognizability,
        "quality": judged.unified,
        "captured_at": source.captured_at,
        "expires_at": source.expires_at,
        "groups": list(source.groups) or None,
    }


def _template_table(rows: list[dict[str, Any]], vectors: list[npt.NDArray[np.float16]], dim: int) -> pa.Table:
    schema = schemas.templates(dim)
    order = sorted(range(len(rows)), key=lambda row: (rows[row]["image_id"], rows[row]["face_index"]))
    flat = np.concatenate([vectors[row] for row in order]) if order else np.empty(0, dtype=np.float16)
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(flat, type=pa.float16()), dim)
    facts = pa.Table.from_pylist(
        [rows[row] for row in order], schema=schema.remove(schema.get_field_index("embedding"))
    )
    return pa.Table.from_arrays([*facts.combine_chunks().columns, embedding], schema=schema)


def _reject_row(item: Reject) -> dict[str, Any]:
    return {
        "image_id": item.image_id,
        "member": item.member,
        "image_sha256": item.sha256,
        "outcome": item.outcome.value,
        "reason": item.reason,
        "faces_found": 0,
        "faces_kept": 0,
        "rejected": [],
        "width": item.width,
        "height": item.height,
    }


def _ledger_row(item: Examined, outcomes: Sequence[Judged]) -> dict[str, Any]:
    failed = [
        RejectedFace(aligned.face.box, outcome.reason)
        for aligned, outcome in zip(item.faces, outcomes, strict=True)
        if outcome.reason is not None
    ]
    rejected = [*item.rejected, *failed]
    kept = len(item.faces) - len(failed)
    outcome, reason = (Outcome.REFUSED, item.refusal) if item.refusal else _verdict(kept, rejected)
    return {
        "image_id": item.source.image_id,
        "member": item.source.member,
        "image_sha256": item.source.sha256,
        "outcome": outcome.value,
        "reason": "; ".join(part for part in (item.note, reason) if part) or None,
        "faces_found": kept + len(rejected),
        "faces_kept": kept,
        "rejected": [{"box": face.box, "reason": face.reason} for face in rejected],
        "width": item.width,
        "height": item.height,
    }


def _verdict(kept: int, rejected: Sequence[RejectedFace]) -> tuple[Outcome, str | None]:
    """The image's outcome; a reason where no face was kept although some were found."""
    if kept:
        return Outcome.OK, None
    if not rejected:
        return Outcome.NO_FACE, None
    counts = Counter(face.reason for face in rejected)
    if counts[MODEL_ERROR]:
        return (
            Outcome.MODEL_ERROR,
            f"no usable landmarks or embedding for {counts[MODEL_ERROR]} of {len(rejected)} faces",
        )
    if counts[TOO_MANY_FACES] == len(rejected):
        return Outcome.FILTERED_QUALITY, f"{len(rejected)} faces found where only one is allowed"
    return Outcome.FILTERED_QUALITY, ", ".join(f"{reason}: {count}" for reason, count in sorted(counts.items()))


def _timing_row(item: Examined, outcomes: Sequence[Judged]) -> dict[str, Any]:
    return {
        "image_id": item.source.image_id,
        "decode_ms": item.decode_ms,
        "detect_ms": item.detect_ms,
        "embed_ms": item.align_ms + sum(outcome.milliseconds for outcome in outcomes),
    }
