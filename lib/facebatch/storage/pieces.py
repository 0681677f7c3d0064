"""How a large object is cut into ranges and parts."""

import math
from dataclasses import dataclass

MOST_PARTS = 10_000
"""S3's limit on the parts of one multipart upload."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes [start, start + length) of an object."""

    number: int
    """1-based, as S3 counts parts."""
    start: int
    length: int


def pieces(size: int, piece_bytes: int) -> list[Piece]:
    """Cut `size` bytes into pieces of `piece_bytes`, or longer where there would be more than MOST_PARTS; none if 0."""
    step = max(piece_bytes, math.ceil(size / MOST_PARTS))
    return [Piece(at // step + 1, at, min(step, size - at)) for at in range(0, size, step)]
