"""Stored JSON: what is read back is what was written, and what is wrong with other bytes is said in words."""

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import CorruptError
from facebatch.spec import Spec
from facebatch.storage.documents import dump, load


class Inner(Spec):
    name: str
    counts: dict[str, int]


class Document(Spec):
    at: datetime
    day: date | None = None
    value: float | None = None
    pair: tuple[float, float] | None = None
    inner: tuple[Inner, ...] = ()


texts = st.text(st.characters(exclude_categories=("Cs",)))
numbers = st.floats(allow_nan=False, allow_infinity=False)
documents = st.builds(
    Document,
    at=st.datetimes(timezones=st.just(UTC)),
    day=st.none() | st.dates(),
    value=st.none() | numbers,
    pair=st.none() | st.tuples(numbers, numbers),
    inner=st.lists(st.builds(Inner, name=texts, counts=st.dictionaries(texts, st.integers())), max_size=3).map(tuple),
)


@given(documents)
def test_what_is_read_is_what_was_written(document: Document) -> None:
    assert load(Document, dump(document), origin="here") == document


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[1]", "a JSON object is expected, found list"),
        (b"{}", "at: Field required"),
        (json.dumps({"at": "2026-01-01T00:00:00Z", "inner": [{"nam": "x"}]}).encode(), "did you mean 'name'"),
        (json.dumps({"at": "2026-01-01T00:00:00Z", "value": "much"}).encode(), "value: Input should be a valid number"),
    ],
)
def test_what_is_wrong_is_said_with_where_it_lies(data: bytes, words: str) -> None:
    with pytest.raises(CorruptError, match=words) as error:
        load(Document, data, origin="here")
    assert str(error.value).startswith("here: ")
