"""What becomes of faces once they are embedded: kept with their qualities, or rejected with a reason."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.faces.embed import Embedded
from facebatch.faces.gate import poor_template
from facebatch.faces.quality import Quality, unified
from facebatch.faces.recognizability import Centroid, recognizability
from facebatch.faces.select import MODEL_ERROR
from facebatch.faces.settings import QualityGate


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One face."""

    vector: npt.NDArray[np.float16] | None
    """(dim,), unit norm; None where there is a reason."""
    reason: str | None
    """Why the face is not kept."""
    recognizability: float | None
    """0-100; None without a centroid, or without a vector."""
    unified: float
    """0-100."""
    milliseconds: float
    """Its share of the recogniser's time."""


def judge(
    qualities: Sequence[Quality], embedded: Sequence[Embedded], centroid: Centroid | None, gate: QualityGate
) -> Iterator[Judged]:
    """One per face, in order; `qualities` and `embedded` are of the same faces."""
    scores = _scores([outcome.vector for outcome in embedded], centroid)
    for quality, outcome, score in zip(qualities, embedded, scores, strict=True):
        whole = unified(quality, score)
        reason = MODEL_ERROR if outcome.vector is None else poor_template(score, whole, gate)
        yield Judged(None if reason else outcome.vector, reason, score, whole, outcome.milliseconds)


def _scores(vectors: Sequence[npt.NDArray[np.float16] | None], centroid: Centroid | None) -> list[float | None]:
    known = [vector for vector in vectors if vector is not None]
    if centroid is None or not known:
        return [None] * len(vectors)
    found = iter(recognizability(np.stack(known), centroid).tolist())
    return [None if vector is None else next(found) for vector in vectors]
