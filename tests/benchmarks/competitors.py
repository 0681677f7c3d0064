"""Who is compared: this package, FAISS, the bare matrix product, and other exact searches where they are installed."""

import importlib.util
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import faiss
import numpy as np
from rich.console import Console

from benchmarks.forms import Forms
from facebatch.match.kernel_paths import KernelPath
from facebatch.match.settings import MatchSpec

REFERENCE = "faiss Flat"
PEERS = ("knn", "sgemm", "usearch", "scann")
"""Exact peers that can be left out."""
MODULES = ("usearch", "scann", "hnswlib")
"""Competitors that nothing else here needs."""
SGEMM_BLOCK = 8_192


@dataclass(frozen=True, slots=True)
class Quality:
    """What an approximate search finds, measured before the race."""

    recall_of_hits: float
    """Of the pairs with a similarity at or above the threshold in the exact lists, those found."""
    recall_at_10: float
    """Of the rows in the exact lists of ten, those found."""


@dataclass(frozen=True, slots=True)
class Competitor:
    """One way to do a mode."""

    name: str
    run: Callable[[], object]
    path: KernelPath | None = None
    """This package's path; None for everybody else."""
    note: str = ""
    quality: Quality | None = None


def installed(names: Iterable[str]) -> list[str]:
    """Those that can be imported, or need no import; the others are named as skipped."""
    found = []
    for name in names:
        if name in MODULES and importlib.util.find_spec(name) is None:
            Console(stderr=True).print(f"skipped: {name} (not installed)")
        else:
            found.append(name)
    return found


def exact(forms: Forms, spec: MatchSpec, paths: Collection[KernelPath], peers: Collection[str]) -> list[Competitor]:
    """The reference first; peers that do not have the mode are absent."""
    below = leaves_blas_below(forms.wide_gallery.shape[1])
    small = len(forms.probes) < below
    note = f"no BLAS below {below} probes" if small else ""
    found = [Competitor(REFERENCE, lambda: flat(forms, spec), note=note)]
    if small:
        found.append(Competitor("faiss Flat, BLAS forced", lambda: flat_by_blas(forms, spec)))
    for path in paths:
        found.append(Competitor(f"facebatch {path}", _ours(forms, spec, path), path))
    if "sgemm" in peers:
        found.append(Competitor("sgemm alone", _product_only(forms), note="no lists"))
    if spec.floor is None:
        found += [Competitor(name, run) for name, run in _lists_only(forms, spec, peers)]
    return found


def flat(forms: Forms, spec: MatchSpec) -> object:
    """Its lists hold rows, where this package's hold subjects."""
    if spec.floor is not None:
        return forms.index.range_search(forms.wide_probes, np.nextafter(np.float32(spec.floor), np.float32(-1)))
    return forms.index.search(forms.wide_probes, spec.length)


def leaves_blas_below(dim: int) -> int:
    """Probes below which FAISS scores row by row, without the BLAS; since 1.15 a number of coordinates."""
    return -(-faiss.cvar.distance_compute_blas_threshold // dim)


def flat_by_blas(forms: Forms, spec: MatchSpec) -> object:
    """What FAISS would do if few probes went through its BLAS too."""
    with _blas_from(1):
        return flat(forms, spec)


@contextmanager
def _blas_from(coordinates: int) -> Iterator[None]:
    before = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = coordinates
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = before


def _ours(forms: Forms, spec: MatchSpec, path: KernelPath) -> Callable[[], object]:
    return lambda: forms.cells.scan(forms.probes, spec, path, forms.pool)


def _product_only(forms: Forms) -> Callable[[], None]:
    out = np.empty((SGEMM_BLOCK, len(forms.wide_probes)), np.float32)

    def run() -> None:
        for begin in range(0, len(forms.wide_gallery), SGEMM_BLOCK):
            some = forms.wide_gallery[begin : begin + SGEMM_BLOCK]
            np.dot(some, forms.wide_probes.T, out=out[: len(some)])

    return run


def _lists_only(forms: Forms, spec: MatchSpec, peers: Collection[str]) -> Iterator[tuple[str, Callable[[], object]]]:
    if "knn" in peers:
        metric = faiss.METRIC_INNER_PRODUCT
        yield "faiss.knn", lambda: faiss.knn(forms.wide_probes, forms.wide_gallery, spec.length, metric=metric)
    if "usearch" in peers:
        yield "usearch exact", _usearch(forms, spec)
    if "scann" in peers:
        yield "scann brute force", _scann(forms, spec)


def _usearch(forms: Forms, spec: MatchSpec) -> Callable[[], object]:
    from usearch.index import MetricKind, search

    def run() -> object:
        pair = (forms.wide_gallery, forms.wide_probes)
        return search(*pair, spec.length, MetricKind.IP, exact=True, threads=forms.cores)

    return run


def _scann(forms: Forms, spec: MatchSpec) -> Callable[[], object]:
    import scann

    builder = scann.scann_ops_pybind.builder(forms.wide_gallery, spec.length, "dot_product")
    searcher = builder.score_brute_force().build()
    if forms.cores == 1:
        return lambda: searcher.search_batched(forms.wide_probes, spec.length)
    searcher.set_num_threads(forms.cores)
    batch = min(256, -(-len(forms.probes) // forms.cores))
    return lambda: searcher.search_batched_parallel(forms.wide_probes, spec.length, batch_size=batch)
