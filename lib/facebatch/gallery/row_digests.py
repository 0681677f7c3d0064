"""Templates row by row as pairs of 64-bit digests, so that millions of rows are compared without holding their vectors.

The digests are keyed anew in each process: they are compared with each other and never stored.
"""

import secrets
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

_SEED = secrets.randbits(63)
_BLOCK_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class RowDigests:
    """16 bytes per row. Two different rows share a digest with a probability of at most 2^-48."""

    ids: npt.NDArray[np.uint64]
    """(rows,): of template_id."""
    vectors: npt.NDArray[np.uint64]
    """(rows,): of the stored float16 numbers, bit by bit."""


def row_digests(ids: pa.ChunkedArray, vectors: npt.NDArray[np.float16]) -> RowDigests:
    """Digests of a part or a segment: template ids beside vectors of shape (rows, dim)."""
    return RowDigests(digest_ids(ids), digest_vectors(vectors))


def digest_ids(ids: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """(rows,): digests of strings."""
    return pl.Series(ids.to_pylist() if len(ids) == 0 else ids, dtype=pl.String).hash(_SEED).to_numpy()


def digest_vectors(vectors: npt.NDArray[np.float16]) -> npt.NDArray[np.uint64]:
    """(rows,): sums of the numbers' bits times odd random factors, modulo 2^64. One changed number always shows."""
    rows, dim = vectors.shape
    factors = np.random.default_rng(_SEED).integers(0, 2**64, dim, dtype=np.uint64) | np.uint64(1)
    found = np.empty(rows, dtype=np.uint64)
    words = np.ascontiguousarray(vectors).view(np.uint16)
    for start in range(0, rows, _BLOCK_ROWS):
        block = words[start : start + _BLOCK_ROWS].astype(np.uint64)
        found[start : start + _BLOCK_ROWS] = block @ factors
    return found
