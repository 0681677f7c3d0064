import datetime
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebatch import schemas
from facebatch.errors import CorruptError
from facebatch.storage.parquet import (
    NORM_TOLERANCE,
    ROW_GROUP_ROWS,
    embeddings,
    read_table,
    read_templates,
    write_table,
)
from facebatch.storage.tables import model_of

DIM = 8


def unit_vectors(rows, dim=DIM):
    vectors = np.random.default_rng(0).standard_normal((rows, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def templates(rows, dim=DIM, vectors=None):
    schema = schemas.templates(dim)
    vectors = unit_vectors(rows, dim) if vectors is None else vectors
    when = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.UTC)
    values = {
        "template_id": [hashlib.md5(str(row).encode()).hexdigest() for row in range(rows)],
        "subject_id": [None if row % 3 == 0 else f"s{row // 4}" for row in range(rows)],
        "image_id": [f"a/{row:06d}.jpg" for row in range(rows)],
        "image_sha256": [hashlib.sha256(str(row).encode()).hexdigest() for row in range(rows)],
        "shard_uri": ["s3://b/shard.tar"] * rows,
        "face_index": [row % 2 for row in range(rows)],
        "box": [[0.5, 1.5, 100.0, 200.0 + row % 7] for row in range(rows)],
        "landmarks": [[float(n) for n in range(10)]] * rows,
        "detector_score": [0.9] * rows,
        "quality_inter_eye": [50.0] * rows,
        "quality_sharpness": [60.0] * rows,
        "quality_luminance": [70.0] * rows,
        "quality_pose": [80.0] * rows,
        "quality_exposure": [90.0] * rows,
        "quality_recognizability": [None if row % 2 else 40.0 for row in range(rows)],
        "quality": [65.0] * rows,
        "captured_at": [when if row % 2 else None for row in range(rows)],
        "expires_at": [None] * rows,
        "groups": [[("sex", "f"), ("site", "é")] if row % 2 else None for row in range(rows)],
    }
    arrays = [pa.array(values[field.name], field.type) for field in schema if field.name in values]
    flat = pa.array(np.ascontiguousarray(vectors).ravel())
    return pa.Table.from_arrays([*arrays, pa.FixedSizeListArray.from_arrays(flat, dim)], schema=schema)


def ledger(rows):
    return pa.Table.from_pylist(
        [
            {
                "image_id": f"{row}",
                "member": f"{row}.jpg",
                "image_sha256": None,
                "outcome": "ok",
                "reason": None,
                "faces_found": 2,
                "faces_kept": 1,
                "rejected": [{"box": [0.0, 0.0, 5.0, 5.0], "reason": "too_small"}] * (row % 3),
                "width": 640,
                "height": None,
            }
            for row in range(rows)
        ],
        schema=schemas.LEDGER,
    )


CANDIDATES = pa.Table.from_pylist(
    [
        {
            "probe_id": f"p{row // 5}",
            "rank": row % 5 + 1,
            "subject_id": None,
            "template_id": f"t{row}",
            "similarity": 1.0 / (row + 1),
            "snapshot": 2**40,
        }
        for row in range(20)
    ],
    schema=schemas.CANDIDATES,
)

TABLES = [("templates", templates(50)), ("templates", templates(3, dim=512)), ("ledger", ledger(30))]
TABLES += [("candidates", CANDIDATES), ("templates", templates(0)), ("ledger", ledger(0))]


@pytest.mark.parametrize(("kind", "table"), TABLES, ids=[f"{kind}-{len(table)}" for kind, table in TABLES])
def test_what_is_written_is_what_is_read(kind, table):
    found = read_table(write_table(table, kind=kind, model="f" * 64), kind=kind, origin="o")
    found.validate(full=True)
    assert found.equals(table)
    assert found.schema.equals(table.schema)
    assert model_of(found) == "f" * 64


@pytest.mark.parametrize("kind", [*schemas.STORED])
def test_every_stored_table_can_be_written_empty_and_read(kind):
    table = schemas.STORED[kind].empty_table()
    found = read_table(write_table(table, kind=kind, model=None), kind=kind, origin="o")
    assert found.equals(table)
    assert model_of(found) is None


def test_the_same_rows_are_the_same_bytes_however_they_lie_in_memory():
    table = templates(1000)
    data = write_table(table, kind="templates", model="m")
    padded = pa.concat_tables([table.slice(500), table]).combine_chunks()
    for variant in (
        table,
        pa.concat_tables([table.slice(0, 7), table.slice(7, 0), table.slice(7)]),
        padded.slice(500),
        pa.Table.from_pylist(table.to_pylist(), schema=table.schema),
        table.replace_schema_metadata({"pandas": "noise"}),
        read_table(data, kind="templates", origin="o"),
    ):
        assert variant.equals(table)
        assert write_table(variant, kind="templates", model="m") == data
    assert write_table(table, kind="templates", model="n") != data


def test_the_encodings_are_the_promised_ones():
    file = pq.ParquetFile(pa.BufferReader(write_table(templates(20), kind="templates", model="m")))
    group = file.metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert "BYTE_STREAM_SPLIT" in columns["embedding.list.element"].encodings
    assert "RLE_DICTIONARY" in columns["shard_uri"].encodings
    assert {column.compression for column in columns.values()} == {"ZSTD"}
    assert file.schema_arrow.metadata == {
        b"facebatch.table": b"templates",
        b"facebatch.format_version": b"2",
        b"facebatch.model": b"m",
    }


def test_row_groups_have_a_fixed_size():
    rows = pa.table(
        {"template_id": [f"{n:032x}" for n in range(ROW_GROUP_ROWS + 1)], "subject_id": ["s"] * (ROW_GROUP_ROWS + 1)}
    )
    data = write_table(rows.cast(schemas.ROWS), kind="rows", model=None)
    metadata = pq.ParquetFile(pa.BufferReader(data)).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [ROW_GROUP_ROWS, 1]


def test_every_flipped_byte_of_a_page_is_noticed():
    table = templates(40)
    data = write_table(table, kind="templates", model="m")
    metadata = pq.ParquetFile(pa.BufferReader(data)).metadata
    end = metadata.serialized_size
    missed, messages = [], []
    for at in range(4, len(data) - end - 8, 41):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        try:
            found = read_table(bytes(damaged), kind="templates", origin="part.parquet")
        except CorruptError as error:
            messages.append(str(error))
        else:
            if not found.equals(table):
                missed.append(at)
    assert missed == []
    assert len(messages) > 50
    assert all(message.startswith("part.parquet: ") for message in messages)


@pytest.mark.parametrize("cut", [0, 3, 100, -1, -100])
def test_a_cut_file_is_corrupt(cut):
    data = write_table(ledger(30), kind="ledger", model="m")
    with pytest.raises(CorruptError, match=r"l\.parquet: not an intact Parquet file"):
        read_table(data[:cut], kind="ledger", origin="l.parquet")


def rewritten(table, metadata):
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), sink, write_page_checksum=True)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "is no table of facebatch, expected ledger"),
        ({"facebatch.table": "candidates", "facebatch.format_version": "1"}, "holds a table of candidates"),
        ({"facebatch.table": "ledger"}, "has no format version"),
        ({"facebatch.table": "ledger", "facebatch.format_version": "one"}, "has no format version"),
        ({"facebatch.table": "ledger", "facebatch.format_version": "2"}, "has format version 2, .* upgrade facebatch"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(metadata, message):
    with pytest.raises(CorruptError, match=f"^x: {message}"):
        read_table(rewritten(ledger(3), metadata), kind="ledger", origin="x")


def facts(kind):
    return {"facebatch.table": kind, "facebatch.format_version": f"{schemas.version_of(kind)}"}


def test_other_columns_than_those_of_the_schema_are_refused():
    table = ledger(3)
    for wrong, named in (
        (table.drop_columns(["width"]), "has the columns image_id"),
        (table.append_column("when", pa.array([1, 2, 3])), "when"),
        (table.select([*reversed(table.column_names)]), "has the columns height"),
        (table.set_column(8, "width", pa.array([1, 2, 3], pa.int64())), "column 'width' is .*int64.* expected .*int32"),
    ):
        with pytest.raises(CorruptError, match=f"^x: .*{named}"):
            read_table(rewritten(wrong, facts("ledger")), kind="ledger", origin="x")
        with pytest.raises(CorruptError, match=f"a ledger table to be written: .*{named}"):
            write_table(wrong, kind="ledger", model=None)


def test_an_unknown_kind_is_refused():
    with pytest.raises(CorruptError, match="'photos' is no stored table"):
        write_table(ledger(1), kind="photos", model=None)


def test_empty_values_where_none_are_allowed_are_refused():
    table = ledger(3)
    column = pa.array(["a", None, "c"])
    holed = table.set_column(0, schemas.LEDGER.field(0), column)
    with pytest.raises(CorruptError, match="column 'image_id' has 1 empty values"):
        write_table(holed, kind="ledger", model=None)


def test_a_hole_in_an_embedding_is_refused():
    table = templates(2)
    holed = pa.array([[None, *[0.0] * (DIM - 1)], [1.0, *[0.0] * (DIM - 1)]], pa.list_(pa.float16(), DIM))
    index = table.schema.get_field_index("embedding")
    table = table.set_column(index, table.schema.field(index), holed)
    with pytest.raises(CorruptError, match="column 'embedding' has 1 empty values"):
        write_table(table, kind="templates", model=None)
    with pytest.raises(CorruptError, match="x: column 'embedding' has 1 empty values"):
        read_templates(rewritten(table, facts("templates")), "x")


@pytest.mark.parametrize("dim", [1, 128, 512])
def test_embeddings_come_back_bit_for_bit(dim):
    vectors = unit_vectors(100, dim)
    table = templates(100, dim, vectors)
    found = read_templates(write_table(table, kind="templates", model="m"), "o")
    matrix = embeddings(found)
    assert matrix.shape == (100, dim)
    assert matrix.dtype == np.float16
    assert matrix.tobytes() == vectors.tobytes()
    assert not matrix.flags.writeable


def test_embeddings_follow_slices_and_chunks_and_share_memory_where_they_can():
    vectors = unit_vectors(20)
    table = templates(20, vectors=vectors)
    assert np.array_equal(embeddings(table.slice(5, 3)), vectors[5:8])
    assert np.array_equal(embeddings(pa.concat_tables([table.slice(10), table.slice(0, 10)])), np.roll(vectors, 10, 0))
    assert embeddings(table.slice(0, 0)).shape == embeddings(schemas.templates(DIM).empty_table()).shape == (0, DIM)
    address = table.column("embedding").chunk(0).values.buffers()[1].address
    assert embeddings(table).ctypes.data == address


@pytest.mark.parametrize("row", [0, 7, ROW_GROUP_ROWS + 3])
@pytest.mark.parametrize(
    ("value", "norm"),
    [
        (np.nan, "nan"),
        (np.inf, "inf"),
        (0.0, "0"),
        (1.0 + 2 * NORM_TOLERANCE, "1.00"),
        (1.0 - 2 * NORM_TOLERANCE, "0.99"),
    ],
)
def test_the_first_embedding_that_is_not_of_unit_norm_is_named(row, value, norm):
    vectors = np.zeros((row + 2, 2), np.float16)
    vectors[:, 0] = 1.0
    vectors[row:, 0] = value
    data = write_table(templates(row + 2, 2, vectors), kind="templates", model="m")
    with pytest.raises(CorruptError, match=rf"^bad\.parquet: the embedding in row {row} has norm {norm}"):
        read_templates(data, "bad.parquet")


def test_rounding_to_float16_is_within_the_tolerance():
    vectors = unit_vectors(5000, 512)
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    assert np.abs(norms - 1).max() < NORM_TOLERANCE / 4
    assert len(read_templates(write_table(templates(5000, 512, vectors), kind="templates", model="m"), "o")) == 5000


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in Linux's /proc")
def test_reading_starts_no_thread_that_could_hold_the_bytes_until_the_interpreter_ends(tmp_path: Path) -> None:
    rows = [
        {"image_id": f"i{row}", "member": "m", "outcome": "ok", "faces_found": 1, "faces_kept": 1, "rejected": []}
        for row in range(300)
    ]
    path = tmp_path / "ledger.parquet"
    path.write_bytes(write_table(pa.Table.from_pylist(rows, schema=schemas.LEDGER), kind="ledger", model="m"))
    code = (
        "import os, pathlib, sys\n"
        "from facebatch.storage.parquet import read_table\n"
        "data, before = pathlib.Path(sys.argv[1]).read_bytes(), os.listdir('/proc/self/task')\n"
        "rows = read_table(data, kind='ledger', origin='').num_rows\n"
        "print(rows, len(os.listdir('/proc/self/task')) - len(before))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["300", "0"]
