"""Vectors to 8-bit codes: the scales, the codes, and the norms that `match.bounds` reasons with."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.errors import StopError
from facebatch.match.bounds import MAX_DIM
from facebatch.match.codes import TILE, ZERO, Codes, tiles, tiles_of_four

LARGEST = 127
"""Greatest absolute code."""

_BLOCK = 256
"""Tiles coded at a time."""


@dataclass(frozen=True, slots=True)
class ProbeCodes:
    """Probes x approximated as scale * r, one scale a probe."""

    values: npt.NDArray[np.int8]
    """(probes, dim), -127..127."""
    scale: npt.NDArray[np.float64]
    norm: npt.NDArray[np.float64]
    """|x|."""
    residual: npt.NDArray[np.float64]
    """|x - scale r|."""


def pack(vectors: npt.NDArray[np.float16]) -> Codes:
    """Codes of (rows, dim) unit vectors. The same vectors give the same codes. StopError when dim is not 1..65536.

    A tile's scale just holds the largest coordinate of its 32 rows, so a row of unlike coordinates widens the bound of
    its own tile only.
    """
    rows, dim = vectors.shape
    if not 1 <= dim <= MAX_DIM:
        raise StopError(f"vectors of {dim} dimensions cannot be coded: 1 to {MAX_DIM} can")
    count = tiles(rows)
    packed = np.full((count, tiles_of_four(dim), TILE, 4), ZERO, dtype=np.uint8)
    scale, residual, norm = np.ones(count), np.empty(count), np.empty(count)
    for begin in range(0, count, _BLOCK):
        some = slice(begin, min(begin + _BLOCK, count))
        wide = _tiled(vectors[some.start * TILE : some.stop * TILE], some.stop - some.start)
        scale[some] = _scales(np.abs(wide).max(axis=(1, 2), initial=0.0))
        codes = _quantise(wide, scale[some, None, None])
        approximated = codes * scale[some, None, None]
        residual[some], norm[some] = _norms(wide - approximated).max(axis=1), _norms(approximated).max(axis=1)
        packed[some] = _by_fours(codes)
    for part in (packed, scale, residual, norm):
        part.flags.writeable = False  # as in a mapped file, so that both are one type to the compiler
    return Codes(dim, rows, packed, scale, residual, norm)


def quantise_probes(probes: npt.NDArray[np.float16]) -> ProbeCodes:
    """Codes of (probes, dim) vectors, each at the scale that just holds its largest coordinate."""
    wide = probes.astype(np.float64)
    scale = _scales(np.abs(wide).max(axis=1, initial=0.0))
    codes = _quantise(wide, scale[:, None])
    return ProbeCodes(codes.astype(np.int8), scale, _norms(wide), _norms(wide - codes * scale[:, None]))


def _scales(largest: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    scales: npt.NDArray[np.float64] = np.where(largest > 0, largest, 1.0) / LARGEST
    return scales


def _quantise(wide: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    codes: npt.NDArray[np.float64] = np.clip(np.rint(wide / scale), -LARGEST, LARGEST)
    return codes


def _norms(wide: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    norms: npt.NDArray[np.float64] = np.sqrt(np.einsum("...i,...i->...", wide, wide))
    return norms


def _tiled(vectors: npt.NDArray[np.float16], count: int) -> npt.NDArray[np.float64]:
    """(count, 32, dim): rows by tile, padded with zeros."""
    wide = np.zeros((count * TILE, vectors.shape[1]))
    wide[: len(vectors)] = vectors
    return wide.reshape(count, TILE, -1)


def _by_fours(codes: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """(tiles, groups of four, 32, 4) of (tiles, 32, dim) codes."""
    count, _, dim = codes.shape
    padded = np.full((count, TILE, tiles_of_four(dim) * 4), ZERO, dtype=np.uint8)
    padded[:, :, :dim] = codes + ZERO
    return padded.reshape(count, TILE, -1, 4).transpose(0, 2, 1, 3)
