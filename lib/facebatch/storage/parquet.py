"""Stored tables as Parquet bytes: the same rows give the same bytes, and what is read back obeys `schemas`.

pyarrow gets buffers, never a store: its own S3 readers return altered bytes without an error.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from facebatch import schemas
from facebatch.errors import CorruptError

ROW_GROUP_ROWS = 16_384
"""Rows per row group; with 512 dimensions the embeddings of one are 16 MiB."""
NORM_TOLERANCE = 2e-3
"""Greatest distance of a stored embedding's norm from 1; rounding to float16 moves it by less than 5e-4."""

_TEMPLATES = "templates"
_EMBEDDING = "embedding"
_EMBEDDING_LEAF = "embedding.list.element"
"""Parquet's path of the numbers in `embedding`; an encoding asked for under the column's name is ignored."""
_TABLE, _VERSION, _MODEL = b"facebatch.table", b"facebatch.format_version", b"facebatch.model"


def write_table(table: pa.Table, *, kind: str, model: str | None) -> bytes:
    """Parquet bytes of a table of `kind`: "templates", or a key of schemas.STORED.

    `model` is the fingerprint of the model that made the rows, None where none did. zstd; embeddings byte-stream-split,
    which saves 8 %; a CRC per page. Chunking and slicing of `table` change no byte.
    CorruptError when its columns or nulls are not those of `schemas`.
    """
    origin = f"a {kind} table to be written"
    expected = _require_schema(table.schema, kind, origin)
    _require_values(table, origin)
    facts = {_TABLE: kind.encode(), _VERSION: str(schemas.FORMAT_VERSION).encode()}
    if model is not None:
        facts[_MODEL] = model.encode()
    sink = pa.BufferOutputStream()
    pq.write_table(
        _canonical(table, expected.with_metadata(facts)),
        sink,
        row_group_size=ROW_GROUP_ROWS,
        compression="zstd",
        compression_level=3,
        use_dictionary=[field.name for field in expected if pa.types.is_string(field.type)],
        use_byte_stream_split=[_EMBEDDING_LEAF] if _EMBEDDING in expected.names else False,
        write_page_checksum=True,
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def read_table(data: bytes, *, kind: str, origin: str) -> pa.Table:
    """The table of `kind` in Parquet bytes; its metadata stay in `table.schema.metadata`.

    CorruptError naming `origin`: not Parquet, a page with a wrong CRC, another kind, a newer format version, or columns
    or nulls that are not those of `schemas` (templates: of any dimension).
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        _require_facts(file.schema_arrow.metadata or {}, kind, origin)
        _require_schema(file.schema_arrow, kind, origin)
        table = file.read()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise CorruptError(f"{origin}: not an intact Parquet file ({error}); restore or rebuild it") from error
    _require_values(table, origin)
    return table


def read_templates(data: bytes, origin: str) -> pa.Table:
    """A templates table whose embeddings are finite and of unit norm within NORM_TOLERANCE.

    CorruptError as in read_table, and naming the first row whose embedding is not.
    """
    table = read_table(data, kind=_TEMPLATES, origin=origin)
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
    column = table.column(_EMBEDDING)
    chunks = [chunk.flatten().to_numpy(zero_copy_only=True) for chunk in column.chunks]
    flat = chunks[0] if len(chunks) == 1 else np.concatenate([np.empty(0, np.float16), *chunks])
    matrix: npt.NDArray[np.float16] = flat.reshape(len(table), column.type.list_size)
    matrix.flags.writeable = False
    return matrix


def model_of(table: pa.Table) -> str | None:
    """The model fingerprint recorded in a table that was read."""
    found = (table.schema.metadata or {}).get(_MODEL)
    return found.decode() if found is not None else None


def _canonical(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The same rows in one chunk and under exactly `schema`.

    Equal Arrow types may still differ in the names inside a map, which a reader sets otherwise than `schemas` does and
    a writer stores.
    """
    return pa.Table.from_arrays(table.combine_chunks().columns, schema=schema)


def _require_facts(facts: dict[bytes, bytes], kind: str, origin: str) -> None:
    found = facts.get(_TABLE, b"").decode(errors="replace")
    if found != kind:
        what = f"holds a table of {found}" if found else "is no table of facebatch"
        raise CorruptError(f"{origin}: {what}, expected {kind}; check what refers to it")
    version = facts.get(_VERSION, b"").decode(errors="replace")
    if not version.isdecimal():
        raise CorruptError(f"{origin}: has no format version; restore or rebuild it")
    if int(version) > schemas.FORMAT_VERSION:
        raise CorruptError(
            f"{origin}: has format version {version}, this release reads up to {schemas.FORMAT_VERSION}; "
            "upgrade facebatch"
        )


def _require_schema(found: pa.Schema, kind: str, origin: str) -> pa.Schema:
    """The schema of `kind`, of the found dimension for templates."""
    if kind == _TEMPLATES:
        index = found.get_field_index(_EMBEDDING)
        is_vector = index >= 0 and pa.types.is_fixed_size_list(found.field(index).type)
        expected = schemas.templates(found.field(index).type.list_size if is_vector else 1)
    elif kind in schemas.STORED:
        expected = schemas.STORED[kind]
    else:
        raise CorruptError(f"{origin}: {kind!r} is no stored table; known are templates, {', '.join(schemas.STORED)}")
    if not found.equals(expected):
        raise CorruptError(f"{origin}: {_first_difference(found, expected)}; its columns must be those of {kind}")
    return expected


def _first_difference(found: pa.Schema, expected: pa.Schema) -> str:
    if found.names != expected.names:
        return f"has the columns {', '.join(found.names)}"
    pairs = zip(found, expected, strict=True)
    return next(f"column {a.name!r} is {a}, expected {b}" for a, b in pairs if not a.equals(b))


def _require_values(table: pa.Table, origin: str) -> None:
    for field, column in zip(table.schema, table.columns, strict=True):
        nulls = 0 if field.nullable else column.null_count
        if field.name == _EMBEDDING:
            nulls += sum(chunk.flatten().null_count for chunk in column.chunks)
        if nulls:
            raise CorruptError(f"{origin}: column {field.name!r} has {nulls} empty values; none are allowed")
