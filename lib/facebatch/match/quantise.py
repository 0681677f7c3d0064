"""Vectors to 8-bit codes: the scale, the codes, and the norms that `match.bounds` reasons with."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.errors import StopError
from facebatch.match.bounds import MAX_DIM
from facebatch.match.codes import TILE, ZERO, Codes, tiles, tiles_of_four

LARGEST = 127
"""Greatest absolute code."""
OUTLIER_SHARE = 1e-4
"""At most this share of rows is left to the definition, so that they do not widen the bound of all others."""

_SAMPLE = 4_096
_BLOCK = 256 * TILE
_TRIED = np.geomspace(0.2, 1.02, 25)
"""Scales tried, as a share of the one that just holds the largest coordinate."""


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


def pack(vectors: npt.NDArray[np.float16], outlier_share: float = OUTLIER_SHARE) -> Codes:
    """Codes of (rows, dim) unit vectors. The same vectors give the same codes. StopError when dim is not 1..65536."""
    rows, dim = vectors.shape
    if not 1 <= dim <= MAX_DIM:
        raise StopError(f"vectors of {dim} dimensions cannot be coded: 1 to {MAX_DIM} can")
    scale = _scale(vectors, outlier_share)
    packed = np.full((tiles(rows), tiles_of_four(dim), TILE, 4), ZERO, dtype=np.uint8)
    residual, norm = np.empty(rows), np.empty(rows)
    for begin in range(0, rows, _BLOCK):
        some = slice(begin, min(begin + _BLOCK, rows))
        wide = vectors[some].astype(np.float64)
        codes = _quantise(wide, scale)
        residual[some], norm[some] = _norms(wide - codes * scale), _norms(codes * scale)
        packed[begin // TILE : tiles(some.stop)] = _tiled(codes)
    outliers = _outliers(residual, outlier_share)
    packed[outliers // TILE, :, outliers % TILE, :] = ZERO
    packed.flags.writeable = False  # as in a mapped file, so that both are one type to the compiler
    inside = np.ones(rows, dtype=bool)
    inside[outliers] = False
    largest_residual, largest_norm = (float(of[inside].max(initial=0.0)) for of in (residual, norm))
    return Codes(dim, rows, scale, largest_residual, largest_norm, packed, outliers)


def quantise_probes(probes: npt.NDArray[np.float16]) -> ProbeCodes:
    """Codes of (probes, dim) vectors, each at the scale that just holds its largest coordinate."""
    wide = probes.astype(np.float64)
    largest = np.abs(wide).max(axis=1, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0) / LARGEST
    codes = _quantise(wide, scale[:, None])
    return ProbeCodes(codes.astype(np.int8), scale, _norms(wide), _norms(wide - codes * scale[:, None]))


def _quantise(wide: npt.NDArray[np.float64], scale: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    codes: npt.NDArray[np.float64] = np.clip(np.rint(wide / scale), -LARGEST, LARGEST)
    return codes


def _norms(wide: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    norms: npt.NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    return norms


def _scale(vectors: npt.NDArray[np.float16], share: float) -> float:
    """The tried scale with the smallest residual at the quantile beyond which rows are outliers, from a sample."""
    sample = vectors[:: max(1, len(vectors) // _SAMPLE)].astype(np.float64)
    largest = float(np.abs(sample).max(initial=0.0))
    if largest == 0:
        return 1.0
    tried = _TRIED * (largest / LARGEST)
    at = int((len(sample) - 1) * (1 - share))
    widths = [np.partition(_norms(sample - _quantise(sample, scale) * scale), at)[at] for scale in tried]
    return float(tried[int(np.argmin(widths))])


def _outliers(residual: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.int64]:
    """Rows with a residual above that of all others; at most `share` of the rows."""
    allowed = int(len(residual) * share)
    if allowed == 0:
        return np.empty(0, dtype=np.int64)
    at = len(residual) - allowed - 1
    return np.flatnonzero(residual > np.partition(residual, at)[at]).astype(np.int64)


def _tiled(codes: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """(tiles, groups of four, 32, 4) of (rows, dim) codes."""
    rows, dim = codes.shape
    padded = np.full((tiles(rows) * TILE, tiles_of_four(dim) * 4), ZERO, dtype=np.uint8)
    padded[:rows, :dim] = codes + ZERO
    return padded.reshape(tiles(rows), TILE, -1, 4).transpose(0, 2, 1, 3)
