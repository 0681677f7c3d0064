"""What a search takes at each gallery size: the exact scan of `match`, timed on parts of the snapshot's own segments.

A size is a share of the gallery's live templates, as they lie in the segments: whole segments, and the first rows of
one more with the tiles of codes that hold them. Rounds go through all sizes in turn, so that whatever slows the machine
for a while slows all of them. Times are of this machine and differ from run to run: they stand among the costs, and no
figure, limit or verdict is made of them.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from facebatch.config import EvaluateConfig
from facebatch.errors import FacebatchError, NotFoundError
from facebatch.evaluate.report import CostRow, ReportSpec, gallery_sizes
from facebatch.gallery.masks import read_live
from facebatch.gallery.snapshots import Snapshot
from facebatch.index import node_cache
from facebatch.index.mapped import map_segment
from facebatch.match.memory import code_bytes, vector_bytes
from facebatch.match.scan import Gallery, Limits, raised
from facebatch.match.scanner import Scanner
from facebatch.match.settings import MatchSpec
from facebatch.pipelines.evaluate_speed_plan import PROBES, may_open, may_time, rounds, split, templates_at
from facebatch.pipelines.retention_deleted import require_undeleted
from facebatch.pipelines.search import SearchManifest
from facebatch.pipelines.segment_head import Heads, heads_of
from facebatch.storage import layout
from facebatch.storage.open import open_store
from facebatch.storage.parquet import embeddings, read_templates
from facebatch.storage.store import ObjectStore

Vectors = npt.NDArray[np.float16]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """As much of the gallery as one size stands for."""

    templates: int
    scans: Sequence[Scanner]
    """Of its segments, in turn."""


Work = Callable[[Part], None]


def speeds(
    config: EvaluateConfig, manifest: SearchManifest, snapshot: Snapshot, search: str, subjects: int
) -> tuple[CostRow, ...]:
    """Milliseconds of a search at each size of the growth study up to N = `subjects`, by the kernels of `match.path`.

    Median and quartiles over rounds. A size that `figures.timing_s` is too short for has a row without value that says
    so, and so has what could not be read: never an error. `search` is the folder of the manifest.
    """
    spec = config.figures
    sizes = gallery_sizes(subjects, spec.sizes)
    if not (sizes and spec.timing_s and snapshot.segments and manifest.probes):
        return ()
    listed = MatchSpec(length=manifest.length, path=config.match.path)
    try:
        probes = first_probes(open_store(search, config.s3), PROBES)
        gallery = open_store(manifest.gallery, config.s3)
        with threadpool_limits(limits=1, user_api="blas"), ExitStack() as files:
            began = time.perf_counter()
            opened = _open(gallery, snapshot, listed, spec.timing_s, files)
            left = spec.timing_s - (time.perf_counter() - began)
            templates = [templates_at(size, subjects, snapshot.templates) for size in sizes]
            row = CostRow("a search", None, "ms", _basis(opened, len(probes), listed.length, spec))
            rows = [replace(row, gallery=n, templates=rows) for n, rows in zip(sizes, templates, strict=True)]
            return tuple(_timed(rows, _parts(templates, opened), probes, listed.length, left))
    except (FacebatchError, OSError, MemoryError) as error:
        _log.warning("searches were not timed: %s", error)
        return (CostRow("a search at each size", None, "ms", f"not timed: {error}"),)


def first_probes(store: ObjectStore, most: int) -> Vectors:
    """(at most `most`, dim): the first probe templates of a search, as they were compared. NotFoundError for none,
    StopError where their deletion has begun.
    """
    require_undeleted(store, "probe_templates")
    found: list[Vectors] = []
    for key in sorted(info.key for info in store.list(layout.BLOCKS)):
        found.append(embeddings(read_templates(store.get(key), key)))
        if sum(map(len, found)) >= most:
            break
    if not found:
        raise NotFoundError(f"{store.uri} holds no probe templates any more; search again to time searches")
    return np.concatenate(found)[:most]


def search_through(probes: Vectors, part: Part, length: int) -> None:
    """One search of all probes: segment by segment, each with what those before it make certain, as in `match`."""
    cuts = None
    for scan in part.scans:
        hits = scan(probes, Limits(cut=cuts))
        cuts = raised(cuts, hits, len(probes), length)


def _open(store: ObjectStore, snapshot: Snapshot, spec: MatchSpec, seconds: float, files: ExitStack) -> list[Heads]:
    """Segments from the first on, as long as there is likely to be time for one more."""
    began, read = time.perf_counter(), 0
    opened: list[Heads] = []
    for entry in snapshot.segments:
        size = vector_bytes(entry.rows, snapshot.dim) + code_bytes(entry.rows, snapshot.dim)
        if not may_open(size, read, time.perf_counter() - began, seconds):
            break
        mapped = map_segment(store, entry, node_cache.default_folder())
        files.callback(mapped.close)
        gallery = Gallery(mapped.vectors, mapped.order.starts, mapped.order.template_rank, read_live(store, entry))
        opened.append(heads_of(mapped, gallery, spec, origin=entry.segment_id))
        read += size
    return opened


def _basis(opened: Sequence[Heads], probes: int, length: int, spec: ReportSpec) -> str:
    path = f"kernels {opened[0].path}, " if opened else ""
    return (
        f"the exact scan, whatever gave the lists; {path}one thread, {probes} of the probes together, lists of "
        f"{length}; within {spec.timing_s:g} s for all sizes"
    )


def _parts(templates: Sequence[int], opened: Sequence[Heads]) -> Iterator[Part]:
    """The gallery's first templates, as many as each size has, up to the first size that needs more segments."""
    for wanted in templates:
        taken = split(wanted, [heads.live_rows for heads in opened])
        if taken is None:
            return
        scans = [heads.of(live_rows) for heads, live_rows in zip(opened, taken, strict=False) if live_rows]
        yield Part(wanted, scans)


def _timed(
    rows: Sequence[CostRow], parts: Iterator[Part], probes: Vectors, length: int, left: float
) -> Iterator[CostRow]:
    """The rows with their times, as far as `left` seconds go."""

    def search(part: Part) -> None:
        search_through(probes, part, length)

    runs, first = _first_runs(parts, search, left)
    wanted = rounds(first, left - sum(first)) if first else 0
    taken = np.array([[_seconds(search, run) for run in runs] for _ in range(wanted)])
    for place, row in enumerate(rows):
        if place >= len(runs):
            yield replace(row, basis=f"not timed, since that would take too long; {row.basis}")
            continue
        low, median, high = (1000 / len(probes) * np.quantile(taken[:, place], (0.25, 0.5, 0.75))).tolist()
        yield replace(row, value=median, low=low, high=high, count=wanted, method="quartiles")


def _first_runs(parts: Iterator[Part], search: Work, left: float) -> tuple[list[Part], list[float]]:
    """The sizes that there is time for, and the seconds of the first run of each.

    Before anything counts the least one is searched once, which compiles the kernels, or loads them.
    """
    runs: list[Part] = []
    first: list[float] = []
    for part in parts:
        growth = part.templates / runs[-1].templates if runs else 1.0
        if not may_time(first, growth, left - sum(first)):
            break
        if not runs:
            search(part)
        runs.append(part)
        first.append(_seconds(search, part))
    return runs, first


def _seconds(search: Work, part: Part) -> float:
    began = time.perf_counter()
    search(part)
    return time.perf_counter() - began
