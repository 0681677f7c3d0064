"""The exact scan by codes: what `match.scan.scan` returns, bit for bit, several times faster."""

import functools
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from facebatch.errors import CorruptError
from facebatch.match.caches import second_level_bytes
from facebatch.match.codes import TILE, Codes, tiles
from facebatch.match.guess import LEAST_TILES, SHARE, guess_rank
from facebatch.match.kernel_integer import probe_block, scan_integer
from facebatch.match.kernel_lists import Lists, Rows, grown, open_lists, settle_all
from facebatch.match.kernel_paths import KernelPath
from facebatch.match.kernel_portable import PROBE_BLOCK, scan_portable
from facebatch.match.quantise import pack
from facebatch.match.scan import NO_HITS, NO_LIMITS, Gallery, Hits, Limits, cut
from facebatch.match.settings import MatchSpec
from facebatch.match.similarity import float32_slack

Number = TypeVar("Number", bound=np.generic)

Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]
"""Probe, row, similarity."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A segment as the kernels of one path take it; made once, scanned often."""

    gallery: Gallery
    codes: Codes
    rows: Rows
    path: KernelPath


@dataclass(frozen=True, slots=True)
class _Block:
    """Some probes and what is known of each."""

    probes: npt.NDArray[np.float16]
    lowest: npt.NDArray[np.float64]
    """(probes,): nothing below is listed."""
    first: npt.NDArray[np.int64]

    def part(self, which: slice | npt.NDArray[np.int64]) -> "_Block":
        return _Block(self.probes[which], self.lowest[which], self.first[which])


def prepare(gallery: Gallery, codes: Codes, path: KernelPath) -> Prepared:
    """A segment in the form of a path. CorruptError when codes or mask are of another shape than the vectors."""
    rows, dim = gallery.vectors.shape
    live = np.ones(rows, dtype=bool) if gallery.live is None else gallery.live
    if (codes.rows, codes.dim) != (rows, dim) or len(live) != rows:
        raise CorruptError(
            f"codes of {codes.rows} x {codes.dim} or a mask of {len(live)} rows do not belong to vectors of "
            f"{rows} x {dim}; index again"
        )
    flags = np.zeros(tiles(rows) * TILE, dtype=bool)
    flags[:rows] = live
    words = np.packbits(flags, bitorder="little").view("<u4").astype(np.uint32)
    bits = np.ascontiguousarray(np.asarray(gallery.vectors)).view(np.uint16)
    ends = np.repeat(gallery.ends, gallery.ends - gallery.starts)
    rank, slack = _read_only(gallery.template_rank), float32_slack(dim)
    return Prepared(gallery, codes, Rows(_read_only(bits), _read_only(ends), rank, _read_only(words), slack), path)


@functools.cache
def load(path: KernelPath) -> None:
    """Load the machine code of a path, or compile it: what the first scan of a process would wait for otherwise."""
    vectors, rows = np.eye(TILE, dtype=np.float16), np.arange(TILE, dtype=np.int64)
    segment = prepare(Gallery(vectors, rows, rows), pack(vectors), path)
    for probes in (vectors, vectors[:1]):  # the portable path multiplies few probes otherwise
        scan_codes(probes, segment, MatchSpec(length=1))


def scan_codes(probes: npt.NDArray[np.float16], segment: Prepared, spec: MatchSpec, limits: Limits = NO_LIMITS) -> Hits:
    """The best `spec.length` subjects for each probe, at or above `spec.floor`; equal to `match.scan.scan`.

    probes: (probes, dim). CorruptError when they have another dim than the segment.
    """
    dim = segment.codes.dim
    if probes.shape[1] != dim:
        raise CorruptError(f"probes of {probes.shape[1]} dimensions cannot be compared with templates of {dim}")
    if len(probes) == 0 or segment.codes.rows == 0:
        return NO_HITS
    lowest = limits.lowest(len(probes), spec)
    block = _Block(probes, lowest.astype(np.float64), limits.first_rows(len(probes)))
    step = PROBE_BLOCK if segment.path == KernelPath.PORTABLE else probe_block(dim, second_level_bytes())
    parts: list[Pairs] = []
    for begin in range(0, len(probes), step):
        probe, row, similarity = _scan(block.part(slice(begin, begin + step)), segment, spec)
        parts.append((probe + begin, row, similarity))
    found = Hits(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    return cut(found, segment.gallery, lowest, spec.length)


def _scan(block: _Block, segment: Prepared, spec: MatchSpec) -> Pairs:
    """One block of probes: from a guessed cut where that pays, and again without it where the guess was too high."""
    cuts = _guess(block, segment, spec)
    lists = _fill(block, segment, open_lists(cuts, block.first, spec.length))
    failed = np.flatnonzero((lists.filled < spec.length) & (cuts > block.lowest))
    found = _listed(lists)
    if len(failed) == 0:
        return found
    again = block.part(failed)
    second = _listed(_fill(again, segment, open_lists(again.lowest, again.first, spec.length)))
    kept = ~np.isin(found[0], failed)
    return (
        np.concatenate([found[0][kept], failed[second[0]]]),
        np.concatenate([found[1][kept], second[1]]),
        np.concatenate([found[2][kept], second[2]]),
    )


def _guess(block: _Block, segment: Prepared, spec: MatchSpec) -> npt.NDArray[np.float64]:
    """(probes,): `block.lowest`, or higher where a sample makes it likely that `length` subjects are above."""
    rank = guess_rank(spec.length)
    unknown = np.flatnonzero(np.isneginf(block.lowest))
    if tiles(segment.codes.rows) < LEAST_TILES * SHARE or 2 * rank * SHARE > segment.codes.rows or not len(unknown):
        return block.lowest
    some = block.part(unknown)
    lists = _fill(some, segment, open_lists(some.lowest, some.first, rank), stride=SHARE)
    cuts = block.lowest.copy()
    cuts[unknown] = np.where(lists.filled == rank, lists.cut, some.lowest)
    return cuts


def _fill(block: _Block, segment: Prepared, lists: Lists, stride: int = 1) -> Lists:
    """Offer all rows, or those of every `stride`-th tile, to the lists, and settle them."""
    probes = _read_only(np.ascontiguousarray(block.probes))
    if segment.path == KernelPath.PORTABLE:
        lists = scan_portable(probes, segment.rows, lists, stride)
    else:
        lists = scan_integer(probes, segment.codes, segment.rows, lists, segment.path, stride)
    at = 0
    while (at := settle_all(lists, segment.rows, at)) < len(lists.filled):
        lists = grown(lists)
    return lists


def _listed(lists: Lists) -> Pairs:
    """What is in the lists, by probe."""
    probe = np.repeat(np.arange(len(lists.filled)), lists.filled)
    within = np.arange(len(probe)) - np.repeat(np.cumsum(lists.filled) - lists.filled, lists.filled)
    entry = lists.begin[probe] + within
    return probe, lists.row[entry], lists.similarity[entry]


def _read_only(array: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """A view that cannot be written: mapped and ordinary arrays are then one type to the compiler."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view
