"""Facts of single probes from a file: three formats, an empty cell states nothing, and each fault where it is."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebatch.errors import ConfigError, NotFoundError
from facebatch.governance.facts import Facts, with_changes
from facebatch.pipelines.probe_facts import COLUMNS, find_strangers, parse_probe_facts, read_probe_facts
from facebatch.storage.settings import S3Spec

ROWS = [
    {
        "probe_id": "a/1.jpg",
        "media_kind": "still",
        "edited": False,
        "quality": 71.5,
        "event_contexts": [],
        "face_x": 120.5,
        "face_y": 80.0,
    },
    {"probe_id": "a/2.jpg", "is_sketch": True, "event_contexts": ["protest", "union"], "source": "a kiosk"},
    {"probe_id": "a/3.jpg", "lawful_collection": True, "seized_device": False},
]
CSV = """\
probe_id,media_kind,source,edited,is_sketch,quality,lawful_collection,seized_device,event_contexts,face_x,face_y
a/1.jpg,still,,false,,71.5,,,none,120.5,80
a/2.jpg,,a kiosk,,TRUE,,,,protest; union,,
a/3.jpg,,, ,,,1,no,,,
"""


def parquet(rows: list[dict[str, object]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([{name: row.get(name) for name in COLUMNS} for row in rows]), sink)
    return sink.getvalue()


def json_lines(rows: list[dict[str, object]]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def test_all_formats_say_the_same() -> None:
    files = {"f.csv": CSV.encode(), "f.jsonl": json_lines(ROWS), "f.parquet": parquet(ROWS)}
    found = [parse_probe_facts(data, uri) for uri, data in files.items()]
    assert found[0].facts == found[1].facts == found[2].facts
    assert found[0].points == found[1].points == found[2].points == {"a/1.jpg": (120.5, 80.0)}
    assert found[0].facts == {
        "a/1.jpg": {
            "probe.media_kind": "still",
            "probe.edited": False,
            "probe.quality": 71.5,
            "event_contexts": (),
        },
        "a/2.jpg": {"probe.source": "a kiosk", "probe.is_sketch": True, "event_contexts": ("protest", "union")},
        "a/3.jpg": {"probe.lawful_collection": True, "probe.seized_device": False},
    }
    assert len({each.sha256 for each in found}) == 3


def test_what_is_stated_replaces_what_the_request_says_of_all_and_nothing_else() -> None:
    request = with_changes(Facts(), {"probe.is_sketch": False, "probe.edited": False, "event_contexts": ()})
    facts = parse_probe_facts(CSV.encode(), "f.csv").facts["a/2.jpg"]
    merged = with_changes(request, facts)
    assert (merged.probe.is_sketch, merged.probe.edited, merged.event_contexts) == (True, False, ("protest", "union"))


def test_a_row_with_an_id_alone_states_nothing() -> None:
    assert parse_probe_facts(b"probe_id\na\nb\n", "f.csv").facts == {"a": {}, "b": {}}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("f.csv", b"probe_id,edted\na,true\n", r"f.csv: row 2: unknown column 'edted'; did you mean 'edited'\?"),
        ("f.csv", b"probe_id,count\na,1\n", "f.csv: row 2: unknown column 'count'"),
        ("f.csv", b"edited\ntrue\n", "f.csv: row 2: there is no column probe_id"),
        ("f.csv", b"probe_id,edited\n ,true\n", "f.csv: row 2: column probe_id has no value"),
        ("f.csv", b"probe_id\na\nb\na\n", "f.csv: row 4: probe_id is given before, in f.csv: row 2; keep one row"),
        ("f.csv", b"probe_id,edited\na,perhaps\n", "f.csv: row 2: column edited: Input should be a valid boolean"),
        ("f.csv", b"probe_id,media_kind\na,film\n", "row 2: column media_kind: .*'still', 'video_frame' or"),
        ("f.csv", b"probe_id,event_contexts\na,protest;none\n", "row 2: column event_contexts: Input should be"),
        ("f.csv", b"probe_id,quality\na,nan\n", "row 2: column quality: a number from 0 to 100"),
        ("f.csv", b"probe_id,quality\na,100.1\n", "row 2: column quality: a number from 0 to 100"),
        ("f.csv", b"probe_id,quality\na,good\n", "row 2: column quality: Input should be a valid number"),
        ("f.csv", b"probe_id,face_x,face_y\na,3,\n", "row 2: column face_y: px in the upright image"),
        ("f.csv", b"probe_id,face_y\na,3\n", "row 2: column face_x: px in the upright image"),
        ("f.csv", b"probe_id,face_x,face_y\na,-1,2\n", "row 2: column face_x: px in the upright image"),
        ("f.csv", b"probe_id,face_x,face_y\na,1,inf\n", "row 2: column face_y: px in the upright image"),
        ("f.csv", b"probe_id,edited\na\n", "f.csv: row 2 has 1 columns, the header has 2"),
        ("f.csv", b"probe_id,edited\n", "f.csv: no row states facts of a probe; leave probe_facts out"),
        ("f.csv", b"", "f.csv: no row states facts"),
        ("f.csv", b"probe_id\n\xff\n", "f.csv: not UTF-8"),
        ("f.jsonl", b'{"probe_id": 7}', "f.jsonl: line 1: column probe_id has no value"),
        ("f.jsonl", b'{"probe_id": "a"}\n{"probe_id": "b"', "f.jsonl: line 2 is not JSON"),
        ("f.jsonl", b'{"probe_id": "a", "quality": true}', "line 1: column quality: a number from 0 to 100"),
        ("f.jsonl", b'{"probe_id": "a", "face_x": true, "face_y": 1}', "line 1: column face_x: px"),
        ("f.jsonl", b'{"probe_id": "a", "edited": []}', "line 1: column edited: Input should be a valid boolean"),
        ("f.jsonl", b'{"probe_id": "a", "source": 3}', "line 1: column source: Input should be a valid string"),
        ("f.parquet", b"PAR1", "f.parquet: not a readable Parquet file"),
        ("f.txt", b"probe_id\na\n", "f.txt: a manifest is a .csv, .jsonl or .parquet file"),
    ],
)
def test_each_fault_is_told_with_its_file_row_and_column(name: str, data: bytes, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_probe_facts(data, name)


def test_a_value_that_is_refused_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_probe_facts(b"probe_id,edited\na,Jane Doe\n", "f.csv")
    assert "Jane" not in str(caught.value)


def test_rows_of_no_probe_are_counted_and_the_first_is_named() -> None:
    stated = parse_probe_facts(b"probe_id\nz\nb\na\n", "f.csv")
    assert find_strangers(stated, ["a", "b", "z", "other"]) is None
    strangers = find_strangers(stated, ["a", "other"])
    assert strangers is not None
    assert strangers.words.startswith("f.csv: 2 of 3 rows name no probe of this search (first: 'b')")


def test_a_file_is_read_through_the_store(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_text(CSV)
    assert read_probe_facts(str(path), S3Spec()).facts == parse_probe_facts(CSV.encode(), "f.csv").facts
    with pytest.raises(NotFoundError):
        read_probe_facts(str(tmp_path / "none.csv"), S3Spec())
