"""Bulk match against its peers, interleaved, on one clustered gallery: `make bench-match ARGS='--json FILE'`.

Wall clocks of shared machines swing, so every round times all competitors in turn, and what counts is the median of the
per-round ratios to faiss.IndexFlatIP. Nothing is asserted here but equality.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.int8_peak import peak
from benchmarks.population import SESSIONS, populate
from facebatch.match.codes import Codes
from facebatch.match.engine import scan_codes
from facebatch.match.kernel_paths import KernelPath, available_paths
from facebatch.match.quantise import pack
from facebatch.match.scan import Gallery, Hits, scan
from facebatch.match.settings import MatchSpec

THRESHOLD = 0.4
MODES = {
    "threshold": MatchSpec(length=1000, floor=THRESHOLD),
    "top10": MatchSpec(length=10),
    "top50": MatchSpec(length=50),
}
CHECKED = 48
"""Probes whose lists are compared with the definition."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows one thread scans: a segment."""

    gallery: Gallery
    codes: Codes


@dataclass(frozen=True, slots=True)
class Bench:
    """One population, in the forms the competitors want."""

    probes: npt.NDArray[np.float16]
    wide_probes: npt.NDArray[np.float32]
    wide_gallery: npt.NDArray[np.float32]
    pieces: tuple[Piece, ...]
    index: faiss.IndexFlatIP
    threads: int


def prepare(rows: int, probes: int, dim: int, threads: int) -> Bench:
    drawn = populate(rows, probes, dim)
    cuts = [round(rows / SESSIONS * part / threads) * SESSIONS for part in range(threads)] + [rows]
    pieces = []
    for begin, end in pairwise(cuts):
        vectors = drawn.gallery[begin:end]
        starts = np.arange(0, len(vectors), SESSIONS, dtype=np.int64)
        pieces.append(Piece(Gallery(vectors, starts, np.arange(len(vectors))), pack(vectors)))
    wide = drawn.gallery.astype(np.float32)
    index = faiss.IndexFlatIP(dim)
    index.add(wide)
    return Bench(drawn.probes, drawn.probes.astype(np.float32), wide, tuple(pieces), index, threads)


def ours(bench: Bench, spec: MatchSpec, path: KernelPath) -> list[Hits]:
    """One thread per piece, as one worker per core scans cells."""

    def one(piece: Piece) -> Hits:
        return scan_codes(bench.probes, piece.gallery, piece.codes, spec, path)

    if bench.threads == 1:
        return [one(piece) for piece in bench.pieces]
    with ThreadPoolExecutor(bench.threads) as pool:
        return list(pool.map(one, bench.pieces))


def flat(bench: Bench, spec: MatchSpec) -> object:
    if spec.floor is not None:
        return bench.index.range_search(bench.wide_probes, np.nextafter(np.float32(spec.floor), np.float32(-1)))
    return bench.index.search(bench.wide_probes, spec.length)


def knn(bench: Bench, spec: MatchSpec) -> object:
    return faiss.knn(bench.wide_probes, bench.wide_gallery, spec.length, metric=faiss.METRIC_INNER_PRODUCT)


def product_only(bench: Bench, _: MatchSpec) -> None:
    block = 8192
    out = np.empty((block, len(bench.wide_probes)), np.float32)
    for begin in range(0, len(bench.wide_gallery), block):
        some = bench.wide_gallery[begin : begin + block]
        np.dot(some, bench.wide_probes.T, out=out[: len(some)])


def optional(bench: Bench) -> dict[str, Callable[[MatchSpec], object]]:
    """Competitors that are installed; the others are named as skipped."""
    found: dict[str, Callable[[MatchSpec], object]] = {}
    try:
        from usearch.index import MetricKind
        from usearch.index import search as exact

        def by_usearch(spec: MatchSpec) -> object:
            return exact(
                bench.wide_gallery, bench.wide_probes, spec.length, MetricKind.IP, exact=True, threads=bench.threads
            )

        found["usearch exact"] = by_usearch
    except ImportError:
        Console(stderr=True).print("skipped: usearch (not installed)")
    try:
        import scann

        builder = scann.scann_ops_pybind.builder(bench.wide_gallery, 50, "dot_product").score_brute_force()
        searcher = builder.build()
        found["scann brute force"] = lambda spec: searcher.search_batched_parallel(bench.wide_probes, spec.length)
    except ImportError:
        Console(stderr=True).print("skipped: scann (not installed)")
    return found


def competitors(bench: Bench, spec: MatchSpec, slow: bool) -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {"faiss Flat": lambda: flat(bench, spec)}
    found |= {f"facebatch {path}": lambda path=path: ours(bench, spec, path) for path in available_paths()}
    found["sgemm alone"] = lambda: product_only(bench, spec)
    if slow and spec.floor is None:
        found["faiss.knn"] = lambda: knn(bench, spec)
        found |= {name: lambda call=call: call(spec) for name, call in optional(bench).items()}
    return found


def interleaved(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Wall seconds per round; the first round only warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def equal_to_definition(bench: Bench, spec: MatchSpec, path: KernelPath) -> bool:
    """Ids and similarities of the first probes, bit for bit, against the plain scan of the same pieces."""
    few = bench.probes[:: max(1, len(bench.probes) // CHECKED)]
    for piece in bench.pieces:
        fast = scan_codes(few, piece.gallery, piece.codes, spec, path)
        slow = scan(few, piece.gallery, spec)
        same = (np.array_equal(getattr(fast, name), getattr(slow, name)) for name in ("probe", "row", "similarity"))
        if not all(same):
            return False
    return True


def measure(bench: Bench, mode: str, rounds: int, slow: bool) -> list[dict[str, object]]:
    spec = MODES[mode]
    seconds = interleaved(competitors(bench, spec, slow), rounds)
    rows, dim = bench.wide_gallery.shape
    work = 2.0 * len(bench.probes) * rows * dim
    limit = peak() * bench.threads if KernelPath.VNNI512 in available_paths() else None
    found = []
    for name, times in seconds.items():
        path = next((path for path in available_paths() if name.endswith(f" {path}")), None)
        median = statistics.median(times)
        ratio = statistics.median(base / own for base, own in zip(seconds["faiss Flat"], times, strict=True))
        found.append(
            {
                "name": name,
                "mode": mode,
                "probes": len(bench.probes),
                "gallery": rows,
                "dim": dim,
                "ratio_vs_faiss_flat": round(ratio, 3),
                "share_of_int8_peak": round(work / median / limit, 3) if limit and path else None,
                "equal_to_float32": equal_to_definition(bench, spec, path) if path else None,
                "seconds": round(median, 4),
                "threads": bench.threads,
            }
        )
    return found


def show(rows: list[dict[str, object]]) -> None:
    first = rows[0]
    title = "{mode}: {probes} probes x {gallery} templates x {dim}, {threads} threads".format(**first)
    table = Table("", "seconds", "x faiss Flat", "of int8 peak", "equal", title=title, title_justify="left")
    for row in rows:
        cells = ("name", "seconds", "ratio_vs_faiss_flat", "share_of_int8_peak")
        equal = {True: "yes", False: "NO", None: ""}[row["equal_to_float32"]]
        table.add_row(*("" if row[cell] is None else str(row[cell]) for cell in cells), equal)
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gallery", type=int, default=200_000)
    parser.add_argument("--probes", type=int, nargs="+", default=[1020])
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--modes", nargs="+", choices=sorted(MODES), default=list(MODES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--slow", action="store_true", help="also the peers that are many times slower")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(arguments.threads)
    found = []
    for probes in arguments.probes:
        bench = prepare(arguments.gallery, probes, arguments.dim, arguments.threads)
        for mode in arguments.modes:
            rows = measure(bench, mode, arguments.rounds, arguments.slow)
            show(rows)
            found += rows
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
