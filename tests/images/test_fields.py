"""Text and numbers to facts; what cannot be read is never dropped in silence."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.images.fields import FactError, Facts, facts, wanted
from facebatch.images.source import FieldsSpec

SPEC = FieldsSpec(image_id="id", groups=("sex", "age"))
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def test_all_facts():
    values = {
        "id": "a", "subject_id": 7, "captured_at": "2024-03-01T13:00:00+01:00", "expires_at": 1709294400,
        "sex": "f", "age": 31, "other": object(),
    }  # fmt: skip
    assert facts(values, SPEC) == Facts("a", "7", NOON, NOON, (("age", "31"), ("sex", "f")))


def test_absent_values_are_unknown():
    empty = {"id": "", "subject_id": "  ", "captured_at": None, "expires_at": "", "sex": None, "age": ""}
    assert facts(empty, SPEC) == facts({}, SPEC) == Facts()
    nothing = FieldsSpec(subject_id=None, captured_at=None, expires_at=None)
    assert facts({"subject_id": "x", "expires_at": "rubbish"}, nothing) == Facts()


def test_wanted_columns():
    assert wanted(SPEC) == {"id", "subject_id", "captured_at", "expires_at", "sex", "age"}


@pytest.mark.parametrize(
    "value",
    [
        "2024-03-01T12:00:00Z", "20240301T120000+0000", "1709294400", "1709294400.0", 1709294400, 1709294400.0, NOON,
        NOON.astimezone(timezone(timedelta(hours=-7))),
    ],
)  # fmt: skip
def test_times(value):
    got = facts({"expires_at": value}, FieldsSpec()).expires_at
    assert got == NOON
    assert got.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "value",
    [
        "2024-03-01", "2024-03-01T12:00:00", "20240301", 20240301, "tomorrow", "2024-13-01T00:00:00Z", 1709294400000,
        -1, 0, math.nan, math.inf, True, [], {}, b"2024", datetime(2024, 3, 1), NOON.date(), "9" * 5000,
        "0001-01-01T00:00:00+14:00", ValueError("a cell that Arrow could not read"), "12345678", "\u0660" * 10,
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["captured_at", "expires_at"])
def test_unreadable_times_name_their_key(value, key):
    with pytest.raises(FactError, match=key):
        facts({key: value}, FieldsSpec())


@pytest.mark.parametrize(
    "value", [1.0, math.nan, True, ["a"], {"a": 1}, b"a", "\ud800", pytest.param(10**5000, id="long")]
)
@pytest.mark.parametrize("key", ["id", "subject_id", "sex"])
def test_unreadable_texts_name_their_key(value, key):
    with pytest.raises(FactError, match=key) as caught:
        facts({key: value}, SPEC)
    assert str(caught.value).isprintable()


@given(st.datetimes(min_value=datetime(1975, 1, 1), timezones=st.timezones()))
def test_times_keep_their_instant(when):
    assert facts({"expires_at": when.isoformat()}, FieldsSpec()).expires_at == when.astimezone(UTC)


@given(st.integers(100_000_000, 253_402_300_799))
def test_seconds_as_number_and_as_text_agree(seconds):
    number, text = (facts({"captured_at": value}, FieldsSpec()).captured_at for value in (seconds, str(seconds)))
    assert number == text == datetime.fromtimestamp(seconds, UTC)


@given(st.dictionaries(st.sampled_from(["id", "subject_id", "expires_at", "sex"]), st.from_type(object) | st.text()))
def test_anything_is_facts_or_a_fact_error(values):
    try:
        known = facts(values, SPEC)
    except FactError:
        return
    assert known.subject_id is None or known.subject_id.strip()
    assert known.expires_at is None or known.expires_at.tzinfo is UTC
