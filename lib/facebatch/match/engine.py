"""The exact scan by codes: what `match.scan.scan` returns, bit for bit, several times faster."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from facebatch.errors import CorruptError
from facebatch.match.codes import TILE, Codes, tiles
from facebatch.match.kernel_integer import probe_block, scan_integer
from facebatch.match.kernel_lists import Lists, Rows, grown, open_lists, settle_all
from facebatch.match.kernel_paths import KernelPath
from facebatch.match.kernel_portable import PROBE_BLOCK, scan_portable
from facebatch.match.scan import Gallery, Hits, cut
from facebatch.match.settings import MatchSpec
from facebatch.match.similarity import float32_slack

Number = TypeVar("Number", bound=np.generic)

Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]
"""Probe, row, similarity."""

_SAMPLE_SUBJECTS = 1_024
_SAMPLE_SHARE = 32
"""A first cut comes from at least 1024 subjects (8 per place on the list), and at most this part of all."""


def scan_codes(
    probes: npt.NDArray[np.float16],
    gallery: Gallery,
    codes: Codes,
    spec: MatchSpec,
    path: KernelPath,
    live: npt.NDArray[np.bool_] | None = None,
) -> Hits:
    """The best `spec.length` subjects for each probe, at or above `spec.floor`; equal to `match.scan.scan`.

    probes: (probes, dim). codes: those of gallery.vectors. live: (rows,), False for rows that count as absent; None:
    all count. CorruptError when codes, probes or mask are of another shape than the gallery.
    """
    rows, dim = gallery.vectors.shape
    standing = np.ones(rows, dtype=bool) if live is None else live
    if (codes.rows, codes.dim) != (rows, dim) or probes.shape[1] != dim or len(standing) != rows:
        raise CorruptError(
            f"codes of {codes.rows} x {codes.dim} do not belong to vectors of {rows} x {dim}, or probes of "
            f"{probes.shape[1]} dimensions or a mask of {len(standing)} rows do not; index again"
        )
    if len(probes) == 0 or rows == 0:
        return Hits(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    coarse = path != KernelPath.PORTABLE
    apart = codes.outliers[standing[codes.outliers]] if coarse else np.empty(0, np.int64)
    known = _rows(gallery, standing, codes.outliers if coarse else apart)
    sample = _sample(gallery, standing, spec)
    step = probe_block(dim) if coarse else PROBE_BLOCK
    parts: list[Pairs] = []
    for begin in range(0, len(probes), step):
        block = probes[begin : begin + step]
        lists = open_lists(_first_cut(block, gallery.vectors[sample], spec), spec.length)
        lists = _fill(block, codes, known, lists, path)
        parts.extend(_shifted(pairs, begin) for pairs in (_close(lists, known), _score(block, gallery, apart)))
    probe, row, similarity = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return cut(Hits(probe, row, similarity), gallery, spec)


def _fill(block: npt.NDArray[np.float16], codes: Codes, known: Rows, lists: Lists, path: KernelPath) -> Lists:
    if path == KernelPath.PORTABLE:
        return scan_portable(block, known, lists)
    return scan_integer(block, codes, known, lists, 16 if path == KernelPath.VNNI512 else 8)


def _rows(gallery: Gallery, live: npt.NDArray[np.bool_], apart: npt.NDArray[np.int64]) -> Rows:
    """The gallery as the kernels take it; rows that are dead, apart or padding are never found."""
    flags = np.zeros(tiles(len(live)) * TILE, dtype=bool)
    flags[: len(live)] = live
    flags[apart] = False
    words = np.packbits(flags, bitorder="little").view("<u4").astype(np.uint32)
    bits = np.ascontiguousarray(np.asarray(gallery.vectors)).view(np.uint16)
    borders = np.append(gallery.starts, len(live))
    ends = np.repeat(borders[1:], np.diff(borders))
    return Rows(
        vectors=_read_only(bits),
        ends=_read_only(ends),
        rank=_read_only(gallery.template_rank),
        live=_read_only(words),
        slack=float32_slack(bits.shape[1]),
    )


def _read_only(array: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """A view that cannot be written: mapped and ordinary arrays are then one type to the compiler."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _sample(gallery: Gallery, live: npt.NDArray[np.bool_], spec: MatchSpec) -> npt.NDArray[np.int64]:
    """One live row each of different subjects, evenly spread; empty where a sample would not pay."""
    wanted = max(_SAMPLE_SUBJECTS, 8 * spec.length)
    if spec.floor is not None or len(gallery.starts) < _SAMPLE_SHARE * wanted:
        return np.empty(0, np.int64)
    rows = gallery.starts[:: len(gallery.starts) // wanted]
    rows = rows[live[rows]]
    return rows if len(rows) >= spec.length else rows[:0]


def _first_cut(
    probes: npt.NDArray[np.float16], sample: npt.NDArray[np.float16], spec: MatchSpec
) -> npt.NDArray[np.float64]:
    """(probes,): at least `length` subjects of the sample have a similarity >= this, or it is the floor."""
    if len(sample) == 0:
        return np.full(len(probes), float(np.float32(spec.lowest)))
    scores = probes.astype(np.float32) @ sample.astype(np.float32).T
    at = len(sample) - spec.length
    nth = np.partition(scores, at, axis=1)[:, at].astype(np.float64)
    return nth - float32_slack(probes.shape[1])


def _close(lists: Lists, rows: Rows) -> Pairs:
    """What the kernels listed."""
    at = settle_all(lists, rows, 0)
    while at < len(lists.filled):
        lists = grown(lists)
        at = settle_all(lists, rows, at)
    probe = np.repeat(np.arange(len(lists.filled)), lists.filled)
    within = np.arange(len(probe)) - np.repeat(np.cumsum(lists.filled) - lists.filled, lists.filled)
    entry = lists.begin[probe] + within
    return probe, lists.row[entry], lists.similarity[entry]


def _score(probes: npt.NDArray[np.float16], gallery: Gallery, apart: npt.NDArray[np.int64]) -> Pairs:
    """Every probe against the outlier rows, by the definition: exact in float64, whatever the order of the sum."""
    scores = (probes.astype(np.float64) @ gallery.vectors[apart].astype(np.float64).T).astype(np.float32)
    probe, column = np.divmod(np.arange(scores.size), max(1, len(apart)))
    return probe, apart[column], scores.reshape(-1)


def _shifted(pairs: Pairs, begin: int) -> Pairs:
    return pairs[0] + begin, pairs[1], pairs[2]
