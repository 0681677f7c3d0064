"""Candidate lists as tables: what a cell found, and the merge of a probe block's cells into ranked lists."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.index.build import subject_keys
from facebatch.match.scan import Gallery, Hits
from facebatch.schemas import CANDIDATES


def open_gallery(members: pa.Table, vectors: npt.NDArray[np.float16]) -> Gallery:
    """Where each subject starts, and the order of template ids, from a segment's members."""
    keys = subject_keys(members).combine_chunks()
    codes = pc.dictionary_encode(keys).indices.to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(np.diff(codes, prepend=-1)).astype(np.int64)
    rank = np.empty(len(members), dtype=np.int64)
    rank[pc.sort_indices(members["template_id"]).to_numpy()] = np.arange(len(members))
    return Gallery(vectors, starts, rank)


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
    found = pa.concat_tables(cells)
    found = found.append_column("subject", subject_keys(found))
    order = [("probe_id", "ascending"), ("similarity", "descending"), ("template_id", "ascending")]
    found = found.take(pc.sort_indices(found, sort_keys=order))
    found = found.take(pa.array(_firsts(found.select(["probe_id", "subject"]))))
    rank = _ranks(found["probe_id"])
    listed = pa.array(rank <= length)
    found = found.set_column(found.schema.get_field_index("rank"), "rank", pa.array(rank, pa.int32()))
    return found.filter(listed).select(CANDIDATES.names).cast(CANDIDATES).combine_chunks()


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    encoded = pc.dictionary_encode(column.combine_chunks())
    codes: npt.NDArray[np.int32] = encoded.indices.to_numpy(zero_copy_only=False)
    return codes.astype(np.int64)


def _firsts(keys: pa.Table) -> npt.NDArray[np.int64]:
    """Ascending rows at which a (probe, subject) occurs for the first time."""
    probe, subject = _codes(keys["probe_id"]), _codes(keys["subject"])
    pair = probe * (subject.max(initial=0) + 1) + subject
    return np.sort(np.unique(pair, return_index=True)[1])


def _ranks(probe_ids: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """1-based position inside each run of equal probe ids."""
    codes = _codes(probe_ids)
    return np.arange(len(codes)) - np.searchsorted(codes, codes, side="left") + 1
