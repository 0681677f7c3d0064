"""Arrow files: the same rows give the same bytes, what is opened obeys the schemas, and nothing of it is copied."""

import numpy as np
import pyarrow as pa
import pytest

from facebatch.errors import CorruptError
from facebatch.schemas import ROWS
from facebatch.storage.arrow import MAGIC, open_arrow, write_arrow
from facebatch.storage.parquet import write_table
from facebatch.storage.tables import model_of


def rows(count: int) -> pa.Table:
    subjects = [None if row % 3 == 0 else f"é{row // 4}" for row in range(count)]
    return pa.table({"template_id": [f"{row:032x}" for row in range(count)], "subject_id": subjects}, schema=ROWS)


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_what_is_written_is_what_is_opened(count: int) -> None:
    data = write_arrow(rows(count), kind="rows", model="f" * 64)
    assert data.startswith(MAGIC)
    found = open_arrow(data, kind="rows", origin="o")
    assert found.equals(rows(count))
    assert model_of(found) == "f" * 64
    assert found["template_id"].num_chunks <= 1


def test_the_same_rows_are_the_same_bytes_however_they_lie_in_memory() -> None:
    table = rows(100)
    data = write_arrow(table, kind="rows", model=None)
    for variant in (
        pa.concat_tables([table.slice(0, 7), table.slice(7, 0), table.slice(7)]),
        pa.concat_tables([table.slice(50), table]).combine_chunks().slice(50),
        table.replace_schema_metadata({"other": "words"}),
        open_arrow(data, kind="rows", origin="o"),
    ):
        assert write_arrow(variant, kind="rows", model=None) == data
    assert write_arrow(table, kind="rows", model="m") != data


def test_columns_are_read_where_they_lie() -> None:
    data = np.frombuffer(write_arrow(rows(100), kind="rows", model=None), np.uint8)
    found = open_arrow(data, kind="rows", origin="o")
    for column in found.columns:
        for buffer in column.chunk(0).buffers()[1:]:
            assert data.ctypes.data <= buffer.address < data.ctypes.data + len(data)


def test_what_is_not_ours_is_refused_by_name() -> None:
    good = write_arrow(rows(50), kind="rows", model=None)
    other = pa.BufferOutputStream()
    with pa.ipc.new_file(other, ROWS) as writer:
        writer.write_table(rows(2))
    for data, words in (
        (b"", "not an intact Arrow file"),
        (good[:-100], "not an intact Arrow file"),
        (write_table(rows(2), kind="rows", model=None), "not an intact Arrow file"),
        (other.getvalue().to_pybytes(), "is no table of facebatch"),
    ):
        with pytest.raises(CorruptError, match=rf"^m\.arrow: {words}"):
            open_arrow(data, kind="rows", origin="m.arrow")
    with pytest.raises(CorruptError, match="holds a table of rows, expected candidates"):
        open_arrow(good, kind="candidates", origin="m.arrow")


def test_text_that_is_not_text_is_refused() -> None:
    good = write_arrow(rows(50), kind="rows", model=None)
    at = good.index(f"{7:032x}".encode())
    with pytest.raises(CorruptError, match=r"^m\.arrow: not an intact Arrow file \(.*UTF8"):
        open_arrow(good[:at] + b"\xff" + good[at + 1 :], kind="rows", origin="m.arrow")


def test_empty_values_where_none_are_allowed_are_refused() -> None:
    holed = rows(3).set_column(0, ROWS.field(0), pa.array(["a", None, "c"]))
    with pytest.raises(CorruptError, match="column 'template_id' has 1 empty values"):
        write_arrow(holed, kind="rows", model=None)
