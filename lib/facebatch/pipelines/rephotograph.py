"""gallery rephotograph: the images of the head that gave no template, or a poor one, and what to do about each."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.faces.quality import WEIGHTS
from facebatch.gallery import snapshots
from facebatch.gallery.commits import read_part
from facebatch.gallery.snapshots import ShardEntry
from facebatch.gallery.tombstones import joined, read_tables, without
from facebatch.schemas import Outcome
from facebatch.storage.parquet import read_table
from facebatch.storage.spreadsheet import to_csv
from facebatch.storage.store import ObjectStore

PARTS_AT_ONCE = 4
"""Shards read side by side; each takes the memory of one ledger and, where templates are looked at, one template part.
"""
_LARGER = "Photograph from nearer, or deliver the picture in its full size: the face has too few pixels."
_ALONE = "Photograph the person alone, or cut the picture to this one face."
_FRONT = "Photograph from the front, with the face turned to the camera and held straight."
_FACE = "Photograph the whole face from the front, with nothing before it."
_DAMAGED = "Deliver the file again: what arrived cannot be read."
ADVICE: Final[Mapping[str, str]] = {
    "no_face": "No face was found. " + _FACE,
    "too_small": _LARGER,
    "small_inter_eye": _LARGER,
    "low_inter_eye": _LARGER,
    "not_largest": _ALONE,
    "too_many_faces": _ALONE,
    "crowd": _ALONE,
    "not_designated": "Say again which face is meant, or cut the picture to it.",
    "model_error": "The face could not be measured. " + _FACE,
    "low_detector": _FACE,
    "low_pose": _FRONT,
    "large_yaw": _FRONT,
    "low_sharpness": "Photograph in focus and without motion, and do not compress the file further.",
    "low_luminance": "Photograph with even light on the face: it is too dark or too bright.",
    "low_exposure": "Photograph with less contrast: parts of the face are burnt out or black.",
    "low_recognizability": "Take another picture in good light, sharp and from the front: the model tells this face "
    "hardly from any other.",
    "low_quality": "Take another picture: sharp, evenly lit, from the front and near enough.",
    "decode_error": _DAMAGED,
    "truncated": _DAMAGED,
    "unsupported": "Deliver the picture as JPEG, PNG or WebP.",
    "too_large": "Deliver a smaller file: this one is larger than the limit.",
    "metadata_error": "Correct what is given with the picture, in its row or sidecar: a value of it cannot be read.",
}
"""What would mend it, by reason: one sentence for the owner of the pictures."""
_BY_FACES = frozenset({Outcome.FILTERED_QUALITY, Outcome.MODEL_ERROR, Outcome.REFUSED})
"""Outcomes that the reasons of the rejected faces explain."""


@dataclass(frozen=True, slots=True)
class Retake:
    """One picture to take, or to deliver, again."""

    image_id: str
    shard_uri: str
    outcome: str
    """A value of Outcome; ok where there is a template, and a poor one."""
    reasons: tuple[str, ...]
    """Keys of ADVICE, sorted."""
    advice: tuple[str, ...]
    template_id: str | None = None
    """Of the poor template."""
    quality: float | None = None
    """Its unified quality, 0-100."""
    detail: str | None = None
    """What the ledger says besides, such as the key of the value that cannot be read."""


@dataclass(frozen=True, slots=True)
class Retakes:
    """The list for a gallery's owner."""

    snapshot: int
    images: int
    """In all shards of the snapshot."""
    retakes: tuple[Retake, ...]
    """By shard, image and template."""
    not_assessed: int | None
    """Live templates without a unified quality, written before it was measured; None where none was looked at."""

    def to_csv(self) -> bytes:
        """For a spreadsheet; a row per picture."""
        columns = ("image_id", "shard_uri", "outcome", "reasons", "advice", "template_id", "quality", "detail")
        return to_csv(columns, ([*_cells(retake)] for retake in self.retakes))


def run(store: ObjectStore, below: float | None) -> Retakes:
    """Read the ledgers of the head and, where `below` is given, its templates: those of a lower unified quality are
    listed too. Erased templates are not. NotFoundError when the gallery has no snapshot.
    """
    head = snapshots.require_head(store)
    erased = None if below is None else joined(read_tables(store, head.tombstones))["template_id"].combine_chunks()
    with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="ledgers") as pool:
        rejected = list(pool.map(partial(_rejected, store), head.shards))
        poor = list(pool.map(partial(_poor, store, below, erased), head.shards)) if below is not None else []
    found = [retake for part in (*rejected, *(retakes for retakes, _ in poor)) for retake in part]
    return Retakes(
        snapshot=head.seq,
        images=sum(shard.images for shard in head.shards),
        retakes=tuple(sorted(found, key=lambda each: (each.shard_uri, each.image_id, each.template_id or ""))),
        not_assessed=None if below is None else sum(unknown for _, unknown in poor),
    )


def _rejected(store: ObjectStore, shard: ShardEntry) -> list[Retake]:
    ledger = read_table(read_part(store, shard.ledger), kind="ledger", origin=shard.ledger.key)
    columns = ["image_id", "outcome", "reason", "rejected"]
    rows = ledger.filter(pc.equal(ledger["faces_kept"], 0)).select(columns).to_pylist()
    told = ((row, reasons) for row in rows if (reasons := _reasons(row)))
    return [
        replace(_retake(row["image_id"], shard.shard_uri, row["outcome"], reasons), detail=row["reason"])
        for row, reasons in told
    ]


def _reasons(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Why a picture gave no template; none where another picture would not mend that."""
    outcome = row["outcome"]
    by_faces = sorted({face["reason"] for face in row["rejected"]} & ADVICE.keys()) if outcome in _BY_FACES else []
    if by_faces or outcome == Outcome.REFUSED:
        return tuple(by_faces)
    return (outcome,) if outcome in ADVICE else ()


def _poor(store: ObjectStore, below: float, erased: pa.Array, shard: ShardEntry) -> tuple[list[Retake], int]:
    """Live templates of a shard below a quality, and how many have none."""
    table = read_table(read_part(store, shard.templates), kind="templates", origin=shard.templates.key)
    live = without(table.drop_columns(["embedding"]), erased)
    rows = live.filter(pc.less(live["quality"], pa.scalar(below, pa.float32()))).to_pylist()
    return list(_poor_rows(rows, shard.shard_uri)), live["quality"].null_count


def _poor_rows(rows: list[dict[str, Any]], shard_uri: str) -> Iterator[Retake]:
    """With the lowest of the numbers that make the quality as its reason."""
    for row in rows:
        known = row | {"quality_detector": 100 * row["detector_score"]}
        lowest = min((value, name) for name in WEIGHTS if (value := known[f"quality_{name}"]) is not None)[1]
        yield _retake(row["image_id"], shard_uri, Outcome.OK.value, (f"low_{lowest}",), row)


def _retake(
    image_id: str, shard_uri: str, outcome: str, reasons: tuple[str, ...], template: Mapping[str, Any] | None = None
) -> Retake:
    advice = tuple(dict.fromkeys(ADVICE[reason] for reason in reasons))
    known = {} if template is None else {name: template[name] for name in ("template_id", "quality")}
    return Retake(image_id, shard_uri, outcome, reasons, advice, **known)


def _cells(retake: Retake) -> Iterator[str | float | None]:
    yield from (retake.image_id, retake.shard_uri, retake.outcome)
    yield from ("; ".join(retake.reasons), " ".join(retake.advice), retake.template_id)
    yield None if retake.quality is None else round(retake.quality, 1)
    yield retake.detail
