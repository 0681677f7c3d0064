"""Stored tables as Arrow IPC files: larger than Parquet, but opened by mapping, and only rows taken are read."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facebatch.errors import CorruptError
from facebatch.storage import tables

MAGIC = b"ARROW1"
"""First bytes of every Arrow IPC file."""


def write_arrow(table: pa.Table, *, kind: str, model: str | None) -> bytes:
    """Uncompressed Arrow IPC bytes of a table of `kind`, a key of schemas.STORED; chunking of `table` changes no byte.

    `model` is the fingerprint of the model that made the rows, None where none did. CorruptError when columns or nulls
    are not those of `schemas`.
    """
    table = tables.canonical(table, kind=kind, model=model)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(1, table.num_rows))
    data: bytes = sink.getvalue().to_pybytes()
    return data


def open_arrow(data: bytes | npt.NDArray[np.uint8], *, kind: str, origin: str) -> pa.Table:
    """The table of `kind` over the bytes of a file, nothing copied, so a mapped file stays mapped.

    Metadata stay in `table.schema.metadata`; columns that its format version lacks are empty. CorruptError naming
    `origin`: not Arrow IPC, another kind, a newer format version, or columns, nulls or text that are not those of
    `schemas`. Other changes of the values are not noticed: a file is to be verified by its digest first.
    """
    try:
        reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(data)))
        tables.require_kind(reader.schema, kind, origin)
        table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise CorruptError(f"{origin}: not an intact Arrow file ({error}); restore or rebuild it") from error
    tables.require_values(table, origin)
    return tables.current(table, kind)
