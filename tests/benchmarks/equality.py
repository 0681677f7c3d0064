"""Whether what was timed is what the definition of similarity gives for all pairs: rows and scores, bit for bit."""

import numpy as np
import numpy.typing as npt

from benchmarks.forms import Forms
from facebatch.match.scan import Hits, scan
from facebatch.match.settings import MatchSpec

CHECKED = 48
"""Probes whose lists are compared."""


class Definition:
    """The lists of some probes by the plain scan, per piece."""

    def __init__(self, forms: Forms, spec: MatchSpec) -> None:
        count = len(forms.probes)
        self._chosen = np.unique(np.linspace(0, count - 1, min(count, CHECKED)).round().astype(np.int64))
        self._lists = [scan(forms.probes[self._chosen], piece.gallery, spec) for piece in forms.pieces]

    def equals(self, found: list[Hits]) -> bool:
        """Whether lists of all probes agree with those known."""
        return all(_same(hits, known, self._chosen) for hits, known in zip(found, self._lists, strict=True))


def _same(found: Hits, known: Hits, chosen: npt.NDArray[np.int64]) -> bool:
    kept = np.isin(found.probe, chosen)
    return (
        np.array_equal(found.probe[kept], chosen[known.probe])
        and np.array_equal(found.row[kept], known.row)
        and np.array_equal(found.similarity[kept].view(np.uint32), known.similarity.view(np.uint32))
    )
