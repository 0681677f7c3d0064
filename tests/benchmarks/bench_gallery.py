"""What a night costs besides embedding, and how that grows with the gallery: `make bench-gallery ARGS='--json FILE'`.

Galleries of documents alone (`hollow_gallery`, in memory) show what plans, snapshots and listings cost up to 1e5
shards, by the CPU time of the process; whole ones (`gallery_generator`, on disk) what it takes to write, index and
verify as many templates, by the wall. Each gallery has a process of its own, every stage runs some rounds, and what
counts is the median. Nothing is asserted.
"""

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.bench_job import MIB, apart
from benchmarks.drawn_shards import MODEL, GalleryShape, draw_shards, empty_pack, write_source
from benchmarks.gallery_generator import build_segments, write_gallery, write_shards
from benchmarks.hollow_gallery import write_hollow
from benchmarks.job_memory import forget_peak, memory
from benchmarks.job_world import card
from facebatch.config import ReindexConfig
from facebatch.gallery import changes, history, snapshots
from facebatch.gallery.collect import RetentionSpec
from facebatch.gallery.commits import committed_keys
from facebatch.gallery.gates import GateSpec, rates, reconcile
from facebatch.gallery.snapshots import Snapshot
from facebatch.images.source import SourceSpec
from facebatch.pipelines import gallery_collect, gallery_show, gallery_verify
from facebatch.pipelines.composing import compose, next_snapshot
from facebatch.pipelines.reindex import live_shards
from facebatch.pipelines.reindex_erase import Wanted
from facebatch.pipelines.reindex_plan import list_sources, plan_source
from facebatch.pipelines.reindex_segments import Builder
from facebatch.runtime.executor import RunSpec
from facebatch.runtime.open import open_executor
from facebatch.storage.documents import dump
from facebatch.storage.open import open_store
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import open_progress
from facebatch.telemetry.stopwatch import Stopwatch

QUIET = open_progress("none")
TODAY = datetime(2026, 1, 2, tzinfo=UTC).date()
NEW = GalleryShape(templates=200, shards=10)
"""What comes in the measured night, at every size."""
SHORTEST = 1e-3
"""Seconds below which a stage is noise."""
WIDTH = 120
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """One gallery."""

    templates: int
    shards: int
    is_whole: bool
    """Whether its parts and segments are written."""
    dim: int
    segment_rows: int
    nights: int
    """Snapshots it has."""
    rounds: int


class Stages:
    """What each stage took, round by round, and the most memory beyond what was held before."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.seconds: dict[str, list[float]] = {}
        self.bytes: dict[str, int] = {}

    def __call__(self, name: str, work: Callable[[], Any]) -> Any:
        """The value of `work`."""
        forget_peak()
        before, started = memory()["VmRSS"], self.clock()
        value = work()
        self.seconds.setdefault(name, []).append(self.clock() - started)
        self.bytes[name] = max(self.bytes.get(name, 0), memory()["VmHWM"] - before)
        return value


def measure(size: Size) -> Row:
    """Build a gallery and measure nights over it."""
    stages = Stages(time.perf_counter if size.is_whole else time.process_time)
    with tempfile.TemporaryDirectory(prefix="facebatch-bench-") as folder:
        shape = GalleryShape(size.templates, size.shards, size.dim, source=f"{folder}/photos")
        new = GalleryShape(NEW.templates, NEW.shards, size.dim, 1, shape.source, size.shards)
        gallery = f"{folder}/gallery" if size.is_whole else "memory://bench"
        store = open_store(gallery)
        write_source(draw_shards(shape))
        head = _build(store, shape, size, stages)
        for _ in range(size.nights - 1):
            figures = reconcile(head, {}) + rates(head, None, [], GateSpec())
            following = {**snapshots.next_number(head), "gates": figures}
            head = snapshots.publish(store, head.model_copy(update=following))
        write_source(draw_shards(new))
        list(write_shards(store, new))
        for _ in range(size.rounds):
            measure_night(store, shape, stages)
            measure_tools(store, stages)
    facts = {"templates": size.templates, "shards": size.shards, "whole": size.is_whole, "nights": size.nights}
    seconds = {name: round(statistics.median(found), 4) for name, found in stages.seconds.items()}
    peaks = {name: round(found / MIB) for name, found in stages.bytes.items()}
    return {**facts, "manifest_bytes": len(dump(head)), "seconds": seconds, "mib": peaks}


def _build(store: ObjectStore, shape: GalleryShape, size: Size, stages: Stages) -> Snapshot:
    if not size.is_whole:
        return write_hollow(store, shape, size.segment_rows)
    stages("generate", lambda: write_gallery(store, shape, QUIET))
    stages("index", lambda: build_segments(store.uri, size.segment_rows, QUIET))
    stages("verify", lambda: gallery_verify.run(store, (), QUIET))
    return snapshots.require_head(store)


def measure_night(store: ObjectStore, shape: GalleryShape, stages: Stages) -> None:
    """A night in which NEW comes in, embedded already; what it publishes is taken back."""
    run = RunSpec(executor="local", workers=1)
    pack = empty_pack(Path(f"{shape.source}-pack"))
    config = ReindexConfig(gallery=store.uri, sources=(SourceSpec(uri=shape.source),), model=pack, run=run)
    wanted = Wanted(None, TODAY, MODEL)
    (listing,) = stages("list source", lambda: list_sources(config, MODEL))
    committed = stages("list commits", lambda: committed_keys(store))
    head = stages("read head", lambda: snapshots.require_head(store))
    plan = stages("plan", lambda: plan_source(listing, head, committed, MODEL))
    if (len(plan.new), plan.unchanged, plan.embed.pending) != (NEW.shards, shape.shards, ()):
        raise RuntimeError(f"{len(plan.new)} shards are new, {plan.unchanged} unchanged")
    shards = stages("live shards", lambda: live_shards(store, head, [listing]))
    with open_executor(run) as executor:
        builder = Builder(config, store, executor, QUIET, Stopwatch())
        content = stages("compose", lambda: compose(head, shards, wanted, builder, card(shape.dim)))
    following = stages("number", lambda: next_snapshot(head, content, card(shape.dim)))
    past = stages("history", lambda: history.measured(store, head.seq, head.seq))
    figures = [night.gates for night in past]
    stages("gates", lambda: reconcile(following, {}) + rates(following, head, figures, config.gates))
    stages("publish", lambda: snapshots.publish(store, following))


def measure_tools(store: ObjectStore, stages: Stages) -> None:
    """What `gallery` tells of the newest snapshots; the newest one is deleted."""
    newest = history.numbers(store)[-1]
    stages("log", lambda: list(history.log(store, 0)))
    stages("show", lambda: gallery_show.run(store, None))
    pair = snapshots.read(store, newest - 1), snapshots.read(store, newest)
    stages("diff", lambda: changes.compare(store, *pair))
    stages("gc", lambda: gallery_collect.run(store, RetentionSpec(), QUIET, dry_run=True))
    store.delete(snapshots.layout.snapshot(newest))


def exponent(rows: Sequence[Row], stage: str) -> float:
    """p, where the seconds of a stage grow with the number of shards to the power of p: a line through logarithms."""
    logs = [(math.log(row["shards"]), math.log(max(row["seconds"][stage], SHORTEST))) for row in rows]
    return float(np.polyfit(*zip(*logs, strict=True), 1)[0])


def show(rows: Sequence[Row]) -> None:
    """A column for each gallery, and for the largest one the memory."""
    is_whole = rows[0]["whole"]
    title = "whole galleries, seconds" if is_whole else "documents alone, CPU seconds"
    grows = len({row["shards"] for row in rows}) > 1 and not is_whole
    table = Table("templates / shards", *(_name(row) for row in rows), title=title, title_justify="left")
    for head in (["grows with shards to the"] if grows else []) + ["MiB, of the last"]:
        table.add_column(head)
    for stage in rows[0]["seconds"]:
        power = [f"{exponent(rows, stage):.2f}"] if grows else []
        table.add_row(
            stage, *(f"{row['seconds'][stage]:.3g}" for row in rows), *power, str(rows[-1]["mib"].get(stage, ""))
        )
    table.add_row("manifest, MB", *(f"{row['manifest_bytes'] / 1e6:.3g}" for row in rows))
    Console(width=WIDTH).print(table)


def _name(row: Row) -> str:
    return f"{row['templates']:.0e} / {row['shards']:.0e}".replace("e+0", "e")


def _pair(text: str) -> tuple[int, int]:
    templates, _, shards = text.partition(":")
    return int(float(templates)), int(float(shards))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    hollow, whole = ["1e6:1e3", "1e7:1e4", "3e7:3e4", "1e8:1e5"], ["1e5:1e2", "1e5:1e3", "1e6:1e3"]
    help_ = "templates:shards"
    parser.add_argument(
        "--hollow", nargs="*", type=_pair, default=[*map(_pair, hollow)], help=f"{help_}, documents alone"
    )
    parser.add_argument("--whole", nargs="*", type=_pair, default=[*map(_pair, whole)], help=help_)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--segment-rows", type=int, default=1_000_000)
    parser.add_argument("--nights", type=int, default=5, help="snapshots of each gallery")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    common = (arguments.dim, arguments.segment_rows, arguments.nights, arguments.rounds)
    found = []
    for pairs, is_whole in ((arguments.hollow, False), (arguments.whole, True)):
        rows = [apart(measure, Size(*pair, is_whole, *common)) for pair in pairs]
        if rows:
            show(rows)
        found += rows
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
