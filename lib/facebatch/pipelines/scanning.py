"""One cell, scanned: read the probe block, map the segment, scan, write candidates, commit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.gallery.commits import PartFile, find, put_first, put_part, read_part
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
from facebatch.storage.parquet import embeddings, read_table, read_templates, write_table
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
    fresh: PartFile | None = None
    """`schemas.ROWS` in `blocks`: of the live templates only these are compared; None: all are."""

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
    codes: npt.NDArray[np.uint8] | None
    """File of the segment's codes, mapped."""
    close: Callable[[], None]
    """Give the segment's files up; what was found and the arrays stay valid."""


class Segments:
    """Keeps the last segment mapped, since cells come segment by segment, with a scanner for each search of it."""

    def __init__(self, gallery: ObjectStore) -> None:
        """Clear away what killed workers left of segments on this machine."""
        self._gallery = gallery
        self._cache = node_cache.default_folder()
        self._entry: SegmentEntry | None = None
        self._by_search: dict[str, OpenSegment] = {}
        node_cache.sweep(self._cache)

    def open(self, entry: SegmentEntry, task: ScanTask) -> OpenSegment:
        """The segment as one search scans it; errors as `open_segment`."""
        if self._entry != entry:
            self._close()
            self._by_search = {}
            self._entry = entry
        if task.results not in self._by_search:
            other = next(iter(self._by_search.values()), None)
            found = open_segment(self._gallery, entry, self._cache, task.spec) if other is None else other
            fresh = None if task.fresh is None else _fresh_rows(found.members, task, task.fresh)
            if other is not None or fresh is not None:
                found = _scanned_by(found, self._gallery, task.spec, fresh)
            self._by_search[task.results] = found
        return self._by_search[task.results]

    def _close(self) -> None:
        for opened in self._by_search.values():
            opened.close()
            break


class ScanWorker:
    """Scans the cells of one search."""

    def __init__(self, task: ScanTask, segments: Segments | None = None) -> None:
        """Check the grant and open the stores. `segments` are shared with searches of the same gallery."""
        self._task = task
        self._guard = Guard(task.grant, (task.results, task.blocks), task.s3)
        self._segments = segments or Segments(open_store(task.gallery, task.s3))
        self._results = open_store(task.results, task.s3)
        self._blocks = open_store(task.blocks, task.s3)
        self._cuts: dict[str, npt.NDArray[np.float32]] = {}
        """By probe block: below it, no candidate of a further segment can be listed."""

    def __call__(self, cell: Cell) -> CellCommit:
        """Scan one cell and commit it, unless it is committed already. ForbiddenError when the leave has ended."""
        self._guard.check_gallery(self._task.gallery, self._task.snapshot)
        standing = find(self._results, layout.commit(cell.cell_key), CellCommit)
        if standing is not None:
            return standing
        watch = Stopwatch()
        segment = self._segments.open(cell.segment, self._task)
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
        return OpenSegment(entry, gallery, mapped.members, scan, mapped.codes, files.pop_all().close)


def _scanned_by(
    opened: OpenSegment, store: ObjectStore, spec: MatchSpec, fresh: npt.NDArray[np.bool_] | None
) -> OpenSegment:
    """The same mapped files under other settings, limited to `fresh` rows where these are given."""
    live = read_live(store, opened.entry)
    if fresh is not None:
        live = fresh if live is None else live & fresh
    gallery = replace(opened.gallery, live=live)
    return replace(
        opened, gallery=gallery, scan=open_scanner(gallery, opened.codes, spec, origin=opened.entry.segment_id)
    )


def _fresh_rows(members: pa.Table, task: ScanTask, part: PartFile) -> npt.NDArray[np.bool_]:
    listed = read_table(read_part(open_store(task.blocks, task.s3), part), kind="rows", origin=part.key)
    found = pc.is_in(members["template_id"], value_set=listed["template_id"].combine_chunks())
    mask: npt.NDArray[np.bool_] = found.to_numpy().astype(bool)
    return mask


def probe_ids(probes: pa.Table) -> pa.ChunkedArray:
    """A probe's id: its image_id, with `#n` behind it for a further face of the same image."""
    face = pc.cast(probes["face_index"], pa.string())
    numbered = pc.binary_join_element_wise(probes["image_id"], face, "#")
    return pc.if_else(pc.equal(probes["face_index"], 0), probes["image_id"], numbered)
