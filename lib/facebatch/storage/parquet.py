"""Stored tables as Parquet bytes: the same rows give the same bytes, and what is read back obeys `schemas`.

pyarrow gets buffers, never a store: its own S3 readers return altered bytes without an error. It reads them in the
thread that asks: a thread of its own may hold a buffer of Python's until the interpreter ends, and aborts the process
when it lets go of it then. Nearly all bytes of a table are in one column, so its threads would save nothing.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from facebatch.errors import CorruptError
from facebatch.storage import tables

ROW_GROUP_ROWS = 16_384
"""Rows per row group; with 512 dimensions the embeddings of one are 16 MiB."""
NORM_TOLERANCE = 2e-3
"""Greatest distance of a stored embedding's norm from 1; rounding to float16 moves it by less than 5e-4."""

_EMBEDDING_LEAF = "embedding.list.element"
"""Parquet's path of the numbers in `embedding`; an encoding asked for under the column's name is ignored."""


def write_table(table: pa.Table, *, kind: str, model: str | None) -> bytes:
    """Parquet bytes of a table of `kind`: "templates", or a key of schemas.STORED.

    `model` is the fingerprint of the model that made the rows, None where none did. zstd; embeddings byte-stream-split,
    which saves 8 %; a CRC per page. Chunking and slicing of `table` change no byte.
    CorruptError when its columns or nulls are not those of `schemas`.
    """
    table = tables.canonical(table, kind=kind, model=model)
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=ROW_GROUP_ROWS,
        compression="zstd",
        compression_level=3,
        use_dictionary=[field.name for field in table.schema if pa.types.is_string(field.type)],
        use_byte_stream_split=[_EMBEDDING_LEAF] if tables.EMBEDDING in table.column_names else False,
        write_page_checksum=True,
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def read_table(data: bytes | npt.NDArray[np.uint8], *, kind: str, origin: str) -> pa.Table:
    """The table of `kind` in Parquet bytes; its metadata stay in `table.schema.metadata`, and columns that its format
    version lacks are empty.

    CorruptError naming `origin`: not Parquet, a page with a wrong CRC, another kind, a newer format version, or columns
    or nulls that are not those of `schemas` (templates: of any dimension).
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(pa.py_buffer(data)), pre_buffer=False, page_checksum_verification=True)
        tables.require_kind(file.schema_arrow, kind, origin)
        table = file.read(use_threads=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise CorruptError(f"{origin}: not an intact Parquet file ({error}); restore or rebuild it") from error
    tables.require_values(table, origin)
    return tables.current(table, kind)


def read_templates(data: bytes, origin: str) -> pa.Table:
    """A templates table whose embeddings are finite and of unit norm within NORM_TOLERANCE.

    CorruptError as in read_table, and naming the first row whose embedding is not.
    """
    table = read_table(data, kind=tables.TEMPLATES, origin=origin)
    vectors = embeddings(table)
    for start in range(0, len(vectors), ROW_GROUP_ROWS):
        block = vectors[start : start + ROW_GROUP_ROWS].astype(np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", block, block))
        bad = np.flatnonzero(~(np.abs(norms - 1.0) <= NORM_TOLERANCE))
        if bad.size:
            row = int(bad[0])
            raise CorruptError(
                f"{origin}: the embedding in row {start + row} has norm {norms[row]:.4g} instead of 1; "
                "embed its shard again"
            )
    return table


def embeddings(table: pa.Table) -> npt.NDArray[np.float16]:
    """(n, dim) float16, read-only; a view of the table's memory when the column is one chunk, else a copy."""
    column = table.column(tables.EMBEDDING)
    chunks = [chunk.flatten().to_numpy(zero_copy_only=True) for chunk in column.chunks]
    flat = chunks[0] if len(chunks) == 1 else np.concatenate([np.empty(0, np.float16), *chunks])
    matrix: npt.NDArray[np.float16] = flat.reshape(len(table), column.type.list_size)
    matrix.flags.writeable = False
    return matrix
