"""A gallery as 8-bit codes in the order the integer kernels read them, and their file."""

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.errors import CorruptError
from facebatch.match.bounds import MAX_DIM

TILE = 32
"""Rows per tile; the last tile is padded. A tile has one scale."""
ZERO = 128
"""The stored byte of code 0 and of padding."""

MAGIC = b"FBCODES\0"
VERSION = 2
_HEADER = struct.Struct("<8sIIQ")
"""Magic, version, dim, rows; little-endian, zero-padded to HEADER_BYTES."""
HEADER_BYTES = 128


@dataclass(frozen=True, slots=True)
class Codes:
    """Row g of tile t approximated as scale[t] * q, q in -127..127; what follows from it: `match.bounds`."""

    dim: int
    rows: int
    packed: npt.NDArray[np.uint8]
    """(tiles, ceil(dim / 4), 32, 4): q + 128, [tile][4 coordinates][row][coordinate]; padding is 128."""
    scale: npt.NDArray[np.float64]
    """(tiles,), > 0."""
    residual: npt.NDArray[np.float64]
    """(tiles,): largest |g - scale q| of the tile's rows."""
    norm: npt.NDArray[np.float64]
    """(tiles,): largest |scale q| of the tile's rows."""


def tiles(rows: int) -> int:
    """How many tiles hold this many rows."""
    return -(-rows // TILE)


def to_bytes(codes: Codes) -> bytes:
    """The file: header, codes from byte 128, then scales, residuals, norms as float64. Same codes, same bytes."""
    header = _HEADER.pack(MAGIC, VERSION, codes.dim, codes.rows).ljust(HEADER_BYTES, b"\0")
    floats = np.stack([codes.scale, codes.residual, codes.norm]).astype("<f8")
    return header + codes.packed.tobytes() + floats.tobytes()


def from_buffer(buffer: bytes | memoryview | npt.NDArray[np.uint8], origin: str) -> Codes | None:
    """Codes over the bytes of a file, nothing large copied, so a mapped file stays mapped.

    None when another release of facebatch wrote it: codes follow from the vectors and can be made again. CorruptError
    naming `origin` for a damaged file.
    """
    data = np.frombuffer(buffer, dtype=np.uint8)
    header = data[:HEADER_BYTES].tobytes()
    if len(header) < HEADER_BYTES or header[: len(MAGIC)] != MAGIC:
        raise CorruptError(f"{origin}: not a file of packed codes; index again")
    _, version, dim, rows = _HEADER.unpack_from(header)
    if version != VERSION:
        return None
    if not (1 <= dim <= MAX_DIM and rows < 2**48):
        raise CorruptError(f"{origin}: the header of the codes holds impossible values; index again")
    shape = (tiles(rows), tiles_of_four(dim), TILE, 4)
    size = shape[0] * shape[1] * TILE * 4
    expected = HEADER_BYTES + size + 3 * 8 * shape[0]
    if len(data) != expected:
        raise CorruptError(f"{origin}: {len(data)} bytes, expected {expected} for {rows} codes; index again")
    floats = np.frombuffer(data[HEADER_BYTES + size :].tobytes(), dtype="<f8").astype(np.float64).reshape(3, shape[0])
    if not (np.all(np.isfinite(floats)) and np.all(floats >= 0) and np.all(floats[0] > 0)):
        raise CorruptError(f"{origin}: the bounds of the codes hold impossible values; index again")
    floats.flags.writeable = False  # as those of `quantise.pack`, so that both are one type to the compiler
    return Codes(dim, rows, data[HEADER_BYTES : HEADER_BYTES + size].reshape(shape), *floats)


def tiles_of_four(dim: int) -> int:
    """How many groups of four coordinates hold this many."""
    return -(-dim // 4)
