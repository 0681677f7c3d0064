"""A gallery as the engine scans it: cells of probe blocks and segments, one per core."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from facebatch.match.engine import Prepared, prepare, scan_codes
from facebatch.match.kernel_paths import KernelPath, available_paths
from facebatch.match.planning import LEAST_PROBES
from facebatch.match.quantise import pack
from facebatch.match.scan import Gallery, Hits
from facebatch.match.settings import MatchSpec


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows that one thread scans."""

    gallery: Gallery
    prepared: dict[KernelPath, Prepared]


def cut_pieces(vectors: npt.NDArray[np.float16], sessions: int, count: int) -> tuple[Piece, ...]:
    """About equal pieces of rows in subjects of `sessions`, the last one of which may have fewer."""
    cuts = [round(len(vectors) / sessions * part / count) * sessions for part in range(count)] + [len(vectors)]
    return tuple(_piece(vectors[begin:end], sessions) for begin, end in pairwise(cuts))


def _piece(vectors: npt.NDArray[np.float16], sessions: int) -> Piece:
    gallery = Gallery(vectors, np.arange(0, len(vectors), sessions, dtype=np.int64), np.arange(len(vectors)))
    codes = pack(vectors)
    return Piece(gallery, {path: prepare(gallery, codes, path) for path in available_paths()})


def scan_piece(probes: npt.NDArray[np.float16], piece: Piece, spec: MatchSpec, path: KernelPath) -> Hits:
    """What is timed."""
    return scan_codes(probes, piece.prepared[path], spec)


@dataclass(frozen=True, slots=True)
class Cells:
    """Who compares what: some of the probes with a piece, for each core."""

    probes: tuple[slice, ...]
    pieces: tuple[Piece, ...]
    """As many."""

    def scan(
        self, probes: npt.NDArray[np.float16], spec: MatchSpec, path: KernelPath, pool: Executor
    ) -> list[tuple[slice, Hits]]:
        """All cells at once, one thread each; hits count probes from the start of their slice."""
        cells = zip(self.probes, self.pieces, strict=True)
        return list(pool.map(lambda cell: (cell[0], scan_piece(probes[cell[0]], cell[1], spec, path)), cells))


def cut_cells(probes: int, whole: Piece, pieces: Sequence[Piece]) -> Cells:
    """As a bulk match is cut: by probes where every core gets a whole block of them, else by rows."""
    cores = len(pieces)
    if probes < cores * LEAST_PROBES:
        return Cells((slice(0, probes),) * cores, tuple(pieces))
    ends = [round(probes * part / cores) for part in range(cores + 1)]
    return Cells(tuple(slice(*pair) for pair in pairwise(ends)), (whole,) * cores)
