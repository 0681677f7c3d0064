"""The order of a segment's rows: where each subject starts, and how the template ids rank; stored with the segment."""

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.errors import CorruptError

MAGIC = b"FBORDER\0"
VERSION = 1
_HEADER = struct.Struct("<8sIxxxxQQ")
"""Magic, version, rows, subjects; little-endian, zero-padded to HEADER_BYTES."""
HEADER_BYTES = 64


@dataclass(frozen=True, slots=True)
class Order:
    """What a scan must know of the members without reading them."""

    starts: npt.NDArray[np.int64]
    """(subjects,): first row of each subject, ascending; the first is 0."""
    template_rank: npt.NDArray[np.int64]
    """(rows,): position of each row's template_id in ascending order (by code point), 0-based."""


def subject_keys(members: pa.Table) -> pa.ChunkedArray:
    """What counts as one subject: subject_id, or for an unlabelled template the template itself."""
    own = pc.binary_join_element_wise("template", members["template_id"], "\x00")
    labelled = pc.binary_join_element_wise("subject", members["subject_id"], "\x00")
    return pc.coalesce(labelled, own)


def order_of(members: pa.Table) -> Order:
    """The order of `schemas.ROWS`, one subject's rows side by side, each template_id once."""
    codes = pc.dictionary_encode(subject_keys(members).combine_chunks()).indices.to_numpy(zero_copy_only=False)
    rank = np.empty(len(members), dtype=np.int64)
    rank[pc.sort_indices(members["template_id"]).to_numpy()] = np.arange(len(members))
    return Order(np.flatnonzero(np.diff(codes, prepend=-1)).astype(np.int64), rank)


def to_bytes(order: Order) -> bytes:
    """The file: header, starts from byte 64, then ranks, both int64 little-endian. Same order, same bytes."""
    header = _HEADER.pack(MAGIC, VERSION, len(order.template_rank), len(order.starts))
    numbers = np.concatenate([order.starts, order.template_rank]).astype("<i8")
    return header.ljust(HEADER_BYTES, b"\0") + numbers.tobytes()


def from_buffer(data: npt.NDArray[np.uint8], rows: int, origin: str) -> Order:
    """The order of `rows` rows over the bytes of a file, nothing copied, so a mapped file stays mapped.

    CorruptError naming `origin`: another kind of file, a newer version, another number of rows, starts that do not
    ascend from 0, or ranks that are no permutation.
    """
    header = data[:HEADER_BYTES].tobytes()
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        raise CorruptError(f"{origin}: not a file of the order of a segment; index again")
    _, version, found, subjects = _HEADER.unpack_from(header)
    if version != VERSION:
        raise CorruptError(f"{origin}: an order of version {version}, this release reads {VERSION}; index again")
    if found != rows or not min(rows, 1) <= subjects <= rows or len(data) != HEADER_BYTES + 8 * (rows + subjects):
        raise CorruptError(
            f"{origin}: {len(data)} bytes for {found} rows of {subjects} subjects, expected {rows} rows; index again"
        )
    numbers = data[HEADER_BYTES:].view("<i8")
    starts, rank = numbers[:subjects], numbers[subjects:]
    if rows and (starts[0] != 0 or starts[-1] >= rows or not bool(np.all(starts[1:] > starts[:-1]))):
        raise CorruptError(f"{origin}: the starts of the subjects do not ascend from 0 to below {rows}; index again")
    if not _is_permutation(rank):
        raise CorruptError(f"{origin}: the ranks of {rows} template ids are no permutation; index again")
    return Order(starts.astype(np.int64, copy=False), rank.astype(np.int64, copy=False))


def _is_permutation(rank: npt.NDArray[np.int64]) -> bool:
    if len(rank) == 0:
        return True
    if rank.min() < 0 or rank.max() >= len(rank):
        return False
    seen = np.zeros(len(rank), dtype=bool)
    seen[rank] = True
    return bool(seen.all())
