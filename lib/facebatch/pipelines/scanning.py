"""One cell, scanned: read the probe block, map the segment, scan, write candidates, commit."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.errors import CorruptError
from facebatch.gallery.commits import find, put_first, put_part, read_part
from facebatch.gallery.snapshots import SegmentEntry
from facebatch.index.segment import fetch, map_vectors, read_manifest, read_members
from facebatch.match.candidates import open_gallery, to_table
from facebatch.match.cells import Cell, CellCommit
from facebatch.match.scan import Gallery, Hits
from facebatch.match.scanner import open_scanner
from facebatch.match.settings import MatchSpec
from facebatch.runtime.executor import Resources
from facebatch.storage import layout
from facebatch.storage.open import open_store
from facebatch.storage.parquet import embeddings, read_templates, write_table
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore

NORM_TOLERANCE = 2e-3
"""How far from 1 the norm of a stored template may be: the rounding of float16."""


@dataclass(frozen=True, slots=True)
class ScanTask:
    """Scans cells of one search."""

    gallery: str
    results: str
    """Root of the search's cells."""
    blocks: str
    """Root of the search's probe blocks."""
    s3: S3Spec
    model: str
    snapshot: int
    spec: MatchSpec
    memory: int

    @property
    def resources(self) -> Resources:
        """One core, and the estimate of `cell_memory`."""
        return Resources(cpus=1.0, memory=self.memory)

    def setup(self) -> Callable[[Cell], CellCommit]:
        """Open the stores; segments are fetched when the first cell needs them."""
        return ScanWorker(self)


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """A segment ready to scan."""

    entry: SegmentEntry
    gallery: Gallery
    members: pa.Table
    scan: Callable[[npt.NDArray[np.float16]], Hits]
    """Probes (p, dim) to their hits in this segment."""


class ScanWorker:
    """Keeps the last segment mapped, since cells come segment by segment."""

    def __init__(self, task: ScanTask) -> None:
        """Open the stores."""
        self._task = task
        self._gallery = open_store(task.gallery, task.s3)
        self._results = open_store(task.results, task.s3)
        self._blocks = open_store(task.blocks, task.s3)
        self._open: OpenSegment | None = None

    def __call__(self, cell: Cell) -> CellCommit:
        """Scan one cell and commit it, unless it is committed already."""
        standing = find(self._results, layout.commit(cell.cell_key), CellCommit)
        if standing is not None:
            return standing
        segment = self._segment(cell.segment)
        probes = read_templates(read_part(self._blocks, cell.probes), cell.probes.key)
        hits = segment.scan(embeddings(probes))
        table = to_table(hits, probe_ids(probes), segment.members, self._task.snapshot)
        attempt = uuid4().hex[:12]
        data = write_table(table, kind="candidates", model=self._task.model)
        part = put_part(self._results, layout.part(layout.CANDIDATES, cell.cell_key, attempt), data, table.num_rows)
        commit = CellCommit(
            cell_key=cell.cell_key,
            attempt=attempt,
            rows_scanned=len(segment.gallery.vectors),
            probes=probes.num_rows,
            candidates=part,
        )
        return put_first(self._results, layout.commit(cell.cell_key), commit)[0]

    def _segment(self, entry: SegmentEntry) -> OpenSegment:
        if self._open is None or self._open.entry != entry:
            # The mapping outlives the file's name, so nothing is left behind however the worker ends.
            with tempfile.TemporaryDirectory(prefix="facebatch-scan-") as folder:
                self._open = open_segment(self._gallery, entry, Path(folder), self._task.spec)
        return self._open


def open_segment(store: ObjectStore, entry: SegmentEntry, folder: Path, spec: MatchSpec) -> OpenSegment:
    """Fetch, verify and map a segment. CorruptError when a digest, a count or a norm is wrong."""
    manifest = read_manifest(store, entry)
    members = read_members(fetch(store, manifest.members, folder), manifest)
    vectors = map_vectors(fetch(store, manifest.vectors, folder), manifest)
    check_norms(vectors, manifest.vectors.key)
    codes = None
    if manifest.codes is not None:
        codes = np.memmap(fetch(store, manifest.codes, folder), dtype=np.uint8, mode="r")
    gallery = open_gallery(members, vectors)
    return OpenSegment(entry, gallery, members, open_scanner(gallery, codes, spec, origin=entry.segment_id))


def check_norms(vectors: npt.NDArray[np.float16], origin: str, block: int = 65_536) -> None:
    """CorruptError naming the first row that is not finite or not of unit norm."""
    for begin in range(0, len(vectors), block):
        rows = vectors[begin : begin + block].astype(np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        bad = np.flatnonzero(~(np.abs(norms - 1) <= NORM_TOLERANCE))
        if len(bad):
            raise CorruptError(f"{origin}: row {begin + bad[0]} is not a template (not finite, or norm not 1)")


def probe_ids(probes: pa.Table) -> pa.ChunkedArray:
    """A probe's id: its image_id, with `#n` behind it for a further face of the same image."""
    face = pc.cast(probes["face_index"], pa.string())
    numbered = pc.binary_join_element_wise(probes["image_id"], face, "#")
    return pc.if_else(pc.equal(probes["face_index"], 0), probes["image_id"], numbered)
