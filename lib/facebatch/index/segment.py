"""A segment on storage: FAISS index, the exact vectors, and who is in which row; the manifest binds them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facebatch.errors import CorruptError
from facebatch.gallery.commits import PartFile
from facebatch.gallery.snapshots import SegmentEntry, ShardEntry
from facebatch.index.spec import IndexSpec
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.arrow import MAGIC, open_arrow
from facebatch.storage.documents import canonical_digest, load
from facebatch.storage.parquet import read_table
from facebatch.storage.store import ObjectStore

ID_LENGTH = 32
"""Hex digits of a segment id (128 bits)."""


class SegmentManifest(Spec):
    """Files and origin of one segment; put-if-absent after its files."""

    format_version: int = FORMAT_VERSION
    segment_id: str
    kind: str
    """FAISS factory string."""
    model: str
    dim: int
    rows: int
    parts: tuple[str, ...]
    """sha256 of the template parts it covers, in the order they were read."""
    index: PartFile
    """index.faiss: ids are row numbers."""
    vectors: PartFile
    """float16[rows, dim], C order, little-endian, no header; row i belongs to row i of `members`."""
    members: PartFile
    """`schemas.ROWS` as an Arrow file; as Parquet in segments built before they were mapped."""
    codes: PartFile | None = None
    """`match.codes`: the vectors as 8-bit codes. Absent in segments built before there were any; made again then."""
    order: PartFile | None = None
    """`index.order`: what a scan must know of the members. Absent in segments built before; computed then."""
    seconds: float | None = None
    """Wall time of the attempt, from reading the parts to the files stored; not recorded in older segments."""


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """A segment to be: which template parts it covers, and the id that follows from them."""

    segment_id: str
    spec: IndexSpec
    model: str
    dim: int
    parts: tuple[PartFile, ...]

    @property
    def rows(self) -> int:
        """Templates in the segment."""
        return sum(part.rows for part in self.parts)


def plan_segments(shards: Iterable[ShardEntry], spec: IndexSpec, *, model: str, dim: int) -> list[SegmentPlan]:
    """Fill segments with whole parts, in the order of the snapshot. Pure; the same shards give the same ids."""
    groups: list[list[PartFile]] = []
    filled = spec.segment_rows
    for part in (shard.templates for shard in shards if shard.templates.rows):
        if filled + part.rows > spec.segment_rows:
            groups.append([])
            filled = 0
        groups[-1].append(part)
        filled += part.rows
    return [_plan(tuple(group), spec, model, dim) for group in groups]


def _plan(parts: tuple[PartFile, ...], spec: IndexSpec, model: str, dim: int) -> SegmentPlan:
    identity = [FORMAT_VERSION, spec.kind, model, dim, [part.sha256 for part in parts]]
    return SegmentPlan(canonical_digest(identity)[:ID_LENGTH], spec, model, dim, parts)


def read_manifest(store: ObjectStore, segment: SegmentEntry) -> SegmentManifest:
    """The manifest a snapshot names, its digest checked."""
    key = layout.segment_manifest(segment.segment_id)
    return load(SegmentManifest, store.get(key, sha256=segment.manifest_sha256), origin=f"{store.uri}/{key}")


def vectors_of(data: npt.NDArray[np.uint8], manifest: SegmentManifest) -> npt.NDArray[np.float16]:
    """float16[rows, dim] over the bytes of the file. CorruptError when these are not rows x dim x 2."""
    expected = manifest.rows * manifest.dim * 2
    if len(data) != expected:
        raise CorruptError(f"{manifest.vectors.key}: {len(data)} bytes, expected {expected}; index again")
    vectors: npt.NDArray[np.float16] = data.view("<f2").reshape(manifest.rows, manifest.dim)
    return vectors


def members_of(data: npt.NDArray[np.uint8], manifest: SegmentManifest) -> pa.Table:
    """`schemas.ROWS`, one row per vector: over the bytes of an Arrow file, or read from those of a Parquet file."""
    origin = manifest.members.key
    is_arrow = data[: len(MAGIC)].tobytes() == MAGIC
    read = open_arrow if is_arrow else read_table
    table = read(data, kind="rows", origin=origin)
    if table.num_rows != manifest.rows:
        raise CorruptError(f"{origin}: {table.num_rows} rows, expected {manifest.rows}; index again")
    return table
