"""Canaries against all segments of a snapshot that is not published yet, by the scan that `match` does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facebatch.errors import CorruptError, PlanError
from facebatch.gallery.snapshots import SegmentEntry, Snapshot
from facebatch.index import node_cache
from facebatch.match.candidates import merge, to_table
from facebatch.match.cells import block_size, in_order, shape_of
from facebatch.match.memory import cell_memory, scan_path
from facebatch.match.planning import MERGED_BYTES, MERGED_CANDIDATE_BYTES
from facebatch.match.scan import Limits, raised
from facebatch.match.settings import MatchSpec
from facebatch.pipelines.reindex_segments import Builder
from facebatch.pipelines.running import check_memory, run_all
from facebatch.pipelines.scanning import OpenSegment, open_segment
from facebatch.runtime.executor import Resources
from facebatch.schemas import CANDIDATES
from facebatch.storage.open import open_store
from facebatch.storage.parquet import embeddings
from facebatch.storage.settings import S3Spec

MOST_LISTED = MERGED_BYTES // MERGED_CANDIDATE_BYTES
"""Candidates that the driver holds at a time."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a worker found in its segments."""

    rows_scanned: int
    candidates: pa.Table
    """`schemas.CANDIDATES`, merged."""


@dataclass(frozen=True, slots=True)
class SearchTask:
    """Searches all probes in some segments. Candidates come back to the driver and are stored nowhere."""

    gallery: str
    s3: S3Spec
    probes: pa.Table
    """template_id, which becomes the probe_id, and embedding."""
    spec: MatchSpec
    """Names its probe block."""
    snapshot: int
    memory: int

    @property
    def resources(self) -> Resources:
        """One core, and the estimate of `search_memory`."""
        return Resources(cpus=1.0, memory=self.memory)

    def setup(self) -> Callable[[Sequence[SegmentEntry]], Found]:
        """Open the gallery, and clear away what killed workers left of segments on this machine."""
        return SearchWorker(self)


class SearchWorker:
    """Maps one segment at a time, and lets go of it before the next."""

    def __init__(self, task: SearchTask) -> None:
        """Cut the probes into blocks."""
        self._task = task
        self._gallery = open_store(task.gallery, task.s3)
        self._cache: Path = node_cache.default_folder()
        block = task.spec.probe_block or max(1, task.probes.num_rows)
        self._blocks = [task.probes.slice(begin, block) for begin in range(0, task.probes.num_rows, block)]
        node_cache.sweep(self._cache)

    def __call__(self, segments: Sequence[SegmentEntry]) -> Found:
        """The lists of all probes in these segments together."""
        rows, found = 0, CANDIDATES.empty_table()
        cuts: list[npt.NDArray[np.float32] | None] = [None] * len(self._blocks)
        for entry in segments:
            opened = open_segment(self._gallery, entry, self._cache, self._task.spec)
            try:
                tables = [self._scan(number, opened, cuts) for number in range(len(self._blocks))]
                rows += opened.gallery.live_rows
            finally:
                opened.close()
            found = merge([found, *tables], self._task.spec.length)
        return Found(rows, found)

    def _scan(self, number: int, segment: OpenSegment, cuts: list[npt.NDArray[np.float32] | None]) -> pa.Table:
        """One block; its cut rises with what it found."""
        probes, spec = self._blocks[number], self._task.spec
        hits = segment.scan(embeddings(probes), Limits(cut=cuts[number]))
        cuts[number] = raised(cuts[number], hits, probes.num_rows, spec.length)
        return to_table(hits, probes["template_id"], segment.members, self._task.snapshot)


def search(probes: pa.Table, snapshot: Snapshot, spec: MatchSpec, builder: Builder) -> pa.Table:
    """The `schemas.CANDIDATES` of `schemas.templates`, through the segments and masks of `snapshot`.

    Every segment is read once: about 3 bytes per dimension of each template, by workers that keep one segment at a
    time. CorruptError when the segments do not have as many live rows as the snapshot has live templates. The caller
    counts the lists and lets go of them: nobody sees one, so no decision token is asked for.
    """
    spec = spec.model_copy(update={"probe_block": block_size(spec, shape_of(snapshot, spec, probes.num_rows))})
    shares = deal(snapshot.segments, min(builder.executor.workers, _shares(probes.num_rows, spec)))
    task = SearchTask(
        gallery=builder.store.uri,
        s3=builder.config.s3,
        probes=probes.select(["template_id", "embedding"]).combine_chunks(),
        spec=spec,
        snapshot=snapshot.seq,
        memory=search_memory(snapshot, spec, probes.num_rows),
    )
    check_memory(builder.config.run, builder.executor, task.memory, len(shares), what="the search of the canaries")
    found: list[Found] = run_all(
        builder.executor,
        task,
        shares,
        builder.progress.stage("canaries", total=len(shares), unit="shares of the segments"),
        name=lambda share: f"canaries x segment {', '.join(segment.segment_id for segment in share)}",
    )
    node_cache.sweep(node_cache.default_folder())  # Ray ends its workers by killing them
    scanned = sum(part.rows_scanned for part in found)
    if scanned != snapshot.templates:
        raise CorruptError(f"the canaries were compared with {scanned} templates of {snapshot.templates}; index again")
    return merge([CANDIDATES.empty_table(), *(part.candidates for part in found)], spec.length)


def check_listed(probes: int, length: int) -> None:
    """PlanError when the candidate lists of so many canaries do not fit into the driver's memory."""
    if probes * length > MOST_LISTED:
        raise PlanError(
            f"canaries: {probes} canaries with lists of {length} are more than the {MOST_LISTED} candidates that are "
            "held at a time; embed fewer, or lower canaries.length"
        )


def deal(segments: Sequence[SegmentEntry], shares: int) -> list[tuple[SegmentEntry, ...]]:
    """The segments in as many shares of about equal rows, none empty. Pure."""
    ordered = in_order(segments)
    dealt = (tuple(ordered[first::shares]) for first in range(shares))
    return [share for share in dealt if share]


def search_memory(snapshot: Snapshot, spec: MatchSpec, probes: int) -> int:
    """Upper estimate of bytes of a worker: a cell of `match`, and the lists of all its segments while they are merged.

    `spec` names its probe block.
    """
    shape = shape_of(snapshot, spec, probes)
    block = block_size(spec, shape)
    cell = cell_memory(shape, block, scan_path(spec, shape, block), spec.gallery_block)
    return cell.total + 2 * shape.listed(probes) * MERGED_CANDIDATE_BYTES


def _shares(probes: int, spec: MatchSpec) -> int:
    """So many that all their lists fit into the driver's memory."""
    return max(1, MOST_LISTED // max(1, probes * spec.length))
