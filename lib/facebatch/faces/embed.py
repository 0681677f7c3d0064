"""Crops to unit embeddings, in batches composed by the order of arrival alone."""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.errors import ModelPackError
from facebatch.faces.models import Recogniser


@dataclass(frozen=True, slots=True)
class Embedded:
    """What became of one crop."""

    vector: npt.NDArray[np.float16] | None
    """(dim,), unit norm; None when the network gave NaN, infinity or a zero vector."""
    milliseconds: float
    """An equal share of the batch's time."""


class CropBatches:
    """Collects crops and embeds them `size` at a time; only the last batch may be smaller.

    At most `size` crops are held, and a batch never depends on threads or timing, so neither does a result.
    """

    def __init__(self, recogniser: Recogniser, size: int) -> None:
        self._recogniser = recogniser
        self._size = size
        self._waiting: list[npt.NDArray[np.uint8]] = []
        self._done: list[Embedded] = []

    def add(self, crop: npt.NDArray[np.uint8]) -> None:
        """Queue one (input_size, input_size, 3) BGR uint8 crop; runs the network when a batch is full."""
        self._waiting.append(crop)
        if len(self._waiting) == self._size:
            self._flush()

    def finish(self) -> list[Embedded]:
        """Results of all crops, in the order they were added."""
        if self._waiting:
            self._flush()
        return self._done

    def _flush(self) -> None:
        started = time.perf_counter()
        raw = self._recogniser.embed(np.stack(self._waiting))
        share = (time.perf_counter() - started) * 1000.0 / len(self._waiting)
        if raw.shape != (len(self._waiting), self._recogniser.dim):
            raise ModelPackError(
                f"the recogniser returned shape {raw.shape} for {len(self._waiting)} crops of dim "
                f"{self._recogniser.dim}; check the pack with: facebatch models check"
            )
        self._done.extend(Embedded(unit(row), share) for row in raw)
        self._waiting.clear()


def unit(raw: npt.NDArray[np.float32]) -> npt.NDArray[np.float16] | None:
    """(dim,) -> unit norm, computed in float64 and rounded once to float16. None for NaN, infinity and zero norm."""
    wide = raw.astype(np.float64)
    norm = float(np.sqrt(np.sum(wide * wide)))
    if not np.isfinite(norm) or norm == 0.0:
        return None
    scaled: npt.NDArray[np.float16] = (wide / norm).astype(np.float16)
    return scaled
