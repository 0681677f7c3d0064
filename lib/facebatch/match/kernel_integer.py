"""The integer scan of packed codes: coarse sums by `vpdpbusd`, survivors scored by the definition at once."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from facebatch.match.bounds import coarse_error, integer_threshold
from facebatch.match.codes import TILE, ZERO, Codes
from facebatch.match.compiled import compiled
from facebatch.match.kernel_dots import FEW, GROUP, dots, dots_few
from facebatch.match.kernel_lists import Lists, Rows, call_up, grown, offer, reserve
from facebatch.match.kernel_paths import KernelPath
from facebatch.match.quantise import quantise_probes

_UNREACHABLE = 2**31 - 1


class IntegerScan(NamedTuple):
    """One block of probes against a packed gallery."""

    codes: npt.NDArray[np.uint8]
    """(tiles, fours, 32, 4)."""
    tile_scale: npt.NDArray[np.float64]
    tile_residual: npt.NDArray[np.float64]
    tile_norm: npt.NDArray[np.float64]
    probes: npt.NDArray[np.int8] | npt.NDArray[np.int16]
    """(groups, fours, size, 4), size 12 or 4: `kernel_dots`."""
    values: npt.NDArray[np.uint16]
    """(probes, dim): the bits of their float16."""
    thresholds: npt.NDArray[np.int32]
    """(groups x size,), for the tile at hand."""
    norm: npt.NDArray[np.float64]
    """(probes,)."""
    residual: npt.NDArray[np.float64]
    inverse: npt.NDArray[np.float64]
    """(probes,): one over the scale."""
    surplus: npt.NDArray[np.float64]
    """(probes,): what storing q + 128 for q adds to every sum."""
    masks: npt.NDArray[np.uint16] | npt.NDArray[np.uint8]
    """Scratch of `kernel_dots.dots`; its dtype chooses the width of the registers."""
    bits: npt.NDArray[np.uint32]
    """(size,): the same memory, 32 rows a word."""
    waiting: npt.NDArray[np.int64]
    """(groups x size,): probes with survivors in the tile at hand, which are scored when the tile is done."""
    waiting_bits: npt.NDArray[np.uint32]


def probe_block(dim: int, cache_bytes: int) -> int:
    """How many probes to scan together: their codes fill half of the second-level cache while the tiles pass."""
    return max(1, cache_bytes // 2 // (max(dim, 4) * GROUP)) * GROUP


def scan_integer(
    probes: npt.NDArray[np.float16], codes: Codes, rows: Rows, lists: Lists, path: KernelPath, stride: int = 1
) -> Lists:
    """Fill the lists of all probes from the live rows of every `stride`-th tile."""
    scan = _open(probes, codes, len(lists.cut), path)
    at = int(lists.first.min(initial=codes.rows)) // TILE // stride * stride
    while (at := _tiles(scan, rows, lists, at, stride)) >= 0:
        lists = grown(lists)
    return lists


def _open(probes: npt.NDArray[np.float16], codes: Codes, count: int, path: KernelPath) -> IntegerScan:
    coded = quantise_probes(probes)
    size = FEW if count <= FEW else GROUP
    groups = -(-count // size)
    padded = np.zeros(
        (groups * size, codes.packed.shape[1] * 4), dtype=np.int16 if path == KernelPath.AVX2 else np.int8
    )
    padded[:count, : codes.dim] = coded.values
    packed = padded.reshape(groups, size, -1, 4).transpose(0, 2, 1, 3)
    lanes = np.uint16 if path == KernelPath.VNNI512 else np.uint8
    masks = np.zeros((size, TILE // np.iinfo(lanes).bits), dtype=lanes)
    return IntegerScan(
        codes.packed,
        codes.scale,
        codes.residual,
        codes.norm,
        np.ascontiguousarray(packed),
        np.ascontiguousarray(probes).view(np.uint16),
        np.full(groups * size, _UNREACHABLE, dtype=np.int32),
        coded.norm,
        coded.residual,
        1 / coded.scale,
        ZERO * coded.values.sum(axis=1, dtype=np.float64),
        masks,
        masks.view(np.uint32).reshape(size),
        np.empty(groups * size, np.int64),
        np.empty(groups * size, np.uint32),
    )


@compiled
def _tiles(scan: IntegerScan, rows: Rows, lists: Lists, start: int, stride: int) -> int:
    """From tile `start` on: -1 when all is done, else the tile before which the pool must grow."""
    for tile in range(start, len(scan.codes), stride):
        if rows.live[tile] != 0:
            _aim(scan, lists, tile)
            survivors = _sift(scan, rows, tile)
            if not _take(scan, rows, lists, tile, survivors):
                return tile
    return -1


@compiled
def _aim(scan: IntegerScan, lists: Lists, tile: int) -> None:
    """The thresholds of all probes for a tile, from their cuts."""
    residual, norm, inverse = scan.tile_residual[tile], scan.tile_norm[tile], 1 / scan.tile_scale[tile]
    for probe in range(len(lists.cut)):
        error = coarse_error(scan.norm[probe], scan.residual[probe], residual, norm)
        scan.thresholds[probe] = integer_threshold(
            lists.cut[probe], error, scan.inverse[probe] * inverse, scan.surplus[probe]
        )


@compiled
def _sift(scan: IntegerScan, rows: Rows, tile: int) -> int:
    """All probes against a tile. How many have survivors: noted in `waiting`, their rows on the way to the cache."""
    survivors = 0
    live = rows.live[tile]
    size = len(scan.bits)
    for group in range(len(scan.probes)):
        if _found(scan, tile, group, size):
            for member in range(size):
                bits = scan.bits[member] & live
                if bits != 0:
                    scan.waiting[survivors] = size * group + member
                    scan.waiting_bits[survivors] = bits
                    survivors += 1
                    call_up(rows, scan.values, size * group + member, tile, bits)
    return survivors


@compiled
def _found(scan: IntegerScan, tile: int, group: int, size: int) -> bool:
    if size == FEW:
        return bool(dots_few(scan.codes, tile, scan.probes, group, scan.thresholds, scan.masks))
    return bool(dots(scan.codes, tile, scan.probes, group, scan.thresholds, scan.masks))


@compiled
def _take(scan: IntegerScan, rows: Rows, lists: Lists, tile: int, survivors: int) -> bool:
    """Offer what waits to the lists. False, and nothing offered, when the pool must grow first."""
    for at in range(survivors):
        if not reserve(lists, scan.waiting[at], TILE + 1):
            return False
    for at in range(survivors):
        offer(lists, rows, scan.values, scan.waiting[at], tile, scan.waiting_bits[at])
    return True
