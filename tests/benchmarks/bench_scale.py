"""What a comparison costs and how that grows: `make bench-scale ARGS='--json FILE'`.

Every round runs all sizes in turn, with the CPU time of one thread as the clock, and what counts is the median of the
rounds. Then one worker process does two equal pieces of the gallery, and two do one each, with wall time as the clock.
The last table carries the measured cost to sizes that were not run, by the arithmetic of `facebatch plan match`.
Nothing is asserted.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.pieces import Piece, cut_pieces, scan_piece
from benchmarks.population import SESSIONS, populate
from facebatch.match.kernel_paths import KernelPath, available_paths
from facebatch.match.settings import MatchSpec
from facebatch.pipelines.forecast import MatchForecast
from facebatch.pipelines.plan_match import PlanMatchConfig, run

LARGE = ((100_000, 10_000_000), (1_000_000, 100_000_000))
"""Probes and gallery templates that are only calculated."""
WIDTH = 110
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """One point of a curve."""

    axis: str
    probes: int
    gallery: int
    path: KernelPath


@dataclass(frozen=True, slots=True)
class Ground:
    """What all sizes are cut from."""

    probes: npt.NDArray[np.float16]
    pieces: Mapping[int, Piece]
    """By rows."""
    spec: MatchSpec

    def scan(self, size: Size) -> float:
        """CPU seconds of this thread for one cell."""
        chosen = np.linspace(0, len(self.probes) - 1, size.probes).round().astype(np.int64)
        probes = self.probes[chosen]
        started = time.thread_time()
        scan_piece(probes, self.pieces[size.gallery], self.spec, size.path)
        return time.thread_time() - started


def sizes(probes: Sequence[int], galleries: Sequence[int]) -> list[Size]:
    """One axis after the other, the rest of the sizes in the middle; the portable path at one size only."""
    best, middle = available_paths()[0], sorted(probes)[len(probes) // 2]
    points = [Size("probes", count, max(galleries), best) for count in probes]
    points += [Size("gallery", middle, rows, best) for rows in galleries]
    if best != KernelPath.PORTABLE and KernelPath.PORTABLE in available_paths():
        points.append(Size("portable", min(probes), min(galleries), KernelPath.PORTABLE))
    return points


def measure(ground: Ground, points: Sequence[Size], rounds: int) -> list[Row]:
    """Median CPU seconds of each size; the first round only warms up."""
    found: list[list[float]] = [[] for _ in points]
    for number in range(rounds + 1):
        for seconds, size in zip(found, points, strict=True):
            taken = ground.scan(size)
            if number:
                seconds.append(taken)
    dim = ground.probes.shape[1]
    return [_row(size, dim, ground.spec.length, statistics.median(s)) for size, s in zip(points, found, strict=True)]


def _row(size: Size, dim: int, length: int, seconds: float) -> Row:
    comparisons = size.probes * size.gallery
    return {
        "axis": size.axis,
        "path": str(size.path),
        "probes": size.probes,
        "gallery": size.gallery,
        "dim": dim,
        "length": length,
        "cpu_seconds": round(seconds, 4),
        "cpu_seconds_per_1e9": round(seconds / comparisons * 1e9, 4),
    }


def per_doubling(rows: Sequence[Row], axis: str) -> float:
    """Factor of time for twice the size, by a line through the logarithms; 2 is proportional."""
    chosen = [row for row in rows if row["axis"] == axis]
    logs = [(math.log2(row[axis]), math.log2(row["cpu_seconds"])) for row in chosen]
    exponent = np.polyfit(*zip(*logs, strict=True), 1)[0]
    return float(2**exponent)


def two_costs(rows: Sequence[Row]) -> tuple[float, float]:
    """Seconds per comparison, and per place on a list: the least squares of all sizes of the fastest path.

    Lists have to be filled whatever the gallery, so a small one costs more per comparison; a large one shows the first.
    """
    chosen = [row for row in rows if row["path"] == rows[0]["path"]]
    counts = [(row["probes"] * row["gallery"], row["probes"] * row["length"]) for row in chosen]
    found = np.linalg.lstsq(np.array(counts, float), np.array([row["cpu_seconds"] for row in chosen]), rcond=None)
    return float(found[0][0]), float(found[0][1])


_WORKER: dict[str, Any] = {}
"""Of a worker process: what its tasks scan."""


def open_worker(path: Path, spec: MatchSpec) -> None:
    """Once in each worker process."""
    threadpool_limits(1, user_api="blas")
    _WORKER.update(probes=np.load(path / "probes.npy"), spec=spec)
    _WORKER["pieces"] = cut_pieces(np.load(path / "gallery.npy", mmap_mode="r"), SESSIONS, 2)


def scan_in_worker(number: int) -> None:
    """A piece of the gallery."""
    scan_piece(_WORKER["probes"], _WORKER["pieces"][number], _WORKER["spec"], available_paths()[0])


def measure_workers(folder: Path, spec: MatchSpec, rounds: int) -> tuple[float, float]:
    """Median wall seconds of one worker for both pieces, and of two workers for one each."""
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(
                ProcessPoolExecutor(1, get_context("spawn"), initializer=open_worker, initargs=(folder, spec))
            )
            for _ in range(2)
        )
        seconds: tuple[list[float], list[float]] = ([], [])
        for number in range(rounds + 1):
            for helper, times in zip((first, second), seconds, strict=True):
                started = time.perf_counter()
                for task in (first.submit(scan_in_worker, 0), helper.submit(scan_in_worker, 1)):
                    task.result()
                if number:
                    times.append(time.perf_counter() - started)
    one, two = (statistics.median(times) for times in seconds)
    return one, two


def forecasts(per_comparison: float, dim: int, cores: int) -> list[MatchForecast]:
    """What was not run, by arithmetic."""
    speed = 1 / per_comparison
    return [run(PlanMatchConfig(probes=n, gallery=m, dim=dim, speed=speed, cores=cores)) for n, m in LARGE]


def show_measured(rows: Sequence[Row]) -> None:
    names = [name for name in rows[0] if name != "axis"]
    table = Table(*(name.replace("_", " ") for name in names), title="one thread, medians", title_justify="left")
    for row in rows:
        table.add_row(*(str(row[name]) for name in names))
    Console(width=WIDTH).print(table)


def show_calculated(found: Sequence[MatchForecast], cores: int) -> None:
    names = (
        "probes x gallery",
        "core-hours",
        f"hours on {cores} cores",
        "of them merge",
        "GB a worker",
        "TB read",
        "PUT",
    )
    table = Table(*names, title="calculated", title_justify="left")
    for (probes, gallery), forecast in zip(LARGE, found, strict=True):
        one = forecast.estimate
        figures = (one.core_hours, one.seconds / 3600, one.effort.merge / max(1, one.effort.mergers) / 3600)
        sizes_of = (one.memory_per_worker / 1e9, one.traffic.segments_read / 1e12)
        words = [f"{figure:.3g}" for figure in (*figures, *sizes_of)]
        table.add_row(f"{probes:.0e} x {gallery:.0e}", *words, str(one.traffic.requests.put))
    Console(width=WIDTH).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gallery", type=int, nargs="+", default=[100_000, 200_000, 400_000])
    parser.add_argument("--probes", type=int, nargs="+", default=[255, 510, 1020, 2040])
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=64, help="of the cluster that the last table is about")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    spec = MatchSpec(length=arguments.length)
    drawn = populate(max(arguments.gallery), max(arguments.probes), arguments.dim)
    with threadpool_limits(1, user_api="blas"), TemporaryDirectory() as folder:
        pieces = {rows: cut_pieces(drawn.gallery[:rows], SESSIONS, 1)[0] for rows in arguments.gallery}
        rows = measure(Ground(drawn.probes, pieces, spec), sizes(arguments.probes, arguments.gallery), arguments.rounds)
        del pieces
        np.save(f"{folder}/gallery.npy", drawn.gallery)
        np.save(f"{folder}/probes.npy", drawn.probes)
        one, two = measure_workers(Path(folder), spec, arguments.rounds)
    show_measured(rows)
    per_comparison, per_place = two_costs(rows)
    growth = {axis: round(per_doubling(rows, axis), 3) for axis in ("probes", "gallery")}
    growth["workers"] = round(one / two, 3)
    far = forecasts(per_comparison, arguments.dim, arguments.cores)
    show_calculated(far, arguments.cores)
    console = Console(soft_wrap=True)
    console.print(
        f"1e9 comparisons: {per_comparison * 1e9:.3g} core-seconds; a place on a list: {per_place * 1e6:.3g} us"
    )
    console.print(f"time for twice the probes: x {growth['probes']}; for twice the gallery: x {growth['gallery']}")
    console.print(f"speed of two workers: x {growth['workers']} ({one:.2f} s and {two:.2f} s)")
    console.print("assumed:", *far[0].assumptions, sep="\n  ")
    if arguments.json:
        facts = {"seconds_per_comparison": per_comparison, "seconds_per_place": per_place, "times": growth}
        calculated = [asdict(forecast) for forecast in far]
        found = {"measured": rows, **facts, "wall_seconds_of_workers": [one, two], "calculated": calculated}
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
