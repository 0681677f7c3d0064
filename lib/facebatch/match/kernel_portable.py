"""The scan for CPUs without an integer path, ARM among them: float32 matrix products, each score looked at once.

It runs at the speed of the matrix product, as FAISS's flat index does: 0.9 to 1.05 of that one's speed with many probes
where both were measured, twice with 12 or fewer, which are multiplied pair by pair.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from facebatch.match.bounds import float_threshold
from facebatch.match.compiled import compiled
from facebatch.match.instructions import lowest_bit, reached, widen
from facebatch.match.kernel_lists import Lists, Rows, grown, near, reserve, weigh
from facebatch.match.similarity import float32_slack

ROW_BLOCK = 2_048
"""Gallery rows per product."""
PROBE_BLOCK = 1_024
"""Probes per product: scores of one product are 8 MiB."""
FEW = 12
"""Probes up to which a matrix product takes longer than the products of pairs."""

_WORD = 32
"""Scores compared at a time, a bit each."""


class FloatScan(NamedTuple):
    """One block of probes against float32 copies of blocks of gallery rows."""

    values: npt.NDArray[np.uint16]
    """(probes, dim): the bits of their float16."""
    thresholds: npt.NDArray[np.float32]
    """(probes, padded to a multiple of 32 with what no score reaches)."""
    slack: float
    gallery: npt.NDArray[np.float32]
    """(block, dim): the block of rows being scored."""
    scores: npt.NDArray[np.float32]
    """(block, padded probes)."""


def scan_portable(probes: npt.NDArray[np.float16], rows: Rows, lists: Lists, stride: int = 1) -> Lists:
    """Fill the lists of all probes from the live rows, or from about one in `stride` of them.

    On as many threads as numpy's products take.
    """
    padded = np.zeros((-(-len(probes) // _WORD) * _WORD, probes.shape[1]), dtype=np.float32)
    padded[: len(probes)] = probes
    block = _rows_at_a_time(len(rows.vectors), stride)
    scan = _open(probes, len(padded), block)
    _first_thresholds(scan, lists)
    start = int(lists.first.min(initial=len(rows.vectors))) // (block * stride) * (block * stride)
    for begin in range(start, len(rows.vectors), block * stride):
        if len(probes) > FEW:
            _widen_rows(rows.vectors, begin, scan.gallery)
            np.matmul(scan.gallery, padded.T, out=scan.scores)
        else:
            _products(scan, rows, begin)
        at = 0
        while (at := _look(scan, rows, lists, begin, at)) >= 0:
            lists = grown(lists)
    return lists


def _rows_at_a_time(rows: int, stride: int) -> int:
    """Rows of a product; smaller ones, taken from 16 places, where only a sample is wanted."""
    return min(ROW_BLOCK, rows) if stride == 1 else max(1, min(ROW_BLOCK, rows // (16 * stride)))


def _open(probes: npt.NDArray[np.float16], padded: int, block: int) -> FloatScan:
    return FloatScan(
        np.ascontiguousarray(probes).view(np.uint16),
        np.full(padded, np.inf, np.float32),
        float32_slack(probes.shape[1]),
        np.zeros((block, probes.shape[1]), np.float32),
        np.zeros((block, padded), np.float32),
    )


@compiled
def _first_thresholds(scan: FloatScan, lists: Lists) -> None:
    for probe in range(len(lists.cut)):
        scan.thresholds[probe] = float_threshold(lists.cut[probe], scan.slack)


@compiled
def _widen_rows(vectors: npt.NDArray[np.uint16], begin: int, gallery: npt.NDArray[np.float32]) -> None:
    for row in range(min(len(gallery), len(vectors) - begin)):
        for at in range(gallery.shape[1]):
            gallery[row, at] = widen(vectors[begin + row, at])


@compiled
def _products(scan: FloatScan, rows: Rows, begin: int) -> None:
    """The scores of a block, pair by pair."""
    for at in range(min(len(scan.scores), len(rows.vectors) - begin)):
        for probe in range(len(scan.values)):
            scan.scores[at, probe] = near(scan.values, rows.vectors, probe, begin + at)


@compiled
def _look(scan: FloatScan, rows: Rows, lists: Lists, begin: int, start: int) -> int:
    """All scores of a block from its row `start` on: -1 when done, else the row at which the pool must grow.

    That row is then looked at again from its first probe: offering a row twice changes nothing.
    """
    for at in range(start, min(len(scan.gallery), len(rows.vectors) - begin)):
        row = begin + at
        if rows.live[row // 32] >> np.uint32(row % 32) & np.uint32(1) == 0:
            continue
        for first in range(0, len(scan.thresholds), _WORD):
            bits = reached(scan.scores, at, first, scan.thresholds)
            if bits != 0 and not _take(scan, rows, lists, row, first, bits):
                return at
    return -1


@compiled
def _take(scan: FloatScan, rows: Rows, lists: Lists, row: int, first: int, bits: np.uint32) -> bool:
    """Offer a row to the probes whose bits are set. False when the pool must grow first."""
    while bits != 0:
        probe = first + lowest_bit(bits)
        bits &= bits - np.uint32(1)
        if row < lists.first[probe]:
            continue
        if not reserve(lists, probe, 2):
            return False
        before = lists.cut[probe]
        weigh(lists, rows, scan.values, probe, row)
        if lists.cut[probe] > before:
            scan.thresholds[probe] = float_threshold(lists.cut[probe], scan.slack)
    return True
