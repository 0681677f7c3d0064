"""Manifests in three formats, and the row and column each fault is in."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebatch.errors import ConfigError
from facebatch.images.fields import facts
from facebatch.images.manifest import read_manifest
from facebatch.images.source import FieldsSpec, SourceSpec
from facebatch.storage.memory import MemoryStore
from facebatch.storage.settings import S3Spec

ROWS = [{"uri": "a.jpg", "subject_id": "s1"}, {"uri": "sub/b.jpg", "subject_id": "s2"}]


def as_csv(rows) -> bytes:
    return "\n".join([",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]).encode()


def as_jsonl(rows) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def as_parquet(rows) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


WRITERS = {"csv": as_csv, "jsonl": as_jsonl, "parquet": as_parquet}


@pytest.fixture
def read(tmp_path):
    store = MemoryStore(tmp_path.name)
    for key in ("m/a.jpg", "m/sub/b.jpg", "other/c.jpg"):
        store.put(key, key.encode())

    def members(data, suffix="csv", fields=FieldsSpec(), **source):  # noqa: B008 - frozen
        uri = f"{store.uri}/m/list.{suffix}"
        return read_manifest(data, uri, SourceSpec(uri=uri, fields=fields, **source), S3Spec())

    members.root = store.uri
    return members


@pytest.mark.parametrize("suffix", WRITERS)
def test_rows_in_three_formats(read, suffix):
    one, two = read(WRITERS[suffix](ROWS), suffix)
    assert (one.image_id, one.uri, one.size) == ("a.jpg", f"{read.root}/m/a.jpg", 7)
    assert (two.image_id, two.uri, two.size) == ("sub/b.jpg", f"{read.root}/m/sub/b.jpg", 11)
    assert one.fields == {"subject_id": "s1"}
    assert one.etag
    assert one.etag != two.etag


def test_absolute_and_climbing_uris(read):
    rows = [{"uri": f"{read.root}/other/c.jpg"}, {"uri": "../other/./c.jpg"}]
    one, two = read(as_csv(rows))
    assert one.uri == two.uri == f"{read.root}/other/c.jpg"
    assert (one.image_id, two.image_id) == tuple(row["uri"] for row in rows)
    with pytest.raises(ConfigError, match=r"row 2: .* leads out"):
        read(as_csv([{"uri": "../../elsewhere.jpg"}]))


def test_missing_objects_are_members(read):
    (gone,) = read(b"uri\ngone.jpg\n")
    assert (gone.size, gone.etag) == (-1, "")


def test_given_etags_ask_nobody(read):
    one, two = read(b'uri,e\na.jpg,"""abc"""\ngone.jpg,def\n', etag_column="e")
    assert (one.etag, one.size) == ("abc", 0)
    assert (two.etag, two.size) == ("def", 0)
    assert "e" not in one.fields


def test_named_ids_and_quoting(read):
    data = b'\xef\xbb\xbfid,uri,note\r\n"x, ""1""",a.jpg,"two\nlines"\r\n\r\n7,sub/b.jpg,\r\n'
    one, two = read(data, fields=FieldsSpec(image_id="id"))
    assert (one.image_id, two.image_id) == ('x, "1"', "7")


def test_parquet_times_reach_the_facts(read):
    times = pa.array([1_900_000_000], pa.timestamp("s")).cast(pa.timestamp("s", "Europe/Paris"))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"uri": ["a.jpg"], "expires_at": times}), sink)
    (member,) = read(sink.getvalue().to_pybytes(), "parquet")
    assert facts(member.fields, FieldsSpec()).expires_at.timestamp() == 1_900_000_000


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"path\na.jpg\n", r"list.csv: row 2: there is no column 'uri'; there are path"),
        (b"uri\na.jpg\n \n", "row 3: column 'uri' has no value"),
        (b"uri,x\na.jpg,1\n\nb.jpg\n", "row 4 has 1 columns, the header has 2"),
        (b"uri\na.jpg\na.jpg\n", "row 3: image id 'a.jpg' was given before"),
        (b"uri,uri\na,b\n", "row 1 names a column twice"),
        (b'uri\n"a.jpg\n', "row 2 is not CSV"),
        (b"uri\n" + b"x" * 200_000, "row 2 is not CSV"),
        (b"uri\n\xff\xfe\n", "not UTF-8"),
        (b"uri\na\x00.jpg\n", "row 2"),
    ],
)
def test_faults_of_csv(read, data, told):
    with pytest.raises(ConfigError, match=told):
        read(data)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{"uri": "a.jpg"}\n\n{"uri": ', "list.jsonl: line 3 is not JSON"),
        (b'{"uri": "a.jpg"}\n["b.jpg"]', "line 2 is not a JSON object"),
        (b'{"uri": 5}', "line 1: column 'uri'"),
        (b'{"uri": "\\ud800.jpg"}', "line 1: column 'uri'"),
        (b"[" * 100_000, "line 1 is not JSON"),
        (b"\xff", "line 1 is not JSON"),
    ],
)
def test_faults_of_json_lines(read, data, told):
    with pytest.raises(ConfigError, match=told):
        read(data, "jsonl")


def test_faults_of_parquet(read):
    with pytest.raises(ConfigError, match=r"list.parquet: row 2: column 'uri'"):
        read(as_parquet([{"uri": "a.jpg"}, {"uri": None}]), "parquet")
    with pytest.raises(ConfigError, match=r"list.parquet: not a readable Parquet file"):
        read(b"PAR1", "parquet")


def test_faults_of_named_columns(read):
    with pytest.raises(ConfigError, match="row 2: there is no column 'e'"):
        read(b"uri\na.jpg\n", etag_column="e")
    with pytest.raises(ConfigError, match="row 2: column 'e' has no value"):
        read(b"uri,e\na.jpg,\n", etag_column="e")
    with pytest.raises(ConfigError, match="row 2: column 'id' has no value"):
        read(b"uri,id\na.jpg,\n", fields=FieldsSpec(image_id="id"))


def test_other_files_are_no_manifests(read):
    with pytest.raises(ConfigError, match=r"a manifest is a \.csv"):
        read(b"", "txt")
