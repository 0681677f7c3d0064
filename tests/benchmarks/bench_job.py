"""`match` end to end without embedding, beside the scan alone: `make bench-job ARGS='--json FILE'`.

Each round runs the scan alone and then the whole job, each in a process of its own over the same segments and probes
on local disk, and what counts is the median of the ratios of the rounds. Nothing is asserted.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.job_memory import Peak, Watch, forget_peak, memory
from benchmarks.job_world import JobWorld
from facebatch.gallery import snapshots
from facebatch.governance import policy
from facebatch.index import node_cache
from facebatch.match.cells import CellCommit, block_size, shape_of
from facebatch.match.memory import cell_memory, machine_memory, scan_path
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import index, match
from facebatch.pipelines.scanning import open_segment
from facebatch.pipelines.search import MatchPlan, publish_search
from facebatch.runtime.executor import RunSpec
from facebatch.runtime.open import open_executor
from facebatch.storage import layout
from facebatch.storage.local import LocalStore
from facebatch.storage.parquet import embeddings, read_templates
from facebatch.telemetry.progress import SilentProgress, Stage, open_progress

MIB = 2**20


class Marks(SilentProgress):
    """Notes when the cells began and ended."""

    def __init__(self) -> None:
        self.began = self.ended = 0.0

    @contextmanager
    def stage(self, name: str, *, total: int, unit: str) -> Iterator[Stage]:
        with super().stage(name, total=total, unit=unit) as stage:
            if name == "match":
                self.began = time.perf_counter()
            yield stage
            if name == "match":
                self.ended = time.perf_counter()


def build_index(world: JobWorld) -> float:
    """Wall seconds of the real job `index`."""
    started = time.perf_counter()
    index.run(world.index(), open_progress("none"))
    return time.perf_counter() - started


def run_job(world: JobWorld, number: int) -> dict[str, Any]:
    """Seconds by stage, and the memory of the processes that did it, of one search.

    Stages of cells are means over the workers, and what a worker spent outside them it started or waited.
    """
    planned, commits = world.search(number)
    decision = policy.decide(planned.config.request, (), datetime.now(UTC))
    marks = Marks()
    with open_executor(world.run) as executor:
        forget_peak()
        before = memory()
        with Watch(workers=world.run.executor == "ray") as watch:
            began = time.perf_counter()
            found = match.search(planned, commits, executor, marks)
            manifest = publish_search(planned, decision, commits, found)
            ended = time.perf_counter()
        workers = executor.workers
    cells = [CellCommit.model_validate_json(data) for data in _stored(Path(planned.root) / "cells/commits")]
    stages = defaultdict(float)
    for cell in cells:
        for name, seconds in cell.seconds.items():
            stages[name] += seconds / workers
    return {
        "job": ended - began,
        "blocks": marks.began - began,
        **stages,
        "start_and_wait": marks.ended - marks.began - sum(stages.values()),
        "merge": ended - marks.ended,
        "candidates": sum(part.rows for part in manifest.candidates),
        "planned": planned_memory(world, planned, workers),
        "baseline": before["VmRSS"],
        "peaks": list(watch.peaks.values()),
    }


def planned_memory(world: JobWorld, planned: MatchPlan, workers: int) -> int:
    """Of one worker of Ray, or of all workers of this process together."""
    spec = planned.config.match
    shape = shape_of(planned.snapshot, spec, world.probes)
    block = block_size(spec, shape)
    worker = cell_memory(shape, block, scan_path(spec, shape, block), spec.gallery_block)
    return worker.total if world.run.executor == "ray" else machine_memory(worker, workers, world.segments, 1)


def scan_alone(world: JobWorld, number: int) -> float:
    """Wall seconds to compare the probe blocks of that search with all segments, cell by cell, a thread per worker."""
    gallery = LocalStore(world.root / "gallery")
    blocks = []
    for data in _stored(world.root / f"results-{number}" / layout.BLOCKS):
        blocks.append(embeddings(read_templates(data, "block")))
    spec = world.match.model_copy(update={"probe_block": len(blocks[0])})
    entries = snapshots.require_head(gallery).segments
    segments = [open_segment(gallery, entry, node_cache.default_folder(), spec) for entry in entries]
    cells = [(segment, block) for segment in segments for block in blocks]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(world.run.workers) as pool:
        list(pool.map(lambda segment: segment.scan(blocks[0][:16]), segments))
        started = time.perf_counter()
        list(pool.map(lambda cell: cell[0].scan(cell[1]), cells))
        return time.perf_counter() - started


def _stored(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def apart(call: Callable[..., Any], *arguments: object) -> Any:
    """The value of a call in a fresh process, whose memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()


def measure(world: JobWorld, rounds: int) -> dict[str, Any]:
    apart(world.write)
    built = apart(build_index, world)
    runs = []
    for number in range(rounds + 1):
        job = apart(run_job, world, number)
        scan = apart(scan_alone, world, number)
        shutil.rmtree(world.root / f"results-{number}")
        if number:  # the first one warms the disk's cache
            runs.append({**job, "scan_alone": scan, "ratio": job["job"] / scan})
    names = [name for name, value in runs[0].items() if isinstance(value, float)]
    medians = {name: round(statistics.median(run[name] for run in runs), 3) for name in names}
    return {**facts(world), "index": round(built, 2), **medians, **memory_of(runs)}


def facts(world: JobWorld) -> dict[str, Any]:
    return {
        "executor": world.run.executor,
        "workers": world.run.workers,
        "gallery": world.gallery,
        "probes": world.probes,
        "dim": world.dim,
        "segments": world.segments,
        "length": world.match.length,
        "floor": world.match.floor,
    }


def memory_of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """MiB of the largest process of all rounds, beside what the plan asked for."""
    largest = max(runs, key=lambda run: max(peak.resident for peak in run["peaks"]))
    peak: Peak = max(largest["peaks"], key=lambda peak: peak.resident)
    planned = largest["planned"]
    return {
        "planned_mib": round(planned / MIB),
        "baseline_mib": round(largest["baseline"] / MIB),
        "peak_mib": round(peak.resident / MIB),
        "peak_own_mib": round(peak.own / MIB),
        "peak_mapped_mib": round(peak.mapped / MIB),
        "peak_share_of_plan": round(peak.resident / planned, 3),
        "candidates": largest["candidates"],
    }


def show(found: Mapping[str, Any]) -> None:
    title = "{probes} probes x {gallery} templates x {dim}, {segments} segments, {workers} workers ({executor})"
    table = Table("", "", title=title.format(**found), title_justify="left", show_header=False)
    for name, value in found.items():
        table.add_row(name, "none" if value is None else str(value))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gallery", type=int, default=200_000)
    parser.add_argument("--probes", type=int, default=2_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--segments", type=int, default=2)
    parser.add_argument("--executor", choices=["local", "ray"], nargs="+", default=["local"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--floor", type=float)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    spec = MatchSpec(length=arguments.length, floor=arguments.floor)
    found = []
    with tempfile.TemporaryDirectory(prefix="facebatch-bench-") as folder:
        for executor in arguments.executor:
            run = RunSpec(executor=executor, workers=arguments.workers)
            shape = (arguments.gallery, arguments.probes, arguments.dim, arguments.segments)
            world = JobWorld(Path(folder) / executor, *shape, run, spec)
            found.append(measure(world, arguments.rounds))
            show(found[-1])
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
