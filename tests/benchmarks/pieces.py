"""A gallery as the engine scans it: one segment per core."""

from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from facebatch.match.engine import Prepared, prepare, scan_codes
from facebatch.match.kernel_paths import KernelPath, available_paths
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


def scan_pieces(
    probes: npt.NDArray[np.float16], pieces: tuple[Piece, ...], spec: MatchSpec, path: KernelPath, pool: Executor
) -> list[Hits]:
    """All pieces at once, one thread each, as one worker per core scans cells."""
    return list(pool.map(lambda piece: scan_piece(probes, piece, spec, path), pieces))
