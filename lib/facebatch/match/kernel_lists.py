"""Candidate lists while a scan runs, in compiled code: one heap of subjects per probe, growing only as it fills.

A subject's rows lie side by side and are offered in ascending order, so the subject being read waits as `pending` with
its best row and joins the heap when the next one begins: many templates of one subject take one place.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from facebatch.match.compiled import compiled, compiled_exact
from facebatch.match.instructions import lowest_bit, prefetch, widen

FIRST_CAPACITY = 16
"""Heap entries a probe starts with; doubled when full, up to `length`."""


class Rows(NamedTuple):
    """What is known of gallery rows beside their codes."""

    vectors: npt.NDArray[np.uint16]
    """(rows, dim), the bits of float16."""
    ends: npt.NDArray[np.int64]
    """(rows,): first row behind the row's subject."""
    rank: npt.NDArray[np.int64]
    live: npt.NDArray[np.uint32]
    """(tiles,): bit i says whether row 32 tile + i may be found by the kernel."""
    slack: float
    """How far a float32 product may be from the similarity: `match.similarity.float32_slack(dim)`."""


class Lists(NamedTuple):
    """Heaps of all probes in one pool, worst candidate of each first."""

    length: int
    similarity: npt.NDArray[np.float32]
    row: npt.NDArray[np.int64]
    begin: npt.NDArray[np.int64]
    capacity: npt.NDArray[np.int64]
    filled: npt.NDArray[np.int64]
    """(probes,): subjects in each heap."""
    used: npt.NDArray[np.int64]
    """(1,): pool entries handed out."""
    pending: npt.NDArray[np.int64]
    """(probes,): best row of the subject being read, -1 when there is none."""
    pending_similarity: npt.NDArray[np.float32]
    pending_end: npt.NDArray[np.int64]
    """(probes,): first row behind the subject being read."""
    cut: npt.NDArray[np.float64]
    """(probes,): no similarity below this can be listed; never falls."""
    first: npt.NDArray[np.int64]
    """(probes,): rows before this one are not compared with the probe."""


def open_lists(cut: npt.NDArray[np.float64], first: npt.NDArray[np.int64], length: int) -> Lists:
    """Empty lists of at most `length` subjects for len(cut) probes, with what is known of their cuts."""
    probes = len(cut)
    room = min(length, FIRST_CAPACITY)
    capacity = np.full(probes, room, dtype=np.int64)
    pool = 2 * room * probes
    return Lists(
        length,
        np.empty(pool, np.float32),
        np.empty(pool, np.int64),
        np.arange(probes, dtype=np.int64) * room,
        capacity,
        np.zeros(probes, np.int64),
        np.array([room * probes], np.int64),
        np.full(probes, -1, np.int64),
        np.empty(probes, np.float32),
        np.zeros(probes, np.int64),
        cut.copy(),
        first,
    )


def grown(lists: Lists) -> Lists:
    """The same lists in a pool that has room for every one of them to double."""
    size = int(lists.used[0] + 2 * lists.capacity.sum() + 2 * FIRST_CAPACITY + 64)
    similarity, row = np.empty(size, np.float32), np.empty(size, np.int64)
    used = int(lists.used[0])
    similarity[:used], row[:used] = lists.similarity[:used], lists.row[:used]
    return lists._replace(similarity=similarity, row=row)


@compiled_exact
def exact(probes: npt.NDArray[np.uint16], vectors: npt.NDArray[np.uint16], probe: int, row: int) -> np.float32:
    """Similarity by the definition: products and sums in float64 are exact in any order (`match.similarity`)."""
    total = 0.0
    for at in range(probes.shape[1]):
        total += np.float64(widen(probes[probe, at])) * np.float64(widen(vectors[row, at]))
    return np.float32(total)


@compiled_exact
def near(probes: npt.NDArray[np.uint16], vectors: npt.NDArray[np.uint16], probe: int, row: int) -> np.float32:
    """The same product in float32: within `float32_slack(dim)` of the similarity, in half the time."""
    total = np.float32(0.0)
    for at in range(probes.shape[1]):
        total += widen(probes[probe, at]) * widen(vectors[row, at])
    return total


@compiled
def call_up(rows: Rows, probes: npt.NDArray[np.uint16], probe: int, tile: int, bits: np.uint32) -> None:
    """Fetch a probe, and the rows of a tile whose bits are set, into the cache, without waiting."""
    for at in range(0, probes.shape[1], 32):
        prefetch(probes, probe, at)
    while bits != 0:
        row = 32 * tile + lowest_bit(bits)
        bits &= bits - np.uint32(1)
        for at in range(0, rows.vectors.shape[1], 32):
            prefetch(rows.vectors, row, at)


@compiled
def reserve(lists: Lists, probe: int, more: int) -> bool:
    """Room for `more` candidates of a probe; False, and nothing changed, when the pool must grow first."""
    needed = min(lists.length, lists.filled[probe] + more)
    if needed <= lists.capacity[probe]:
        return True
    capacity = min(lists.length, max(2 * lists.capacity[probe], needed))
    begin, to = lists.begin[probe], lists.used[0]
    if to + capacity > len(lists.row):
        return False
    for at in range(lists.filled[probe]):
        lists.similarity[to + at] = lists.similarity[begin + at]
        lists.row[to + at] = lists.row[begin + at]
    lists.begin[probe], lists.capacity[probe], lists.used[0] = to, capacity, to + capacity
    return True


@compiled
def offer(lists: Lists, rows: Rows, probes: npt.NDArray[np.uint16], probe: int, tile: int, bits: np.uint32) -> None:
    """Weigh the rows of a tile whose bits are set and that are near the cut."""
    while bits != 0:
        row = 32 * tile + lowest_bit(bits)
        bits &= bits - np.uint32(1)
        if row >= lists.first[probe] and near(probes, rows.vectors, probe, row) >= lists.cut[probe] - rows.slack:
            weigh(lists, rows, probes, probe, row)


@compiled
def weigh(lists: Lists, rows: Rows, probes: npt.NDArray[np.uint16], probe: int, row: int) -> None:
    """Score a row by the definition and keep it if it could be listed. There must be room (`reserve`)."""
    similarity = exact(probes, rows.vectors, probe, row)
    if similarity < lists.cut[probe]:
        return
    if row >= lists.pending_end[probe]:
        settle(lists, rows, probe)
        lists.pending[probe], lists.pending_similarity[probe] = row, similarity
        lists.pending_end[probe] = rows.ends[row]
    elif _worse(rows, lists.pending_similarity[probe], lists.pending[probe], similarity, row):
        lists.pending[probe], lists.pending_similarity[probe] = row, similarity


@compiled
def settle(lists: Lists, rows: Rows, probe: int) -> None:
    """Move the pending subject into the heap, if it belongs there. There must be room (`reserve`)."""
    row, similarity = lists.pending[probe], lists.pending_similarity[probe]
    if row < 0:
        return
    lists.pending[probe] = -1
    begin, count = lists.begin[probe], lists.filled[probe]
    if count < lists.length:
        _rise(lists, rows, begin, count, similarity, row)
        lists.filled[probe] = count + 1
    elif _worse(rows, lists.similarity[begin], lists.row[begin], similarity, row):
        _sink(lists, rows, begin, count, similarity, row)
    if lists.filled[probe] == lists.length:
        lists.cut[probe] = max(lists.cut[probe], np.float64(lists.similarity[begin]))


@compiled
def settle_all(lists: Lists, rows: Rows, first: int) -> int:
    """Settle probes from `first` on. The probe at which the pool must grow, or the number of probes when done."""
    for probe in range(first, len(lists.filled)):
        if not reserve(lists, probe, 1):
            return probe
        settle(lists, rows, probe)
    return len(lists.filled)


@compiled
def _worse(rows: Rows, similarity: np.float32, row: int, other_similarity: np.float32, other_row: int) -> bool:
    if similarity != other_similarity:
        return bool(similarity < other_similarity)
    return bool(rows.rank[row] > rows.rank[other_row])


@compiled
def _rise(lists: Lists, rows: Rows, begin: int, at: int, similarity: np.float32, row: int) -> None:
    while at > 0:
        parent = (at - 1) // 2
        if not _worse(rows, similarity, row, lists.similarity[begin + parent], lists.row[begin + parent]):
            break
        lists.similarity[begin + at], lists.row[begin + at] = (
            lists.similarity[begin + parent],
            lists.row[begin + parent],
        )
        at = parent
    lists.similarity[begin + at], lists.row[begin + at] = similarity, row


@compiled
def _sink(lists: Lists, rows: Rows, begin: int, count: int, similarity: np.float32, row: int) -> None:
    at = 0
    while 2 * at + 1 < count:
        child = begin + 2 * at + 1
        right = child + 1
        if right < begin + count and _worse(
            rows, lists.similarity[right], lists.row[right], lists.similarity[child], lists.row[child]
        ):
            child = right
        if not _worse(rows, lists.similarity[child], lists.row[child], similarity, row):
            break
        lists.similarity[begin + at], lists.row[begin + at] = lists.similarity[child], lists.row[child]
        at = child - begin
    lists.similarity[begin + at], lists.row[begin + at] = similarity, row
