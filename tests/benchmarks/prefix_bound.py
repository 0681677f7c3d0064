"""Would a PCA-prefix bound speed up threshold mode? `python -m benchmarks.prefix_bound`, in tests/.

With an orthonormal basis and t(v) the norm of what lies behind the first d' coordinates, the dot product of
u = (x_1 .. x_d', t(x)) and v = (g_1 .. g_d', t(g)) is at least x.g (Cauchy-Schwarz on the tails), so d' coordinates and
the tail norm could be coded and scanned in place of all. It pays when the pairs that reach the threshold by the bound
but not by themselves cost less than the coordinates saved.

The basis is fitted on one half of the subjects and applied to the other half. Shares count pairs of different subjects
only; each has an interval from resampling subjects. Seconds are measured here: the scan at dim and at d' + 4
coordinates (the tail norm is split into four, so that no code is large), and the float32 product of one survivor.
"""

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist

import numba
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.pieces import cut_pieces, scan_piece
from benchmarks.population import SESSIONS, populate
from benchmarks.real_embeddings import Embeddings, embed_photos
from facebatch.match.instructions import widen
from facebatch.match.kernel_paths import choose
from facebatch.match.settings import MatchSpec

THRESHOLDS = (0.3, 0.4, 0.5, 0.6)
EPSILON = 0.02
"""How far below the threshold the bound of 8-bit codes makes both scans look."""
TAIL = 4
"""Coordinates of the tail norm; d' + 4 is a multiple of 4, as the codes need."""
SHARES = (0.375, 0.5, 0.5625, 0.625, 0.75, 0.875)
"""d' tried, as parts of dim."""
MILLION = 1_000_000
APPLIED = 3_000
"""Rows of the second half that are compared with each other, at most."""
TIMED = (60_000, 1_020)
"""Rows and probes of a timed scan."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Similarities of all rows of the second half, by subject."""

    scores: npt.NDArray[np.float64]
    """(rows, rows)."""
    owners: npt.NDArray[np.float64]
    """(rows, subjects), one-hot."""


@dataclass(frozen=True, slots=True)
class Row:
    """One d' at one threshold."""

    source: str
    dim: int
    prefix: int
    energy: float
    """Share of the squared norm in the first d' coordinates."""
    threshold: float
    share_full: float
    """Pairs of different subjects that the scan of all coordinates looks at again, of all."""
    share: float
    """The same by the bound."""
    share_low: float
    share_high: float
    survivors_at_1m: float
    """Per probe, from the share."""
    speed_ratio: float
    """Expected scan time with all coordinates over that with the prefix."""
    speed_ratio_low: float
    """The same at share_high."""
    is_list_cut: bool
    """The threshold is where lists of ten end, in a gallery of a million."""


def split(of: Embeddings, seed: int = 0) -> tuple[npt.NDArray[np.float64], Embeddings]:
    """The rows of half of the subjects, and the other half's rows."""
    subjects = np.random.default_rng(seed).permutation(of.subjects.max() + 1)
    fitted = np.isin(of.subjects, subjects[: len(subjects) // 2])
    rest = np.flatnonzero(~fitted)[:APPLIED]
    numbers = np.unique(of.subjects[rest], return_inverse=True)[1]
    return of.vectors[fitted].astype(np.float64), Embeddings(of.vectors[rest], numbers)


def basis(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(dim, dim): directions of falling energy."""
    return np.linalg.eigh(vectors.T @ vectors)[1][:, ::-1]


def passing(pairs: Pairs, threshold: float, seed: int = 0) -> tuple[float, float, float]:
    """Share of the pairs of different subjects with scores >= threshold, and a 95 % interval over subjects.

    Where none passes, the upper end is 3 over the number of pairs of subjects: as if each counted once.
    """
    counts = pairs.owners.T @ (pairs.scores >= threshold) @ pairs.owners
    sizes = pairs.owners.sum(axis=0)
    totals = np.outer(sizes, sizes)
    np.fill_diagonal(counts, 0)
    np.fill_diagonal(totals, 0)
    subjects = len(sizes)
    drawn = np.random.default_rng(seed).multinomial(subjects, np.full(subjects, 1 / subjects), size=400)
    resampled = ((drawn @ counts) * drawn).sum(axis=1) / ((drawn @ totals) * drawn).sum(axis=1)
    low, high = np.quantile(resampled, (0.025, 0.975))
    least = 6 / (subjects * (subjects - 1))
    return float(counts.sum() / totals.sum()), float(low), float(high if counts.sum() else least)


def list_cut(pairs: Pairs) -> float:
    """Similarity of the tenth-best stranger of a million, if strangers' similarities are normal to their end."""
    strangers = pairs.scores[pairs.owners @ pairs.owners.T == 0]
    return NormalDist(strangers.mean(), strangers.std()).inv_cdf(1 - 10 / MILLION)


def scan_seconds(dims: tuple[int, ...]) -> dict[int, float]:
    """Seconds per pair of one core's scan that finds nothing, by number of coordinates; interleaved medians."""
    rows, probes = TIMED
    draw = np.random.default_rng(0)
    calls = {}
    for dim in dims:
        vectors = draw.standard_normal((rows + probes, dim))
        unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
        calls[dim] = (unit[rows:], cut_pieces(unit[:rows], 1, 1)[0])
    found: dict[int, list[float]] = {dim: [] for dim in dims}
    for number in range(8):
        for dim, call in calls.items():
            started = time.thread_time()
            scan_piece(*call, MatchSpec(floor=0.95), choose(None))
            if number:
                found[dim].append(time.thread_time() - started)
    return {dim: statistics.median(times) / (rows * probes) for dim, times in found.items()}


@numba.njit(fastmath=True)
def _products(vectors: npt.NDArray[np.uint16], rows: npt.NDArray[np.int64]) -> float:
    total = np.float32(0)
    for row in rows:
        for at in range(vectors.shape[1]):
            total += widen(vectors[0, at]) * widen(vectors[row, at])
    return float(total)


def survivor_seconds(dim: int) -> float:
    """Seconds of one core for the float32 product with a row at a random place of 256 MiB."""
    vectors = np.ones(((128 << 20) // dim, dim), dtype=np.float16).view(np.uint16)
    rows = np.random.default_rng(0).integers(0, len(vectors), 300_000)
    _products(vectors, rows[:10])
    started = time.thread_time()
    _products(vectors, rows)
    return (time.thread_time() - started) / len(rows)


def examine(source: str, of: Embeddings) -> list[Row]:
    """All d' and thresholds for one set of embeddings."""
    fitted, applied = split(of)
    dim = fitted.shape[1]
    prefixes = [round(dim * share / TAIL) * TAIL for share in SHARES]
    turned = applied.vectors.astype(np.float64) @ basis(fitted)
    owners = np.eye(applied.subjects.max() + 1)[applied.subjects]
    full = Pairs(turned @ turned.T, owners)
    per_pair = scan_seconds((dim, *(prefix + TAIL for prefix in prefixes)))
    survivor = survivor_seconds(dim)
    cut = list_cut(full)
    found = []
    for prefix in prefixes:
        squares = np.sum(turned[:, :prefix] ** 2, axis=1)
        tails = np.sqrt(np.maximum(0, np.sum(turned**2, axis=1) - squares))
        bound = Pairs(turned[:, :prefix] @ turned[:, :prefix].T + np.outer(tails, tails), owners)
        for threshold in (*THRESHOLDS, cut):
            share_full, _, _ = passing(full, threshold - EPSILON)
            share, low, high = passing(bound, threshold - EPSILON)
            whole = per_pair[dim] + share_full * survivor
            row = Row(
                source=source,
                dim=dim,
                prefix=prefix,
                energy=float(squares.mean()),
                threshold=threshold,
                share_full=share_full,
                share=share,
                share_low=low,
                share_high=high,
                survivors_at_1m=share * MILLION,
                speed_ratio=whole / (per_pair[prefix + TAIL] + share * survivor),
                speed_ratio_low=whole / (per_pair[prefix + TAIL] + high * survivor),
                is_list_cut=threshold == cut,
            )
            found.append(row)
    note = f"{source}: {len(of.vectors)} embeddings, {len(fitted)} fitted, {len(turned)} of {owners.shape[1]} subjects"
    speeds = f"{per_pair[dim] * 1e9:.2f} ns a pair with all coordinates, {survivor * 1e9:.0f} ns a survivor"
    Console().print(f"{note} compared; {speeds}")
    return found


def show(rows: list[Row]) -> None:
    heads = ("d'", "energy", "threshold", "pairs, full", "pairs, bound (95 %)", "a probe at 1M", "speed (at least)")
    table = Table(*heads, title="passing pairs of different subjects, and expected speed", title_justify="left")
    for row in rows:
        shares = (f"{row.share_full:.1e}", f"{row.share:.1e} ({row.share_low:.1e}..{row.share_high:.1e})")
        speed = f"{row.speed_ratio:.2f} ({row.speed_ratio_low:.2f})"
        threshold = f"{row.threshold:.2f}" + (" (top 10)" if row.is_list_cut else "")
        place = (str(row.prefix), f"{row.energy:.3f}", threshold)
        table.add_row(*place, *shares, f"{row.survivors_at_1m:.0f}", speed)
    Console(width=120).print(table)


def synthetic(rows: int, dim: int) -> Embeddings:
    drawn = populate(rows, 0, dim)
    return Embeddings(drawn.gallery, np.arange(rows) // SESSIONS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="open_yunet_omz", help="a pack in FACEBATCH_MODELS; photos: FACEBATCH_DATA")
    parser.add_argument("--dim", type=int, default=512, help="of the synthetic population")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = []
    for name, of in (
        (arguments.pack, embed_photos(arguments.pack, threads=2)),
        ("synthetic", synthetic(24_000, arguments.dim)),
    ):
        rows = examine(name, of)
        show(rows)
        found += rows
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in found], indent=1) + "\n")


if __name__ == "__main__":
    main()
