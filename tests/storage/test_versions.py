"""Parts written before a column was added: read with the column empty, and refused when they are not what they say."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebatch import schemas
from facebatch.errors import CorruptError
from facebatch.storage.parquet import embeddings, read_table, read_templates, write_table
from synthetic import template_table, unit

ADDED = ["quality_pose", "quality_exposure", "quality_recognizability", "quality"]
TABLE = template_table(unit(np.random.default_rng(5).normal(size=(6, 4))), ["a", None] * 3)


def stored(table: pa.Table, version: int) -> bytes:
    facts = {"facebatch.table": "templates", "facebatch.format_version": f"{version}", "facebatch.model": "m"}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(facts), sink, write_page_checksum=True)
    data: bytes = sink.getvalue().to_pybytes()
    return data


OLD = stored(TABLE.drop_columns(ADDED), 1)


def test_columns_that_came_later_are_empty_and_everything_else_is_as_it_was() -> None:
    found = read_templates(OLD, "old")
    assert found.schema.equals(schemas.templates(4))
    assert [found[name].null_count for name in ADDED] == [6] * 4
    assert found.drop_columns(ADDED).equals(TABLE.drop_columns(ADDED))
    assert np.array_equal(embeddings(found), embeddings(TABLE))
    found.validate(full=True)


def test_old_and_new_rows_make_one_table_that_can_be_written() -> None:
    both = pa.concat_tables([read_templates(OLD, "old"), TABLE]).combine_chunks()
    again = read_templates(write_table(both, kind="templates", model="m"), "both")
    assert again.equals(both)
    assert again["quality_pose"].to_pylist() == [None] * 6 + TABLE["quality_pose"].to_pylist()


def test_an_empty_old_part_is_an_empty_new_one() -> None:
    found = read_table(stored(TABLE.drop_columns(ADDED).slice(0, 0), 1), kind="templates", origin="old")
    assert (found.num_rows, found.schema.names) == (0, schemas.templates(4).names)


@pytest.mark.parametrize(
    ("table", "version", "message"),
    [
        (TABLE, 1, "has the columns .*quality_pose"),
        (TABLE.drop_columns(ADDED), 2, "has the columns"),
        (TABLE.drop_columns(ADDED[:1]), 1, "has the columns"),
        (TABLE, 3, "has format version 3, this release reads up to 2; upgrade facebatch"),
    ],
)
def test_a_part_that_is_not_of_its_version_is_refused(table: pa.Table, version: int, message: str) -> None:
    with pytest.raises(CorruptError, match=f"^x: {message}"):
        read_templates(stored(table, version), "x")


def test_today_only_whole_tables_are_written() -> None:
    with pytest.raises(CorruptError, match="a templates table to be written: has the columns"):
        write_table(TABLE.drop_columns(ADDED), kind="templates", model="m")


def test_only_tables_that_changed_have_another_version() -> None:
    assert {kind: schemas.version_of(kind) for kind in ("templates", *schemas.STORED)} == {
        **dict.fromkeys(schemas.STORED, schemas.FORMAT_VERSION),
        "templates": 2,
    }
    for kind, columns in schemas.ADDED.items():
        table = schemas.templates(4) if kind == "templates" else schemas.STORED[kind]
        assert all(table.field(name).nullable for name in columns)
