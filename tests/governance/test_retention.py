"""Clocks, obligations and deadlines: what is due, why, and since when; whatever is stricter only makes more due."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import ConfigError
from facebatch.governance.obligations import Obligations, merge
from facebatch.governance.retention import (
    CLASSES,
    Due,
    Moment,
    RetentionSpec,
    SearchState,
    class_of,
    find_due,
    is_awaiting,
)
from facebatch.spec import parse

DAY = timedelta(days=1)
DECIDED = datetime(2026, 5, 1, 15, tzinfo=UTC)
WEEK = Obligations(retain_probe_days=7, retain_candidates_days=30)
LISTS = "candidate_lists"


def at(time: datetime) -> Moment:
    return Moment(time, time.replace(hour=0, minute=0, second=0, microsecond=0) + DAY)


def decided(**changes: Any) -> SearchState:
    return replace(SearchState(DECIDED, DECIDED), **changes)


def due(search: SearchState, time: datetime, **settings: object) -> dict[str, tuple[str, datetime]]:
    found = find_due(search, RetentionSpec(**settings), at(time))
    return {each.object_class: (each.reason, each.since) for each in found}


def test_nothing_is_due_without_a_clock() -> None:
    assert due(decided(), DECIDED + 36_000 * DAY) == {}


def test_each_class_has_a_clock_of_its_own_that_counts_from_the_run_of_its_day() -> None:
    clocks = {"probe_media_days": 1, "probe_templates_days": 2, "candidate_lists_days": 3, "leads_days": 4}
    midnight = datetime(2026, 5, 1, tzinfo=UTC)
    assert due(decided(), midnight + 1 * DAY - timedelta(microseconds=1), **clocks) == {}
    for days, classes in enumerate((["probe_media"], ["probe_templates"], [LISTS], ["leads"]), start=1):
        found = due(decided(), midnight + days * DAY, **clocks)
        assert len(found) == days + 1
        assert found["sheets"] == ("clock", DECIDED + 1 * DAY)
        assert [found[name] for name in classes] == [("clock", DECIDED + days * DAY)]


def test_the_shorter_of_settings_and_packs_wins() -> None:
    packs = decided(obligations=WEEK)
    later = DECIDED + 40 * DAY
    assert due(packs, later) == {
        "sheets": ("policy", DECIDED + 7 * DAY),
        "probe_media": ("policy", DECIDED + 7 * DAY),
        "probe_templates": ("policy", DECIDED + 7 * DAY),
        LISTS: ("policy", DECIDED + 30 * DAY),
    }
    assert due(packs, later, candidate_lists_days=29)[LISTS] == ("clock", DECIDED + 29 * DAY)
    assert due(packs, later, candidate_lists_days=31)[LISTS] == ("policy", DECIDED + 30 * DAY)


def test_days_of_a_closed_case_do_not_run_before_it_is_closed_and_those_of_packs_do() -> None:
    clocks = {"starts": "case_close", "candidate_lists_days": 1, "leads_days": 0}
    later = DECIDED + 40 * DAY
    assert due(decided(), later, **clocks) == {}
    assert due(decided(obligations=WEEK), later, **clocks)[LISTS] == ("policy", DECIDED + 30 * DAY)
    closed = decided(closed_on=date(2026, 6, 1))
    assert due(closed, later, **clocks)[LISTS] == ("clock", datetime(2026, 6, 2, tzinfo=UTC))
    assert due(decided(closed_on=date(2020, 1, 1)), later, **clocks)["leads"] == ("clock", DECIDED)


def test_a_pending_authorisation_has_until_its_deadline_to_the_second() -> None:
    deadline = DECIDED + 2 * DAY
    pending = decided(pending_until=deadline)
    before, tick = deadline - timedelta(microseconds=1), timedelta(seconds=1)
    assert (due(pending, before), is_awaiting(pending, before)) == ({}, True)
    assert (due(pending, deadline), is_awaiting(pending, deadline)) == (
        dict.fromkeys(CLASSES, ("not_authorised", deadline)),
        False,
    )
    assert due(replace(pending, authorised_at=deadline - tick), deadline + 9 * DAY) == {}
    assert LISTS in due(replace(pending, authorised_at=deadline), deadline)
    assert not is_awaiting(replace(pending, authorised_at=deadline - tick), before)
    refused = replace(pending, refused_at=DECIDED + tick)
    assert due(refused, DECIDED + tick) == dict.fromkeys(CLASSES, ("refused", DECIDED + tick))
    assert not is_awaiting(refused, before)


def test_a_search_without_certificate_goes_when_nothing_was_written_for_long() -> None:
    running = SearchState(None, DECIDED)
    assert due(running, DECIDED + 29 * DAY, candidate_lists_days=0) == {}
    assert due(running, DECIDED + 30 * DAY)[LISTS] == ("unfinished", DECIDED + 30 * DAY)
    assert due(running, DECIDED + 3 * DAY, unfinished_days=3).keys() == set(CLASSES)
    assert due(SearchState(None, None), DECIDED + 9999 * DAY) == {}


def test_a_deletion_that_began_is_finished_for_the_reason_it_began_for() -> None:
    begun = Due("leads", "refused", DECIDED)
    assert find_due(decided(begun={"leads": begun}), RetentionSpec(), at(DECIDED)) == (begun,)


def test_days_beyond_the_calendar_never_come() -> None:
    far = decided(obligations=Obligations(retain_probe_days=10**9, retain_candidates_days=0))
    assert due(far, DECIDED).keys() == {"sheets", LISTS}


@pytest.mark.parametrize(
    ("key", "object_class"),
    [
        ("probes/templates/a-1.parquet", "probe_templates"),
        ("blocks/000000.parquet", "probe_templates"),
        ("probes/ledger/a-1.parquet", "probe_media"),
        ("probes/commits/a.json", "probe_media"),
        ("probes/timings/a-1.parquet", "probe_media"),
        ("leads/1.json", "leads"),
        ("candidates/000000.parquet", LISTS),
        ("cells/commits/c.json", LISTS),
        ("manifest.json", LISTS),
        ("what-nobody-knows", LISTS),
    ],
)
def test_every_object_of_a_search_is_of_one_class(key: str, object_class: str) -> None:
    assert class_of(key) == object_class


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"candidate_list_days": 3}, "did you mean 'candidate_lists_days'"),
        ({"leads_days": -1}, "retention: leads_days: Input should be greater than or equal to 0"),
        ({"leads_days": 36_501}, "leads_days"),
        ({"unfinished_days": 0}, "unfinished_days"),
        ({"starts": "arrest"}, "starts: Input should be 'decision' or 'case_close'"),
    ],
)
def test_wrong_settings_are_refused_by_key(values: Mapping[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(RetentionSpec, values, origin="retention")
    assert words in str(caught.value)


DAYS = st.none() | st.integers(0, 60)
SPECS = st.builds(
    RetentionSpec,
    probe_media_days=DAYS,
    probe_templates_days=DAYS,
    candidate_lists_days=DAYS,
    leads_days=DAYS,
    starts=st.sampled_from(["decision", "case_close"]),
)
MOMENTS = st.datetimes(datetime(2026, 5, 1), datetime(2026, 7, 1)).map(lambda time: time.replace(tzinfo=UTC))
TIMES = st.none() | MOMENTS
STATES = st.builds(
    SearchState,
    decided_at=TIMES,
    written_at=TIMES,
    obligations=st.builds(Obligations, retain_probe_days=DAYS, retain_candidates_days=DAYS),
    closed_on=st.none() | st.dates(date(2026, 4, 1), date(2026, 7, 1)),
    pending_until=TIMES,
    authorised_at=TIMES,
    refused_at=TIMES,
)


@given(STATES, SPECS, MOMENTS, st.timedeltas(timedelta(), 90 * DAY))
def test_what_is_due_stays_due(search: SearchState, spec: RetentionSpec, now: datetime, later: timedelta) -> None:
    before, after = ({due.object_class: due for due in find_due(search, spec, at(time))} for time in (now, now + later))
    assert before.keys() <= after.keys()
    assert all(after[name].since <= due.since for name, due in before.items())


@given(STATES, SPECS, MOMENTS, st.builds(Obligations, retain_probe_days=DAYS, retain_candidates_days=DAYS))
def test_one_more_obligation_never_keeps_anything(
    search: SearchState, spec: RetentionSpec, now: datetime, more: Obligations
) -> None:
    stricter = replace(search, obligations=merge([search.obligations, more]))
    before = {due.object_class: due.since for due in find_due(search, spec, at(now))}
    after = {due.object_class: due.since for due in find_due(stricter, spec, at(now))}
    assert before.keys() <= after.keys()
    assert all(after[name] <= since for name, since in before.items())


@given(STATES, SPECS, MOMENTS)
def test_nothing_is_due_before_the_end_of_its_day_and_no_deadline_before_it_passed(
    search: SearchState, spec: RetentionSpec, now: datetime
) -> None:
    for found in find_due(search, spec, at(now)):
        assert found.since < at(now).day_end or found.reason == "refused"
        assert found.reason != "not_authorised" or found.since <= now


def test_sheets_go_with_probes_or_with_lists_whichever_goes_first() -> None:
    later = DECIDED + 40 * DAY
    for clocks, days in (
        ({"probe_media_days": 3, "candidate_lists_days": 9}, 3),
        ({"probe_media_days": 9, "candidate_lists_days": 3}, 3),
        ({"candidate_lists_days": 9}, 9),
    ):
        assert due(decided(), later, **clocks)["sheets"] == ("clock", DECIDED + days * DAY)
    assert "sheets" not in due(decided(), later, probe_templates_days=1, leads_days=1)
    begun = decided(begun={"probe_media": Due("probe_media", "clock", DECIDED)})
    assert due(begun, DECIDED)["sheets"] == ("clock", DECIDED)


def test_what_was_revoked_goes_at_once_where_packs_purge_and_else_with_its_days() -> None:
    revoked = {"authorised_at": DECIDED, "pending_until": DECIDED + DAY, "revoked_at": DECIDED + 2 * DAY}
    purged = decided(obligations=Obligations(purge_unlawful=True), **revoked)
    assert due(purged, DECIDED + 3 * DAY) == dict.fromkeys(CLASSES, ("revoked", DECIDED + 2 * DAY))
    kept = decided(obligations=WEEK, **revoked)
    assert due(kept, DECIDED + 3 * DAY) == {}
    assert due(kept, DECIDED + 8 * DAY).keys() == {"sheets", "probe_media", "probe_templates"}
    assert due(decided(obligations=Obligations(purge_unlawful=True)), DECIDED + 3 * DAY) == {}


def test_of_an_unfinished_search_the_days_of_its_packs_count_and_those_of_the_settings_do_not() -> None:
    running = decided(certified=False, obligations=WEEK, written_at=DECIDED + 7 * DAY)
    clocks = {"probe_media_days": 1, "probe_templates_days": 1, "candidate_lists_days": 1, "leads_days": 1}
    assert due(running, DECIDED + 5 * DAY, **clocks) == {}
    found = due(running, DECIDED + 8 * DAY, **clocks)
    assert found.keys() == {"sheets", "probe_media", "probe_templates"}
    assert {reason for reason, _ in found.values()} == {"policy"}
    assert due(running, DECIDED + 37 * DAY)["leads"] == ("unfinished", DECIDED + 37 * DAY)
