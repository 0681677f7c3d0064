"""The integer scan of packed codes: coarse sums by `vpdpbusd`, survivors scored by the definition at once."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from facebatch.match.bounds import coarse_error, integer_threshold
from facebatch.match.codes import TILE, ZERO, Codes
from facebatch.match.compiled import compiled
from facebatch.match.kernel_dots import GROUP, dots
from facebatch.match.kernel_lists import Lists, Rows, call_up, grown, offer, reserve
from facebatch.match.quantise import quantise_probes

PROBE_BYTES = 512 * 1024
"""Packed probes scanned together: they stay in the second-level cache while the tiles pass."""

_UNREACHABLE = 2**31 - 1


class IntegerScan(NamedTuple):
    """One block of probes against a packed gallery."""

    codes: npt.NDArray[np.uint8]
    """(tiles, fours, 32, 4)."""
    probes: npt.NDArray[np.int8]
    """(groups, fours, 12, 4)."""
    values: npt.NDArray[np.uint16]
    """(probes, dim): the bits of their float16."""
    thresholds: npt.NDArray[np.int32]
    """(groups, 12)."""
    epsilon: npt.NDArray[np.float64]
    unit: npt.NDArray[np.float64]
    surplus: npt.NDArray[np.int64]
    masks: npt.NDArray[np.uint16] | npt.NDArray[np.uint8]
    """Scratch of `kernel_dots.dots`; its dtype chooses the width of the registers."""
    bits: npt.NDArray[np.uint32]
    """(12,): the same memory, 32 rows a word."""
    waiting: npt.NDArray[np.int64]
    """(groups x 12,): probes with survivors in the tile at hand, which are scored when the tile is done."""
    waiting_bits: npt.NDArray[np.uint32]


def probe_block(dim: int) -> int:
    """How many probes to scan together."""
    return max(1, PROBE_BYTES // (max(dim, 4) * GROUP)) * GROUP


def scan_integer(probes: npt.NDArray[np.float16], codes: Codes, rows: Rows, lists: Lists, lanes: int) -> Lists:
    """Fill the lists of all probes from the rows that are live. `lanes`: 16 (512-bit registers) or 8 (256-bit)."""
    scan = _open(probes, codes, lists, lanes)
    at = _tiles(scan, rows, lists, 0)
    while at >= 0:
        lists = grown(lists)
        at = _tiles(scan, rows, lists, at)
    return lists


def _open(probes: npt.NDArray[np.float16], codes: Codes, lists: Lists, lanes: int) -> IntegerScan:
    coded = quantise_probes(probes)
    groups = -(-len(probes) // GROUP)
    padded = np.zeros((groups * GROUP, codes.packed.shape[1] * 4), dtype=np.int8)
    padded[: len(probes), : codes.dim] = coded.values
    packed = padded.reshape(groups, GROUP, -1, 4).transpose(0, 2, 1, 3)
    masks = np.zeros((GROUP, TILE // lanes), dtype=np.uint16 if lanes == 16 else np.uint8)
    scan = IntegerScan(
        codes.packed,
        np.ascontiguousarray(packed),
        np.ascontiguousarray(probes).view(np.uint16),
        np.full((groups, GROUP), _UNREACHABLE, dtype=np.int32),
        coarse_error(coded.norm, coded.residual, codes.residual, codes.norm),
        coded.scale * codes.scale,
        ZERO * coded.values.sum(axis=1, dtype=np.int64),
        masks,
        masks.view(np.uint32).reshape(GROUP),
        np.empty(groups * GROUP, np.int64),
        np.empty(groups * GROUP, np.uint32),
    )
    _first_thresholds(scan, lists)
    return scan


@compiled
def _first_thresholds(scan: IntegerScan, lists: Lists) -> None:
    for probe in range(len(lists.cut)):
        _lift(scan, lists, probe)


@compiled
def _lift(scan: IntegerScan, lists: Lists, probe: int) -> None:
    """The threshold that follows from a probe's cut."""
    threshold = integer_threshold(lists.cut[probe], scan.epsilon[probe], scan.unit[probe], scan.surplus[probe])
    scan.thresholds[probe // GROUP, probe % GROUP] = threshold


@compiled
def _tiles(scan: IntegerScan, rows: Rows, lists: Lists, start: int) -> int:
    """From tile `start` on: -1 when all is done, else the tile before which the pool must grow."""
    for tile in range(start, len(scan.codes)):
        if rows.live[tile] != 0:
            survivors = _sift(scan, rows, tile)
            if not _take(scan, rows, lists, tile, survivors):
                return tile
    return -1


@compiled
def _sift(scan: IntegerScan, rows: Rows, tile: int) -> int:
    """All probes against a tile. How many have survivors: noted in `waiting`, their rows on the way to the cache."""
    survivors = 0
    live = rows.live[tile]
    for group in range(len(scan.probes)):
        if dots(scan.codes, tile, scan.probes, group, scan.thresholds, scan.masks):
            for member in range(GROUP):
                bits = scan.bits[member] & live
                if bits != 0:
                    scan.waiting[survivors] = GROUP * group + member
                    scan.waiting_bits[survivors] = bits
                    survivors += 1
                    call_up(rows, scan.values, GROUP * group + member, tile, bits)
    return survivors


@compiled
def _take(scan: IntegerScan, rows: Rows, lists: Lists, tile: int, survivors: int) -> bool:
    """Offer what waits to the lists. False, and nothing offered, when the pool must grow first."""
    for at in range(survivors):
        if not reserve(lists, scan.waiting[at], TILE + 1):
            return False
    for at in range(survivors):
        probe = scan.waiting[at]
        if offer(lists, rows, scan.values, probe, tile, scan.waiting_bits[at]):
            _lift(scan, lists, probe)
    return True
