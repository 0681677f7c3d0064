"""Whether what was timed is what the definition of similarity gives for all pairs: rows and scores, bit for bit."""

import numpy as np
import numpy.typing as npt

from benchmarks.forms import Forms
from facebatch.match.scan import Hits, scan
from facebatch.match.settings import MatchSpec

CHECKED = 48
"""Probes of a cell whose lists are compared."""


class Definition:
    """The lists of some probes by the plain scan, per cell."""

    def __init__(self, forms: Forms, spec: MatchSpec) -> None:
        cells = forms.cells
        self._chosen = [_some(part.stop - part.start) for part in cells.probes]
        self._lists = [
            scan(forms.probes[part][some], piece.gallery, spec)
            for part, piece, some in zip(cells.probes, cells.pieces, self._chosen, strict=True)
        ]

    def equals(self, found: list[tuple[slice, Hits]]) -> bool:
        """Whether lists of all probes agree with those known."""
        cells = zip(found, self._lists, self._chosen, strict=True)
        return all(_same(hits, known, some) for (_, hits), known, some in cells)


def _some(count: int) -> npt.NDArray[np.int64]:
    """Which of `count` probes, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, CHECKED)).round().astype(np.int64))


def _same(found: Hits, known: Hits, chosen: npt.NDArray[np.int64]) -> bool:
    kept = np.isin(found.probe, chosen)
    return (
        np.array_equal(found.probe[kept], chosen[known.probe])
        and np.array_equal(found.row[kept], known.row)
        and np.array_equal(found.similarity[kept].view(np.uint32), known.similarity.view(np.uint32))
    )
