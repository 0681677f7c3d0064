"""One population, drawn once, in the forms that the competitors take."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import faiss
import numpy as np
import numpy.typing as npt

from benchmarks.pieces import Cells, Piece, cut_cells, cut_pieces
from benchmarks.population import SESSIONS, populate
from facebatch.match.settings import MatchSpec

THRESHOLD = 0.4
MODES = {
    "threshold": MatchSpec(length=1000, floor=THRESHOLD),
    "top10": MatchSpec(length=10),
    "top50": MatchSpec(length=50),
}


@dataclass(frozen=True, slots=True)
class Forms:
    """Probes against a gallery. The vectors of all forms are the same float16 numbers."""

    probes: npt.NDArray[np.float16]
    """(n, dim)."""
    wide_probes: npt.NDArray[np.float32]
    wide_gallery: npt.NDArray[np.float32]
    """(rows, dim); the memory of `index`."""
    whole: Piece
    pieces: tuple[Piece, ...]
    """The same rows, one piece per core."""
    index: faiss.IndexFlatIP
    cores: int
    pool: ThreadPoolExecutor

    @property
    def cells(self) -> Cells:
        """What each core compares."""
        return cut_cells(len(self.probes), self.whole, self.pieces)

    @property
    def operations(self) -> float:
        """Multiplications and additions of all pairs."""
        return 2.0 * len(self.probes) * self.wide_gallery.size

    def few(self, probes: int) -> "Forms":
        """The same with so many of the probes, evenly spread, so that mated ones stay half of them."""
        chosen = np.unique(np.linspace(0, len(self.probes) - 1, probes).round().astype(np.int64))
        return replace(self, probes=self.probes[chosen], wide_probes=self.wide_probes[chosen])


def open_forms(rows: int, probes: int, dim: int, cores: int) -> Forms:
    """Draw the population and bring it into all forms."""
    drawn = populate(rows, probes, dim)
    index = faiss.IndexFlatIP(dim)
    for begin in range(0, rows, 100_000):
        index.add(drawn.gallery[begin : begin + 100_000].astype(np.float32))
    wide = faiss.rev_swig_ptr(index.get_xb(), rows * dim).reshape(rows, dim)
    (whole,) = cut_pieces(drawn.gallery, SESSIONS, 1)
    pieces = cut_pieces(drawn.gallery, SESSIONS, cores)
    wide_probes = drawn.probes.astype(np.float32)
    return Forms(drawn.probes, wide_probes, wide, whole, pieces, index, cores, ThreadPoolExecutor(cores))
