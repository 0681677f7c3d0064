"""A gallery as 8-bit codes in the order the integer kernels read them, and their file."""

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.errors import CorruptError
from facebatch.match.bounds import MAX_DIM

TILE = 32
"""Rows per tile; the last tile is padded."""
ZERO = 128
"""The stored byte of code 0, of padding and of outlier rows."""

MAGIC = b"FBCODES\0"
VERSION = 1
_HEADER = struct.Struct("<8sIIQQddd")
"""Magic, version, dim, rows, outliers, scale, residual, norm; little-endian, zero-padded to HEADER_BYTES."""
HEADER_BYTES = 128


@dataclass(frozen=True, slots=True)
class Codes:
    """Row i approximated as scale * q_i, q in -127..127; see `match.bounds` for what may be concluded from it."""

    dim: int
    rows: int
    scale: float
    residual: float
    """Largest |g - scale q| of all rows but the outliers."""
    norm: float
    """Largest |scale q| of all rows but the outliers."""
    packed: npt.NDArray[np.uint8]
    """(tiles, ceil(dim / 4), 32, 4): q + 128, [tile][4 coordinates][row][coordinate]; padding is 128."""
    outliers: npt.NDArray[np.int64]
    """Rows, ascending, whose codes say nothing (all 128): they are scored by the definition for every probe."""


def tiles(rows: int) -> int:
    """How many tiles hold this many rows."""
    return -(-rows // TILE)


def to_bytes(codes: Codes) -> bytes:
    """The file: header, packed codes from byte 128, outlier rows as int64 little-endian. Same codes, same bytes."""
    sizes = (codes.dim, codes.rows, len(codes.outliers))
    header = _HEADER.pack(MAGIC, VERSION, *sizes, codes.scale, codes.residual, codes.norm)
    return header.ljust(HEADER_BYTES, b"\0") + codes.packed.tobytes() + codes.outliers.astype("<i8").tobytes()


def from_buffer(buffer: bytes | memoryview | npt.NDArray[np.uint8], origin: str) -> Codes:
    """Codes over the bytes of a file, nothing copied, so a mapped file stays mapped. CorruptError naming `origin`."""
    data = np.frombuffer(buffer, dtype=np.uint8)
    dim, rows, count, scale, residual, norm = _read_header(data[:HEADER_BYTES].tobytes(), origin)
    shape = (tiles(rows), tiles_of_four(dim), TILE, 4)
    size = shape[0] * shape[1] * TILE * 4
    if len(data) != HEADER_BYTES + size + 8 * count:
        raise CorruptError(
            f"{origin}: {len(data)} bytes, expected {HEADER_BYTES + size + 8 * count} for {rows} codes; index again"
        )
    packed = data[HEADER_BYTES : HEADER_BYTES + size].reshape(shape)
    outliers = np.frombuffer(data[HEADER_BYTES + size :].tobytes(), dtype="<i8").astype(np.int64)
    ascending = bool(np.all(np.diff(outliers) > 0))
    if not ascending or (count and not 0 <= outliers[0] <= outliers[-1] < rows):
        raise CorruptError(f"{origin}: the list of outlier rows is not ascending within {rows} rows; index again")
    return Codes(dim, rows, scale, residual, norm, packed, outliers)


def tiles_of_four(dim: int) -> int:
    """How many groups of four coordinates hold this many."""
    return -(-dim // 4)


def _read_header(header: bytes, origin: str) -> tuple[int, int, int, float, float, float]:
    if len(header) < HEADER_BYTES or header[: len(MAGIC)] != MAGIC:
        raise CorruptError(f"{origin}: not a file of packed codes; index again")
    _, version, dim, rows, count, scale, residual, norm = _HEADER.unpack_from(header)
    if version != VERSION:
        raise CorruptError(f"{origin}: codes of version {version}, this release reads {VERSION}; index again")
    bounds = np.array([scale, residual, norm])
    if not (1 <= dim <= MAX_DIM and count <= rows < 2**48 and np.all(np.isfinite(bounds)) and np.all(bounds >= 0)):
        raise CorruptError(f"{origin}: the header of the codes holds impossible values; index again")
    if scale == 0:
        raise CorruptError(f"{origin}: the scale of the codes is 0; index again")
    return dim, rows, count, scale, residual, norm
