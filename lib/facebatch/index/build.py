"""Template tables in, a segment's three files out. Pure but for FAISS's own state; same input, same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.errors import CorruptError
from facebatch.index.order import subject_keys
from facebatch.index.spec import IndexSpec
from facebatch.schemas import ROWS
from facebatch.storage.parquet import embeddings


@dataclass(frozen=True, slots=True)
class BuiltSegment:
    """The content of a segment, row by row in the same order."""

    index: bytes
    """FAISS index, ids = row numbers."""
    vectors: npt.NDArray[np.float16]
    """(rows, dim), as stored in the templates."""
    members: pa.Table
    """`schemas.ROWS`."""


def sort_members(tables: Sequence[pa.Table]) -> tuple[pa.Table, npt.NDArray[np.float16]]:
    """Members and vectors of all tables, sorted by subject (template_id where absent), then template_id.

    A subject's templates thus lie side by side. CorruptError when a template_id occurs twice.
    """
    members = pa.concat_tables([table.select(ROWS.names) for table in tables]).cast(ROWS)
    keys = members.append_column("key", subject_keys(members))
    order = pc.sort_indices(keys, sort_keys=[("key", "ascending"), ("template_id", "ascending")])
    members = members.take(order).combine_chunks()
    distinct = pc.count_distinct(members["template_id"]).as_py()
    if distinct != members.num_rows:
        raise CorruptError(
            f"{members.num_rows - distinct} template ids occur twice: the same image was embedded under one id "
            "from two sources; give the sources different image ids"
        )
    vectors = np.concatenate([embeddings(table) for table in tables])
    return members, np.ascontiguousarray(vectors[order.to_numpy()])


def build(tables: Sequence[pa.Table], spec: IndexSpec, dim: int) -> BuiltSegment:
    """Build one segment from template tables; `dim` is needed where there is no row to tell it."""
    if not any(table.num_rows for table in tables):
        return BuiltSegment(_index(np.empty((0, dim), np.float32), spec), np.empty((0, dim), np.float16), _no_members())
    members, vectors = sort_members(tables)
    return BuiltSegment(_index(vectors.astype(np.float32), spec), vectors, members)


def _no_members() -> pa.Table:
    return ROWS.empty_table()


def _index(vectors: npt.NDArray[np.float32], spec: IndexSpec) -> bytes:
    index = faiss.index_factory(vectors.shape[1], spec.kind, faiss.METRIC_INNER_PRODUCT)
    if len(vectors):
        index.train(vectors)
        if spec.kind.startswith("IDMap2"):
            index.add_with_ids(vectors, np.arange(len(vectors), dtype=np.int64))
        else:
            index.add(vectors)
    return bytes(faiss.serialize_index(index).tobytes())
