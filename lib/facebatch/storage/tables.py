"""What every stored table carries and obeys, whatever file format holds it."""

import pyarrow as pa

from facebatch import schemas
from facebatch.errors import CorruptError

TEMPLATES = "templates"
"""The kind whose schema depends on a dimension."""
EMBEDDING = "embedding"
"""Its column of vectors."""

_TABLE, _VERSION, _MODEL = b"facebatch.table", b"facebatch.format_version", b"facebatch.model"


def canonical(table: pa.Table, *, kind: str, model: str | None) -> pa.Table:
    """The same rows in one chunk, under exactly the schema of `kind`, with the metadata of a stored table.

    Equal Arrow types may still differ in the names inside a map, which a reader sets otherwise than `schemas` does and
    a writer stores. CorruptError when columns or nulls are not those of `schemas`.
    """
    origin = f"a {kind} table to be written"
    schema = _require_schema(table.schema, kind, origin, schemas.version_of(kind))
    require_values(table, origin)
    facts = {_TABLE: kind.encode(), _VERSION: str(schemas.version_of(kind)).encode()}
    if model is not None:
        facts[_MODEL] = model.encode()
    return pa.Table.from_arrays(table.combine_chunks().columns, schema=schema.with_metadata(facts))


def model_of(table: pa.Table) -> str | None:
    """The model fingerprint recorded in a table that was read."""
    found = (table.schema.metadata or {}).get(_MODEL)
    return found.decode() if found is not None else None


def require_kind(schema: pa.Schema, kind: str, origin: str) -> None:
    """CorruptError unless a file's schema says `kind`, a format version known here, and the columns of that version."""
    version = _require_facts(schema.metadata or {}, kind, origin)
    _require_schema(schema, kind, origin, version)


def current(table: pa.Table, kind: str) -> pa.Table:
    """A table that was read, under the schema of today: columns that its format version lacks are empty."""
    for place, field in enumerate(_schema_of(table.schema, kind)):
        if field.name not in table.column_names:
            table = table.add_column(place, field, pa.nulls(table.num_rows, field.type))
    return table


def require_values(table: pa.Table, origin: str) -> None:
    """CorruptError naming the first column with empty values where none are allowed."""
    for field, column in zip(table.schema, table.columns, strict=True):
        nulls = 0 if field.nullable else column.null_count
        if field.name == EMBEDDING:
            nulls += sum(chunk.flatten().null_count for chunk in column.chunks)
        if nulls:
            raise CorruptError(f"{origin}: column {field.name!r} has {nulls} empty values; none are allowed")


def _require_facts(facts: dict[bytes, bytes], kind: str, origin: str) -> int:
    """The format version."""
    found = facts.get(_TABLE, b"").decode(errors="replace")
    if found != kind:
        what = f"holds a table of {found}" if found else "is no table of facebatch"
        raise CorruptError(f"{origin}: {what}, expected {kind}; check what refers to it")
    version = facts.get(_VERSION, b"").decode(errors="replace")
    if not version.isdecimal():
        raise CorruptError(f"{origin}: has no format version; restore or rebuild it")
    known = schemas.version_of(kind)
    if int(version) > known:
        raise CorruptError(
            f"{origin}: has format version {version}, this release reads up to {known}; upgrade facebatch"
        )
    return int(version)


def _require_schema(found: pa.Schema, kind: str, origin: str, version: int) -> pa.Schema:
    """The schema of `kind` as `version` has it, of the found dimension for templates."""
    if kind != TEMPLATES and kind not in schemas.STORED:
        raise CorruptError(f"{origin}: {kind!r} is no stored table; known are templates, {', '.join(schemas.STORED)}")
    since = schemas.ADDED.get(kind, {})
    expected = pa.schema([field for field in _schema_of(found, kind) if since.get(field.name, 0) <= version])
    if not found.equals(expected):
        raise CorruptError(f"{origin}: {_first_difference(found, expected)}; its columns must be those of {kind}")
    return expected


def _schema_of(found: pa.Schema, kind: str) -> pa.Schema:
    """The schema of today, of the found dimension for templates."""
    if kind != TEMPLATES:
        return schemas.STORED[kind]
    index = found.get_field_index(EMBEDDING)
    is_vector = index >= 0 and pa.types.is_fixed_size_list(found.field(index).type)
    return schemas.templates(found.field(index).type.list_size if is_vector else 1)


def _first_difference(found: pa.Schema, expected: pa.Schema) -> str:
    if found.names != expected.names:
        return f"has the columns {', '.join(found.names)}"
    pairs = zip(found, expected, strict=True)
    return next(f"column {a.name!r} is {a}, expected {b}" for a, b in pairs if not a.equals(b))
