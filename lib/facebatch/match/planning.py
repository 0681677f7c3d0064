"""How a bulk match is cut: probe blocks, cells, and stretches of cells that a worker does in a row. Pure arithmetic.

Only what is compared decides, never the number of workers or the machine: the size of a block is part of what a search
is (its id and the keys of its cells hold it), so that a search can be finished on another cluster than it began on.

Work is counted in multiplications: comparisons x dimensions. One core does about 2e11 a second with the integer
kernels and a fifth of that without them, so a cell of 2^39 lasts 3 seconds, or 14.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

GROUP = 12
"""Probes that the integer kernels score together; blocks are multiples of it."""
LEAST_PROBES = 252
MOST_PROBES = 4_080
"""Between the two a comparison costs the same (measured; below, the codes are read too often for it)."""

LEAST_WORK = 2**39
"""Multiplications below which a cell is too short for its own requests and bookkeeping."""
MOST_WORK = 2**41
"""Multiplications above which too much is lost with a cell."""
CELLS = 256
"""Cells that a search is cut into where they are then neither too short nor too long."""

STRETCH_WORK = 12 * 10**12
"""Multiplications of a stretch, at most, unless a cell alone has more: about a minute of a core."""
STRETCH_PROBES = 8_000
"""Probes for which it pays to open a segment; checking its digests takes as long as comparing some 400."""
STRETCHES = 128
"""Stretches that a search is cut into where it then pays to open a segment for each."""
JOINED_CELLS = 32
"""Cells of small segments in one stretch, at most: their requests to storage alone take some seconds."""

LISTED_BYTES = 1 << 30
"""Memory for the candidates of one cell."""
CANDIDATE_BYTES = 250
"""Memory of a candidate of a cell while lists are sorted, turned into a table and written (measured)."""
MERGED_BYTES = 2 << 30
"""Memory for the candidates of one probe block, of all its cells together, while they are merged."""
MERGED_CANDIDATE_BYTES = 600
"""Memory of one of them (430 to 550 measured)."""
MERGED_AT_ONCE = 2
"""Probe blocks that the driver merges side by side: one is read while another is sorted or written."""
MERGED_BY_DRIVER = 5_000_000
"""Candidates of cells that the driver merges alone, in about the time in which workers would start."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is compared with what, in numbers."""

    probes: int
    """Probe templates."""
    segments: tuple[int, ...]
    """Rows of each segment, in the order they are scanned."""
    dim: int
    length: int
    """Longest candidate list per probe."""

    @property
    def comparisons(self) -> int:
        """Every probe with every template."""
        return self.probes * sum(self.segments)

    @property
    def work(self) -> int:
        """Multiplications."""
        return self.comparisons * self.dim

    @property
    def largest(self) -> int:
        """Rows of the largest segment."""
        return max(self.segments, default=0)

    def listed(self, probes: int) -> int:
        """Candidates of one cell of so many probes, at most."""
        return probes * min(self.length, self.largest)

    def merged(self, probes: int) -> int:
        """Candidates of all cells of so many probes, at most."""
        return probes * sum(min(self.length, rows) for rows in self.segments)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A shape, cut. Cells are in order: segment by segment, and in each all probe blocks."""

    shape: Shape
    block: int
    """Probes per block; the last block may have fewer."""
    blocks: int
    stretches: tuple[int, ...]
    """Cells of each."""

    @property
    def cells(self) -> int:
        """Each block with each segment."""
        return self.blocks * len(self.shape.segments)

    def opened(self, workers: int) -> list[int]:
        """How often each segment is opened, at most, when so many share the work and each keeps the last one open."""
        found = [0] * len(self.shape.segments)
        for begin, end in pairwise(accumulate(self.stretches, initial=0)):
            for segment in range(begin // self.blocks, (end - 1) // self.blocks + 1):
                found[segment] += 1
        return [min(count, workers) for count in found]


def probe_block(shape: Shape) -> int:
    """Probes per block: as many as let a cell last seconds and keep its lists in memory; the blocks are about equal."""
    wanted = min(max(shape.work // CELLS, LEAST_WORK), MOST_WORK) // max(1, shape.largest * shape.dim)
    most = _down_to_group(min(max(wanted, LEAST_PROBES), MOST_PROBES, _fitting(shape)))
    probes = max(1, shape.probes)
    return _up_to_group(math.ceil(probes / math.ceil(probes / most)))


def schedule(shape: Shape, block: int) -> Schedule:
    """Cut a shape into blocks of `block` probes, cells, and stretches.

    Workers take stretches in order, and each opens the segment of its own. Few long ones open few segments, many short
    ones keep more workers busy. Without knowing how many there are, a segment is cut into as many as give STRETCHES in
    all, but into none below STRETCH_PROBES probes, and into more where one would pass STRETCH_WORK. Where there is one
    segment, every worker opens it anyway, and each cell is a stretch. Segments whose cells are over at once are joined,
    up to LEAST_WORK and JOINED_CELLS.
    """
    blocks = math.ceil(shape.probes / block)
    stretches: list[int] = []
    joined = LEAST_WORK
    for rows in shape.segments if blocks else ():
        work = shape.probes * rows * shape.dim
        parts = _parts(shape, blocks, work)
        if parts == 1 and stretches and joined + work <= LEAST_WORK and stretches[-1] + blocks <= JOINED_CELLS:
            stretches[-1] += blocks
            joined += work
        else:
            stretches += _evenly(blocks, parts)
            joined = work if parts == 1 else LEAST_WORK
    return Schedule(shape, block, blocks, tuple(stretches))


def is_merged_by_driver(candidates: int) -> bool:
    """Whether so many candidates of cells are too few to start workers for their merge."""
    return candidates <= MERGED_BY_DRIVER


def _fitting(shape: Shape) -> int:
    """Probes whose candidates stay within the memory set aside for them."""
    in_cell = LISTED_BYTES // (CANDIDATE_BYTES * max(1, shape.listed(1)))
    in_merge = MERGED_BYTES // (MERGED_CANDIDATE_BYTES * max(1, shape.merged(1)))
    return min(in_cell, in_merge)


def _parts(shape: Shape, blocks: int, work: int) -> int:
    """Stretches of one segment."""
    if len(shape.segments) == 1:
        return blocks
    worth = min(math.ceil(STRETCHES / len(shape.segments)), shape.probes // STRETCH_PROBES)
    return min(blocks, max(1, worth, math.ceil(work / STRETCH_WORK)))


def _evenly(count: int, parts: int) -> Sequence[int]:
    """`count` in so many parts, the larger ones first."""
    return [count // parts + (part < count % parts) for part in range(parts)]


def _down_to_group(probes: int) -> int:
    return max(GROUP, probes // GROUP * GROUP)


def _up_to_group(probes: int) -> int:
    return math.ceil(probes / GROUP) * GROUP
