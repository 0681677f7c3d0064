"""Candidate lists as tables: what a cell found, and the merge of a probe block's cells into ranked lists."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.index.order import order_of
from facebatch.match.scan import Gallery, Hits
from facebatch.schemas import CANDIDATES


def open_gallery(members: pa.Table, vectors: npt.NDArray[np.float16]) -> Gallery:
    """Where each subject starts, and the order of template ids, from a segment's members."""
    order = order_of(members)
    return Gallery(vectors, order.starts, order.template_rank)


def to_table(hits: Hits, probe_ids: pa.ChunkedArray, members: pa.Table, snapshot: int) -> pa.Table:
    """A cell's hits as `schemas.CANDIDATES`; ranks count within the cell."""
    rank = np.arange(len(hits.probe)) - np.searchsorted(hits.probe, hits.probe, side="left") + 1
    columns = {
        "probe_id": probe_ids.take(pa.array(hits.probe)),
        "rank": pa.array(rank, pa.int32()),
        "subject_id": members["subject_id"].take(pa.array(hits.row)),
        "template_id": members["template_id"].take(pa.array(hits.row)),
        "similarity": pa.array(hits.similarity, pa.float32()),
        "snapshot": pa.array(np.full(len(hits.row), snapshot), pa.int64()),
    }
    return pa.table(columns, schema=CANDIDATES)


def merge(cells: Sequence[pa.Table], length: int) -> pa.Table:
    """The lists of one probe block from all its cells: best template per subject, `length` subjects per probe.

    A subject on the true list is on the list of the cell that holds its best template, since every subject ahead of
    it there is ahead of it on the true list too. The order of `cells` is free.
    """
    found = pa.concat_tables(cells).combine_chunks()
    probe = _ranks_of(found["probe_id"])
    order = _list_order(found, probe)
    order = order[_is_first(probe[order], _subjects(found)[order])]
    rank = _places(probe[order])
    listed = rank <= length
    found = found.take(pa.array(order[listed]))
    ranks = pa.array(rank[listed], pa.int32())
    merged = found.set_column(found.schema.get_field_index("rank"), CANDIDATES.field("rank"), ranks)
    return merged.cast(CANDIDATES).combine_chunks()


def _list_order(found: pa.Table, probe: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Rows by probe, similarity descending, template_id.

    Probe and similarity are one number, because numbers that already ascend in long runs, as those of each cell do,
    are merged and not sorted. Texts are compared only where numbers are equal.
    """
    similarity = found["similarity"].to_numpy() + np.float32(0)  # -0 and 0 are equal
    bits = similarity.view(np.int32).astype(np.int64)
    ascending = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    key = (probe << 33) - ascending
    order = np.argsort(key, kind="stable")
    equal = np.flatnonzero(np.diff(key[order]) == 0)
    if len(equal):
        tied = order[np.union1d(equal, equal + 1)]
        place = np.zeros(len(key), dtype=np.int64)
        place[tied] = _ranks_of(found["template_id"].take(pa.array(tied)))
        order = np.lexsort((place, key))
    return order


def _subjects(found: pa.Table) -> npt.NDArray[np.int64]:
    """A number per row, the same for two rows of one subject; an unlabelled template is a subject of its own."""
    names = pc.dictionary_encode(found["subject_id"].combine_chunks()).indices
    numbers: npt.NDArray[np.int64] = pc.fill_null(names, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    unlabelled = np.flatnonzero(numbers < 0)
    numbers[unlabelled] = len(numbers) + _ranks_of(found["template_id"].take(pa.array(unlabelled)))
    return numbers


def _ranks_of(texts: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Position of each text among the distinct ones in ascending order, 0-based."""
    encoded = pc.dictionary_encode(texts.combine_chunks())
    rank = np.empty(len(encoded.dictionary), dtype=np.int64)
    rank[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(rank))
    indices: npt.NDArray[np.int32] = encoded.indices.to_numpy(zero_copy_only=False)
    return rank[indices]


def _is_first(probe: npt.NDArray[np.int64], subject: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether a row is the first of its (probe, subject)."""
    pair = probe * (2 * len(subject) + 1) + subject
    first = np.zeros(len(pair), dtype=bool)
    first[np.unique(pair, return_index=True)[1]] = True
    return first


def _places(probe: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """1-based position inside each run of equal, ascending numbers."""
    return np.arange(len(probe)) - np.searchsorted(probe, probe, side="left") + 1
