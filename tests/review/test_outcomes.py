"""A sheet says one of three things about each probe, in a spelling that has one form."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import ConfigError
from facebatch.review.assignments import MAX_FACES
from facebatch.review.blinding import blind
from facebatch.review.outcomes import FinishedSheet, ProbeFinding, face_label
from facebatch.spec import parse
from reviewed import SECRET, case, finished, pair

FINDING = {"probe": "1", "outcome": "no_candidate", "candidate": None, "note": ""}


def sheet() -> dict[str, object]:
    lists = case()
    return finished(blind(lists, pair(lists)[0], SECRET), {}).model_dump(mode="json")


def test_labels_are_those_of_columns() -> None:
    labels = [face_label(place) for place in range(MAX_FACES)]
    assert labels[:3] + labels[25:28] + labels[51:53] == ["A", "B", "C", "Z", "AA", "AB", "AZ", "BA"]
    assert len(set(labels)) == MAX_FACES


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outcome": "match"}, "outcome: Input should be"),
        ({"outcome": "potential_candidate"}, "candidate: is named exactly where"),
        ({"candidate": "A"}, "candidate: is named exactly where"),
        ({"outcome": "potential_candidate", "candidate": "a"}, "candidate: String should match"),
        ({"note": "x" * 2001}, "note: String should have at most 2000"),
        ({"note": "a\x00b"}, "note: String should match"),
        ({"note": "a\rb"}, "note: String should match"),
        ({"note": "\ud800"}, "note: "),
        ({"probe": "0"}, "probe: String should match"),
        ({"score": 0.5}, "unknown key 'score'"),
    ],
)
def test_a_finding_that_is_none_is_refused_with_its_key(change: dict[str, object], words: str) -> None:
    assert parse(ProbeFinding, FINDING, origin="here").outcome == "no_candidate"
    with pytest.raises(ConfigError, match=words):
        parse(ProbeFinding, FINDING | change, origin="here")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"findings": []}, "findings: Tuple should have at least 1"),
        ({"findings": [FINDING | {"probe": "2"}]}, "one is due per probe"),
        ({"findings": [FINDING, FINDING]}, "one is due per probe"),
        ({"findings": [FINDING | {"probe": str(at)} for at in range(1, 66)]}, "findings: Tuple should have at most 64"),
        ({"finished_at": "2026-03-01T08:59:59.999Z"}, "finished_at: lies before opened_at"),
        ({"finished_at": "2026-03-01T10:00:00.000001Z"}, "whole milliseconds"),
        ({"finished_at": "2026-03-01T10:00:00+02:00"}, "must be in UTC"),
        ({"finished_at": "2026-03-01T10:00:00"}, "should have timezone"),
        ({"examiner": "Jo"}, "examiner: String should match"),
        ({"signed": True}, "unknown key 'signed'"),
    ],
)
def test_a_sheet_that_is_none_is_refused_with_its_key(change: dict[str, object], words: str) -> None:
    assert parse(FinishedSheet, sheet(), origin="here").model_dump(mode="json") == sheet()
    with pytest.raises(ConfigError, match=words):
        parse(FinishedSheet, sheet() | change, origin="here")


@pytest.mark.parametrize("key", list(FinishedSheet.model_fields))
def test_no_field_of_a_sheet_has_a_default(key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key}: Field required"):
        parse(FinishedSheet, {name: value for name, value in sheet().items() if name != key}, origin="here")


@given(st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)))
def test_times_are_spelled_as_a_browser_does(at: datetime) -> None:
    told = sheet() | {"opened_at": at.isoformat(), "finished_at": at.isoformat()}
    spelled = parse(FinishedSheet, told, origin="here").model_dump(mode="json")["opened_at"]
    assert spelled == f"{at.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
