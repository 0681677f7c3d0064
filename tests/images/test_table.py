"""Parquet shards: one result per row."""

from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebatch.errors import ShardError
from facebatch.images.records import EncodedImage
from facebatch.images.source import FieldsSpec, SourceSpec
from facebatch.images.table import read_table
from facebatch.schemas import Outcome
from images.makers import jpeg

SOURCE = SourceSpec(uri="unused")
A, B = jpeg(20, 20), jpeg(21, 20)
NOON = datetime(2030, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def read(tmp_path):
    def results(columns, source=SOURCE, **options):
        path = tmp_path / "shard.parquet"
        if isinstance(columns, bytes):
            path.write_bytes(columns)
        else:
            pq.write_table(pa.table(columns), path, **options)
        return list(read_table(path, "s3://b/shard.parquet", "shard.parquet", source))

    return results


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_rows_are_images(read, kind):
    one, two = read({"image": pa.array([A, B], kind), "subject_id": ["s", None], "other": [1, 2]})
    assert (one.image_id, one.member, one.data, one.subject_id) == ("shard.parquet/00000000",) * 2 + (A, "s")
    assert (two.image_id, two.data, two.subject_id) == ("shard.parquet/00000001", B, None)


def test_structs_as_hugging_face_writes_them(read):
    column = pa.array([{"bytes": A, "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}, None])
    one, two, three = read({"image": column})
    assert one.data == A
    assert (two.outcome, three.outcome) == (Outcome.MISSING, Outcome.MISSING)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_with_a_zone(read, unit):
    zoned = pa.array([NOON.replace(tzinfo=None)], pa.timestamp(unit)).cast(pa.timestamp(unit, "Asia/Tokyo"))
    (image,) = read({"image": [A], "expires_at": zoned})
    assert image.expires_at == NOON
    assert image.expires_at.tzinfo is UTC


def test_zone_that_python_does_not_know(read):
    zoned = pa.array([NOON.replace(tzinfo=None)], pa.timestamp("us")).cast(pa.timestamp("us", "+05:30"))
    (image,) = read({"image": [A], "expires_at": zoned})
    assert image.expires_at == NOON.astimezone(timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([datetime(2030, 1, 1)], pa.timestamp("us")),
        pa.array([NOON.date()]),
        pa.array([2**62], pa.int64()).cast(pa.timestamp("ms", "UTC")),  # 2**62 ms as µs wraps round to 1970
        pa.array([b"x"]),
        pa.array([["x"]]),
        pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff\xfe"]).buffers()),
    ],
    ids=lambda column: str(column.type),
)
def test_unreadable_facts_stop_their_row(read, column):
    (reject,) = read({"image": [A], "expires_at": column})
    assert reject.outcome == Outcome.METADATA_ERROR
    assert "expires_at" in reject.reason


def test_given_ids(read):
    source = SourceSpec(uri="unused", fields=FieldsSpec(image_id="id", groups=("g",)))
    results = read({"image": [A, B, A], "id": ["x", "x", None], "g": [1, 2, None]}, source)
    assert [result.image_id for result in results] == ["x", "x", "shard.parquet/00000002"]
    assert results[0].groups == (("g", "1"),)
    assert results[1].outcome == Outcome.DUPLICATE_MEMBER


def test_limits(read):
    source = SourceSpec(uri="unused", max_image_bytes=len(A), max_members=2)
    one, two = read({"image": [A, A + b"\0"]}, source)
    assert isinstance(one, EncodedImage)
    assert (two.outcome, two.sha256) == (Outcome.TOO_LARGE, None)
    with pytest.raises(ShardError, match="3 rows, more than 2"):
        read({"image": [A, A, A]}, source)


def test_files_as_a_whole(read):
    assert read({"image": pa.array([], pa.binary())}) == []
    for data in (b"", b"PAR1", A, b"PAR1" + b"\xff" * 50 + b"PAR1"):
        with pytest.raises(ShardError, match="not a readable Parquet file"):
            read(data)
    with pytest.raises(ShardError, match=r"no column 'image'.*photo"):
        read({"photo": [A]})
    with pytest.raises(ShardError, match="int64 in column 'image'"):
        read({"image": [1]})


def test_damage_in_a_page_is_seen(tmp_path):
    path = tmp_path / "shard.parquet"
    pq.write_table(pa.table({"image": [A, B]}), path, compression="none", write_page_checksum=True)
    data = bytearray(path.read_bytes())
    data[data.index(B) + 50] ^= 1
    path.write_bytes(data)
    with pytest.raises(ShardError, match="not a readable"):
        list(read_table(path, "u", "n", SOURCE))


def test_rows_keep_their_order_over_row_groups(read):
    results = read({"image": [bytes([i]) * 50 for i in range(100)]}, row_group_size=7)
    assert [result.data[0] for result in results] == list(range(100))
    assert results[99].image_id == "shard.parquet/00000099"
