"""One cell, scanned: read the probe block, map the segment, scan, write candidates, commit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.gallery.commits import find, put_first, put_part, read_part
from facebatch.gallery.masks import read_live
from facebatch.gallery.snapshots import SegmentEntry
from facebatch.index import node_cache
from facebatch.index.mapped import map_files
from facebatch.index.segment import read_manifest
from facebatch.match.candidates import to_table
from facebatch.match.cells import Cell, CellCommit
from facebatch.match.scan import Gallery, Limits, raised
from facebatch.match.scanner import Scanner, load_kernels, open_scanner
from facebatch.match.settings import MatchSpec
from facebatch.pipelines.grants import Grant, Guard
from facebatch.runtime.executor import Resources
from facebatch.storage import layout
from facebatch.storage.open import open_store
from facebatch.storage.parquet import embeddings, read_templates, write_table
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.stopwatch import Stopwatch


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
    grant: Grant
    """Leave to touch the probes."""

    @property
    def resources(self) -> Resources:
        """One core, and the estimate of `cell_memory`."""
        return Resources(cpus=1.0, memory=self.memory)

    def setup(self) -> Callable[[Cell], CellCommit]:
        """Check the grant, open the stores; segments are fetched when the first cell needs them."""
        return ScanWorker(self)


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """A segment ready to scan."""

    entry: SegmentEntry
    gallery: Gallery
    members: pa.Table
    """`schemas.ROWS`."""
    scan: Scanner
    close: Callable[[], None]
    """Give the segment's files up; what was found and the arrays stay valid."""


class ScanWorker:
    """Keeps the last segment mapped, since cells come segment by segment."""

    def __init__(self, task: ScanTask) -> None:
        """Open the stores, and clear away what killed workers left of segments on this machine."""
        self._task = task
        self._guard = Guard(task.grant, (task.results, task.blocks), task.s3)
        self._gallery = open_store(task.gallery, task.s3)
        self._results = open_store(task.results, task.s3)
        self._blocks = open_store(task.blocks, task.s3)
        self._cache = node_cache.default_folder()
        self._open: OpenSegment | None = None
        self._cuts: dict[str, npt.NDArray[np.float32]] = {}
        """By probe block: below it, no candidate of a further segment can be listed."""
        node_cache.sweep(self._cache)

    def __call__(self, cell: Cell) -> CellCommit:
        """Scan one cell and commit it, unless it is committed already. ForbiddenError when the leave has ended."""
        self._guard.check_gallery(self._task.gallery, self._task.snapshot)
        standing = find(self._results, layout.commit(cell.cell_key), CellCommit)
        if standing is not None:
            return standing
        watch = Stopwatch()
        segment = self._segment(cell.segment)
        watch.lap("open")
        probes = read_templates(read_part(self._blocks, cell.probes), cell.probes.key)
        watch.lap("read")
        cuts = self._cuts.get(cell.probes.sha256)
        hits = segment.scan(embeddings(probes), Limits(cut=cuts))
        self._cuts[cell.probes.sha256] = raised(cuts, hits, probes.num_rows, self._task.spec.length)
        watch.lap("scan")
        table = to_table(hits, probe_ids(probes), segment.members, self._task.snapshot)
        attempt = uuid4().hex[:12]
        data = write_table(table, kind="candidates", model=self._task.model)
        part = put_part(self._results, layout.part(layout.CANDIDATES, cell.cell_key, attempt), data, table.num_rows)
        watch.lap("write")
        commit = CellCommit(
            cell_key=cell.cell_key,
            attempt=attempt,
            rows_scanned=segment.gallery.live_rows,
            probes=probes.num_rows,
            candidates=part,
            seconds=watch.seconds,
        )
        return put_first(self._results, layout.commit(cell.cell_key), commit)[0]

    def _segment(self, entry: SegmentEntry) -> OpenSegment:
        if self._open is None or self._open.entry != entry:
            if self._open is not None:
                self._open.close()
                self._open = None
            self._open = open_segment(self._gallery, entry, self._cache, self._task.spec)
        return self._open


def open_segment(store: ObjectStore, entry: SegmentEntry, folder: Path, spec: MatchSpec) -> OpenSegment:
    """Verify and map a segment; `folder` is the machine's cache, used where the store has no local files.

    CorruptError when a digest, a size or a count is wrong. Norms were checked when the segment was built.
    """
    manifest = read_manifest(store, entry)
    with ThreadPoolExecutor(1) as beside, ExitStack() as files:
        loaded = beside.submit(load_kernels, spec, manifest.rows * manifest.dim)
        mapped = map_files(store, manifest, folder)
        files.callback(mapped.close)
        loaded.result()
        gallery = Gallery(mapped.vectors, mapped.order.starts, mapped.order.template_rank, read_live(store, entry))
        scan = open_scanner(gallery, mapped.codes, spec, origin=entry.segment_id)
        return OpenSegment(entry, gallery, mapped.members, scan, files.pop_all().close)


def probe_ids(probes: pa.Table) -> pa.ChunkedArray:
    """A probe's id: its image_id, with `#n` behind it for a further face of the same image."""
    face = pc.cast(probes["face_index"], pa.string())
    numbered = pc.binary_join_element_wise(probes["image_id"], face, "#")
    return pc.if_else(pc.equal(probes["face_index"], 0), probes["image_id"], numbered)
