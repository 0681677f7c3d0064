"""Image shards that nobody photographed, and the tables that `embed` would make of them."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.population import SESSIONS
from facebatch.faces.packs import MANIFEST
from facebatch.faces.rows import Extraction, template_id
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.gallery.capture_times import capture_times
from facebatch.gallery.commits import ShardCommit, put_first, put_part, shard_key
from facebatch.images.records import ImageShard
from facebatch.images.source import DecodeSpec, SourceSpec
from facebatch.pipelines.embedding import RowsSpec
from facebatch.schemas import BOX, LANDMARKS, LEDGER, REJECTED, TIMINGS, Outcome, templates
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.parquet import write_table
from facebatch.storage.store import ObjectStore

MODEL = "0" * 64
ATTEMPT = "drawn"
SHARES = {Outcome.DECODE_ERROR: 0.002, Outcome.FILTERED_QUALITY: 0.01, Outcome.NO_FACE: 0.02}
"""Images without a template."""
DATED, EXPIRING = 0.5, 0.1
"""Shares of templates of which it is known when they were taken, and until when they may be kept."""
IMAGE_BYTES = 50_000
MODIFIED_NS = 1_700_000_000_000_000_000
_YEAR_US = 365 * 86_400_000_000
_YEAR_2020_US = 50 * _YEAR_US
_TIME = pa.timestamp("us", "UTC")


def empty_pack(folder: Path) -> ModelSpec:
    """A pack without networks: all that is needed to list a source."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_text("{}")
    return ModelSpec(pack=str(folder.resolve()))


@dataclass(frozen=True, slots=True)
class GalleryShape:
    """What is to be drawn."""

    templates: int
    shards: int
    dim: int = 128
    seed: int = 0
    """Another seed draws other people under other names."""
    source: str = "memory://drawn"
    first: int = 0
    """Number of the first shard."""

    @property
    def rows_spec(self) -> RowsSpec:
        """The settings that the shards would be embedded with: the defaults of `reindex`."""
        return RowsSpec(source=SourceSpec(uri=self.source), decode=DecodeSpec(), model=ModelSpec(), faces=FaceSpec())


@dataclass(frozen=True, slots=True)
class DrawnShard:
    """An image shard, and how many of its images became what."""

    listed: ImageShard
    key: str
    outcomes: dict[str, int]
    seed: int
    first_row: int
    """Number in the gallery of its first template."""

    @property
    def rows(self) -> int:
        """Templates, one for each image with a face."""
        return self.outcomes.get(Outcome.OK, 0)

    @property
    def images(self) -> int:
        """Rows of the ledger."""
        return sum(self.outcomes.values())


def draw_shards(shape: GalleryShape) -> Iterator[DrawnShard]:
    """The shards of a gallery in order, about equal; what is in them is not drawn yet."""
    cuts = np.arange(shape.shards + 1) * shape.templates // shape.shards
    ok = 1 - sum(SHARES.values())
    wanted = np.round(np.diff(cuts) / ok).astype(int)
    others = np.random.default_rng([shape.seed, 1]).multinomial(wanted, [*SHARES.values(), ok])[:, : len(SHARES)]
    config = shape.rows_spec.key_part()
    for number in range(shape.shards):
        counts = dict(zip(map(str, SHARES), others[number].tolist(), strict=True))
        counts[Outcome.OK.value] = int(cuts[number + 1] - cuts[number])
        name, size = f"{shape.first + number:07d}.tar", sum(counts.values()) * IMAGE_BYTES
        listed = ImageShard(f"{shape.source}/{name}", "tar", size, f"{size}-{MODIFIED_NS}", name=name)
        outcomes = {outcome: count for outcome, count in sorted(counts.items()) if count}
        key = shard_key(listed, model=MODEL, rows_config=config)
        yield DrawnShard(listed, key, outcomes, shape.seed, int(cuts[number]))


def write_source(shards: Iterable[DrawnShard]) -> None:
    """Empty files of the right size and time where shards of a local source lie: a listing finds exactly these."""
    for shard in shards:
        path = Path(shard.listed.uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(shard.listed.size)
        os.utime(path, ns=(MODIFIED_NS, MODIFIED_NS))


def extract(shard: DrawnShard, vectors: npt.NDArray[np.float16]) -> Extraction:
    """The tables of a shard whose templates have these vectors, (rows, dim)."""
    draw = np.random.default_rng([shard.seed, 2, shard.first_row])
    outcomes = np.repeat([*shard.outcomes], [*shard.outcomes.values()])
    outcomes = draw.permutation(outcomes)
    ids = [f"{shard.listed.name}/{number:06d}.jpg" for number in range(shard.images)]
    digests = [digest(f"{shard.seed} {name}".encode()) for name in ids]
    kept = np.flatnonzero(outcomes == Outcome.OK.value)
    names = pa.array(ids), pa.array(digests)
    table = _templates(shard, vectors, [column.take(pa.array(kept)) for column in names], draw)
    stages = {name: draw.uniform(1, 20, shard.images) for name in ("decode_ms", "detect_ms", "embed_ms")}
    timings = pa.table({"image_id": names[0], **stages}).cast(TIMINGS)
    return Extraction(table, _ledger(outcomes, *names), timings)


def _templates(
    shard: DrawnShard, vectors: npt.NDArray[np.float16], names: list[pa.Array], draw: np.random.Generator
) -> pa.Table:
    rows, dim = vectors.shape
    people = range(shard.first_row, shard.first_row + rows)
    taken = _YEAR_2020_US + draw.integers(0, 5 * _YEAR_US, rows)
    until = taken + 10 * _YEAR_US
    measured = ("inter_eye", "sharpness", "luminance", "pose", "exposure", "recognizability")
    quality = {name: draw.uniform(40, 100, rows).astype(np.float32) for name in measured}
    corner = draw.uniform(0, 100, (rows, 2))
    box = np.concatenate([corner, corner + draw.uniform(60, 200, (rows, 2))], axis=1)
    columns = {
        "template_id": [
            template_id(MODEL, image, sha256, 0) for image, sha256 in zip(*map(pa.Array.to_pylist, names), strict=True)
        ],
        "subject_id": [f"subject-{shard.seed}-{person // SESSIONS:09d}" for person in people],
        "image_id": names[0],
        "image_sha256": names[1],
        "shard_uri": pa.repeat(shard.listed.uri, rows),
        "face_index": np.zeros(rows, np.int32),
        "box": _lists(box, BOX),
        "landmarks": _lists(draw.uniform(60, 200, (rows, 10)), LANDMARKS),
        "detector_score": draw.uniform(0.6, 1, rows).astype(np.float32),
        **{f"quality_{name}": values for name, values in quality.items()},
        "quality": np.min([*quality.values()], axis=0),
        "captured_at": pa.array(taken, mask=draw.random(rows) >= DATED).cast(_TIME),
        "expires_at": pa.array(until, mask=draw.random(rows) >= EXPIRING).cast(_TIME),
        "groups": pa.nulls(rows, templates(dim).field("groups").type),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dim),
    }
    return pa.table(columns, schema=templates(dim))


def _lists(values: npt.NDArray[np.float64], kind: pa.DataType) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1).astype(np.float32)), values.shape[1]).cast(
        kind
    )


def _ledger(outcomes: npt.NDArray[np.str_], ids: pa.Array, digests: pa.Array) -> pa.Table:
    n = len(outcomes)
    is_kept, is_rejected = outcomes == Outcome.OK.value, outcomes == Outcome.FILTERED_QUALITY.value
    is_read = outcomes != Outcome.DECODE_ERROR.value
    face = [{"box": [0.0, 0.0, 20.0, 20.0], "reason": "small_inter_eye"}]
    size = pa.array(np.full(n, 512), pa.int32(), mask=~is_read)
    columns = {
        "image_id": ids,
        "member": ids,
        "image_sha256": digests,
        "outcome": outcomes,
        "reason": pa.array(np.where(is_rejected, "small_inter_eye: 1", "not an image"), mask=is_read & ~is_rejected),
        "faces_found": (is_kept | is_rejected).astype(np.int32),
        "faces_kept": is_kept.astype(np.int32),
        "rejected": pa.array([face if rejected else [] for rejected in is_rejected], REJECTED),
        "width": size,
        "height": size,
    }
    return pa.table(columns, schema=LEDGER)


def put_shard(store: ObjectStore, key: str, uri: str, source: str, tables: Extraction) -> ShardCommit:
    """Write the parts of a shard and commit it, as a worker does."""
    parts = {}
    for kind, folder in (("templates", layout.TEMPLATES), ("ledger", layout.LEDGER), ("timings", layout.TIMINGS)):
        table = getattr(tables, kind)
        data = write_table(table, kind=kind, model=MODEL)
        parts[kind] = put_part(store, layout.part(folder, key, ATTEMPT), data, table.num_rows)
    counts = {str(item["values"]): item["counts"] for item in tables.ledger["outcome"].value_counts().to_pylist()}
    commit = ShardCommit(
        shard_key=key,
        shard_uri=uri,
        source=source,
        attempt=ATTEMPT,
        model=MODEL,
        images=tables.ledger.num_rows,
        outcomes=dict(sorted(counts.items())),
        seconds={},
        next_expiry=pc.min(tables.templates["expires_at"]).as_py(),
        captured=capture_times(tables.templates),
        **parts,
    )
    return put_first(store, layout.commit(key), commit)[0]
