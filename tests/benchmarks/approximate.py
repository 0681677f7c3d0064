"""Graph indexes, as fast as they are when they find as many mates as the exact lists hold.

A hit is a row of the gallery with a similarity at or above the threshold: nearly always a mate of the probe. `ef` is
raised until the share of hits found is at least `TOLERANCE`; where that is never reached, the best is taken and said.
Ranks among strangers matter to nobody, but the recall of the exact lists of ten is stated too.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import faiss
import numpy as np
import numpy.typing as npt
from rich.console import Console

from benchmarks.competitors import Competitor, Quality, installed
from benchmarks.forms import THRESHOLD, Forms
from facebatch.match.settings import MatchSpec

TOLERANCE = 0.999
LINKS = 32
"""HNSW's M."""
BUILD_EF = 80
TRIED_EF = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096)
THRESHOLD_LENGTH = 10
"""Rows asked for in threshold mode, which these indexes lack: more than a subject has, and cut at the threshold."""

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Graph:
    """A built index."""

    name: str
    search: Callable[[npt.NDArray[np.float32], int, int], Ids]
    """(probes, rows per probe, ef) to (probes, rows) of ids."""
    seconds: float
    """What building took."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The exact lists of some probes."""

    probes: npt.NDArray[np.float32]
    ids: Ids
    """(probes, 50)."""
    scores: npt.NDArray[np.float32]

    def quality(self, found: Ids, length: int) -> Quality:
        """Of lists of `length` rows."""
        there = (self.ids[:, :, None] == found[:, None, :]).any(axis=2)
        hits = self.scores[:, :length] >= THRESHOLD
        return Quality(float(there[:, :length][hits].mean()), float(there[:, :10].mean()))


def open_truth(forms: Forms) -> Truth:
    scores, ids = forms.index.search(forms.wide_probes, 50)
    return Truth(forms.wide_probes, ids, scores)


def open_graphs(forms: Forms) -> list[Graph]:
    """Build all that are installed; minutes, growing faster than the gallery."""
    found = [_timed(f"faiss HNSW{LINKS}", lambda: _faiss(forms))]
    if installed(["hnswlib"]):
        found.append(_timed(f"hnswlib M={LINKS}", lambda: _hnswlib(forms)))
    return found


def _timed(name: str, build: Callable[[], Callable[[npt.NDArray[np.float32], int, int], Ids]]) -> Graph:
    started = time.perf_counter()
    search = build()
    seconds = time.perf_counter() - started
    Console(stderr=True).print(f"{name}: built in {seconds:.0f} s")
    return Graph(name, search, seconds)


def _faiss(forms: Forms) -> Callable[[npt.NDArray[np.float32], int, int], Ids]:
    index = faiss.IndexHNSWFlat(forms.index.d, LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BUILD_EF
    index.add(forms.wide_gallery)

    def search(probes: npt.NDArray[np.float32], length: int, ef: int) -> Ids:
        index.hnsw.efSearch = ef
        ids: Ids = index.search(probes, length)[1]
        return ids

    return search


def _hnswlib(forms: Forms) -> Callable[[npt.NDArray[np.float32], int, int], Ids]:
    import hnswlib

    rows, dim = forms.wide_gallery.shape
    index = hnswlib.Index(space="ip", dim=dim)
    index.init_index(max_elements=rows, M=LINKS, ef_construction=BUILD_EF)
    index.add_items(forms.wide_gallery, num_threads=forms.cores)

    def search(probes: npt.NDArray[np.float32], length: int, ef: int) -> Ids:
        index.set_ef(ef)
        return np.asarray(index.knn_query(probes, length, num_threads=forms.cores)[0], dtype=np.int64)

    return search


def approximate(forms: Forms, spec: MatchSpec, graphs: list[Graph], truth: Truth) -> Iterator[Competitor]:
    """Each graph at the lowest `ef` that finds the hits, by the probes of `truth`."""
    length = spec.length if spec.floor is None else THRESHOLD_LENGTH
    for graph in graphs:
        ef, quality = _tune(graph, truth, length)
        reached = quality.recall_of_hits >= TOLERANCE
        note = f"ef {ef}, built in {graph.seconds:.0f} s" + ("" if reached else f"; never reached {TOLERANCE}")
        yield Competitor(graph.name, partial(graph.search, forms.wide_probes, length, ef), note=note, quality=quality)


def _tune(graph: Graph, truth: Truth, length: int) -> tuple[int, Quality]:
    best: tuple[int, Quality] | None = None
    for ef in TRIED_EF:
        if ef < length:
            continue
        quality = truth.quality(graph.search(truth.probes, length, ef), length)
        if best is None or quality.recall_of_hits > best[1].recall_of_hits:
            best = ef, quality
        if quality.recall_of_hits >= TOLERANCE:
            break
    if best is None:
        raise ValueError(f"lists of {length} are longer than the largest ef tried")
    return best
