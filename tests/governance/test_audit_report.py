"""Reports: right counts, and none that could be worked out although it is not told."""

import itertools
from collections import Counter, defaultdict
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.governance.audit import AuditEvent, append
from facebatch.governance.audit_chain import read_chain
from facebatch.governance.audit_report import TABLES, summarise, text
from facebatch.governance.condition import lies_within
from facebatch.governance.small_counts import LIMIT, SMALL, WITHHELD, protect, protect_one
from governance.recorded import facts, new_store


def recorded(*groups: tuple[int, dict[str, object]]) -> list[AuditEvent]:
    store = new_store()
    for count, changed in groups:
        for _ in range(count):
            append(store, facts(**changed))
    return list(read_chain(store))


def in_month(month: int, year: int = 2026) -> dict[str, object]:
    return {"at": datetime(year, month, 5, tzinfo=UTC)}


def test_counts_of_a_year_and_a_jurisdiction() -> None:
    events = recorded(
        (6, in_month(3)),
        (5, in_month(12) | {"action": "export", "decision": "denied", "purpose": None, "jurisdiction": "US-MD"}),
        (9, in_month(12, 2025)),
        (9, in_month(1, 2027)),
        (7, in_month(3) | {"jurisdiction": "us-wa"}),
        (3, in_month(3) | {"jurisdiction": None}),
    )
    report = summarise(events, 2026, "us-md")
    assert report.events == "11"
    assert report.no_jurisdiction == SMALL
    assert report.tables == {
        "month": {"2026-03": "6", "2026-12": "5"},
        "purpose": {"missing_person": "6", "not stated": "5"},
        "action": {"export": "5", "search": "6"},
        "decision": {"allowed": "6", "denied": "5"},
    }
    lines = text(report).splitlines()
    assert [line.split() for line in lines if line.startswith("  2026")] == [["2026-03", "6"], ["2026-12", "5"]]


def test_the_year_begins_and_ends_at_midnight_utc() -> None:
    edges = [datetime(2025, 12, 31, 23, 59, 59, 999999, UTC), datetime(2026, 1, 1, tzinfo=UTC)]
    edges += [datetime(2026, 12, 31, 23, 59, 59, 999999, UTC), datetime(2027, 1, 1, tzinfo=UTC)]
    events = recorded(*((6, {"at": at}) for at in edges))
    assert summarise(events, 2026, "us-md").tables["month"] == {"2026-01": "6", "2026-12": "6"}


@pytest.mark.parametrize(
    ("place", "outer", "expected"),
    [
        ("us-md", "US-MD", True),
        ("US-MD-BALTIMORE", "us-md", True),
        ("us-md", "us-md-x", False),
        ("us-mdx", "us-md", False),
    ],
)
def test_a_place_lies_within_another_whatever_the_case(place: str, outer: str, expected: bool) -> None:
    assert lies_within(place, outer) == expected
    events = recorded((6, {"jurisdiction": place}))
    assert summarise(events, 2026, outer).events == ("6" if expected else "0")


def test_an_event_that_was_recorded_twice_counts_once() -> None:
    events = recorded((6, {"event_id": "ab" * 16}), (5, {}))
    assert summarise(events, 2026, "us-md").events == "6"


@pytest.mark.parametrize(("count", "told"), [(0, "0"), (1, "<5"), (4, "<5"), (5, "5")])
def test_a_small_total_stands_alone(count: int, told: str) -> None:
    report = summarise(recorded((count, {})), 2026, "us-md")
    assert report.events == told
    assert all(bool(table) == (count >= LIMIT) for table in report.tables.values())
    assert ("by month\n  withheld" in text(report)) == (0 < count < LIMIT)
    assert ("by month\n  none" in text(report)) == (count == 0)


def test_a_small_count_takes_another_with_it() -> None:
    report = summarise(recorded((20, {}), (2, {"action": "export"}), (9, {"action": "review"})), 2026, "us-md")
    assert report.tables["action"] == {"export": SMALL, "review": WITHHELD, "search": "20"}
    assert report.tables["decision"] == {"allowed": "31"}
    assert "<5: 1 to 4; withheld" in text(report)


def test_one_count_cannot_hide_behind_a_total() -> None:
    assert protect({"a": 1, "b": 5}) == {}
    assert protect({"a": 4, "b": 5}) == {"a": SMALL, "b": WITHHELD}
    assert protect({"a": 4, "b": 4}) == {}
    assert protect({"a": 0, "b": 5}) == {"b": "5"}
    assert protect({}) == {}
    assert [protect_one(count) for count in (0, 1, 4, 5)] == ["0", SMALL, SMALL, "5"]


@pytest.mark.parametrize(("cells", "highest"), [(1, 30), (2, 24), (3, 16), (4, 11)])
def test_whoever_knows_the_total_and_the_method_cannot_work_a_small_count_out(cells: int, highest: int) -> None:
    """All tables there can be, by what is printed of them: each small cell takes three values or more."""
    told: dict[object, list[set[int]]] = defaultdict(lambda: [set() for _ in range(cells)])
    for counts in itertools.product(range(highest + 1), repeat=cells):
        printed = protect({str(cell): count for cell, count in enumerate(counts)})
        if SMALL in printed.values() and sum(counts) <= highest:
            for cell, values in enumerate(told[(sum(counts), tuple(printed.items()))]):
                values.add(counts[cell])
    for (_, printed), values in told.items():
        for name, word in printed:
            assert word not in (SMALL, WITHHELD) or len(values[int(name)]) >= 3
    assert bool(told) == (cells > 1)


counts = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 40), max_size=8)


@given(counts)
def test_what_is_printed_is_right_or_hidden(table: dict[str, int]) -> None:
    printed = protect(table)
    assert not printed or set(printed) == {name for name, count in table.items() if count}
    for name, word in printed.items():
        assert word == str(table[name]) or (word == SMALL) == (table[name] < LIMIT)
    marks = Counter(printed.values())
    assert bool(marks[SMALL]) == bool(marks[WITHHELD])


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from(["search", "export", "review"])), max_size=40))
def test_no_small_count_is_printed_anywhere(drawn: list[tuple[int, str]]) -> None:
    events = recorded(*((1, in_month(month) | {"action": action}) for month, action in drawn))
    report = summarise(events, 2026, "us-md")
    words = [word for name in TABLES for word in report.tables[name].values()]
    assert not {*words, report.events} & {"1", "2", "3", "4"}
