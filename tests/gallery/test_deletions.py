"""Deletion requests: read whole or refused whole, by file, line and key."""

import json

import pytest

from facebatch.errors import ConfigError, NotFoundError
from facebatch.gallery.deletions import Deletion, parse_request, read_request
from facebatch.storage.memory import MemoryStore
from facebatch.storage.settings import S3Spec

HEADER = "kind,id,reason,authority\n"


def test_lines_of_csv_and_jsonl_mean_the_same() -> None:
    line = {"kind": "subject", "id": "s1", "reason": "expunged, by order", "authority": "court 4"}
    csv = parse_request((HEADER + 'subject,s1,"expunged, by order",court 4\n').encode(), "a.csv")
    jsonl = parse_request((json.dumps(line) + "\n").encode(), "a.jsonl")
    assert csv.deletions == (Deletion("a.csv: row 2", "subject", "s1", "expunged, by order", "court 4"),)
    assert jsonl.deletions == (Deletion("a.jsonl: line 1", "subject", "s1", "expunged, by order", "court 4"),)
    assert csv.sha256 != jsonl.sha256


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no line"),
        (HEADER, "no line"),
        (HEADER + "person,s1,r,a\n", "row 2: kind"),
        (HEADER + "subject,,r,a\n", "row 2: id"),
        (HEADER + "subject,s1,,a\n", "row 2: reason"),
        (HEADER + "subject,s1,r, \n", "row 2: authority"),
        (HEADER + "subject,s1,r\n", "row 2 has 3 columns"),
        (HEADER + "subject,s1,r,a\nsubject,s1,r,b\n", r"row 3: subject is asked for before, in x.csv: row 2"),
        ("kind,id,reason\nsubject,s1,r\n", "row 2: has the keys kind, id, reason; exactly"),
        ("kind,id,reason,authority,note\nsubject,s1,r,a,n\n", "row 2: has the keys"),
    ],
)
def test_a_malformed_file_is_refused_by_line_and_key(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"x\.csv.*{said}"):
        parse_request(text.encode(), "x.csv")


def test_what_is_no_request_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\.csv or \.jsonl"):
        parse_request(b"", "x.xlsx")
    with pytest.raises(ConfigError, match="line 1: id"):
        parse_request(b'{"kind": "subject", "id": 7, "reason": "r", "authority": "a"}', "x.jsonl")
    with pytest.raises(NotFoundError):
        read_request("memory://deletions/none.csv", S3Spec())


def test_a_request_lies_anywhere_a_store_does() -> None:
    MemoryStore("deletions").put("night/1.csv", (HEADER + "image,i,r,a\n").encode())
    request = read_request("memory://deletions/night/1.csv", S3Spec())
    assert [deletion.kind for deletion in request.deletions] == ["image"]
