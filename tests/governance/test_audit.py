"""Appending: one chain, whoever writes, dies or loses a reply; and no field takes a name."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from pydantic import ValidationError

from dying import Crash, DyingStore
from facebatch.errors import CorruptError, RetryableError
from facebatch.governance.audit import (
    GENESIS,
    Anchor,
    AuditFacts,
    anchor,
    append,
    last_seq,
    open_event,
    place,
    read_event,
)
from facebatch.governance.audit_chain import read_chain, verify
from facebatch.storage import layout
from facebatch.storage.documents import canonical, dump
from facebatch.storage.local import LocalStore
from facebatch.storage.memory import MemoryStore
from facebatch.storage.store import ObjectStore
from governance.recorded import chain, facts, new_store, overwrite, resealed

THREADS, EACH = 8, 12


def record_all(store: ObjectStore, wanted: list[AuditFacts]) -> None:
    for told in wanted:
        append(store, told)


def test_events_follow_each_other_from_one() -> None:
    store, events = chain(3)
    assert [event.seq for event in events] == [1, 2, 3]
    assert [event.previous_hash for event in events] == [GENESIS, events[0].hash, events[1].hash]
    assert [info.key for info in store.list()] == [f"audit/{seq:012d}.json" for seq in (1, 2, 3)]
    assert list(read_chain(store)) == events
    assert (verify(store), anchor(store)) == ([], place(events[2]))


def test_an_event_holds_the_facts_and_its_bytes_are_canonical() -> None:
    store, told = new_store(), facts(7, subjects=("p-" + "0" * 32,))
    event = append(store, told)
    assert event.model_dump(include=set(AuditFacts.model_fields)) == told.model_dump()
    data = store.get(layout.audit_event(1))
    assert data == canonical(event.model_dump(mode="json"))
    assert open_event(data, origin="o") == event == read_event(store, 1)


BEFORE = (
    b'{"action":"search","actor":"job:match","at":"2026-03-01T01:00:00Z","config_sha256":"'
    + b"ab" * 32
    + b'","decision":"allowed","event_id":"00000000000000000000000000000002","format_version":1,"hash":"'
    b'de68ba63a544841362de4414e59bb65db5104ff7f192e9746669243c440c6df2","jurisdiction":null,"previous_hash":"'
    b'f5d5bdb263d10d023e9738c7129707fa02d1c7b0582a4dfa9d8d3d2d688812c6","purpose":null,"resource":"snapshot:1",'
    b'"seq":2,"subjects":["p-00000000000000000000000000000000"]}'
)
"""Recorded before events could state offences, authority, gallery, probes, the search's purpose and packs."""


def test_an_event_of_before_there_were_more_fields_is_whole() -> None:
    event = open_event(BEFORE, origin="o")
    assert (event.offences, event.authority, event.gallery_source, event.probes) == (None, None, None, None)
    assert (event.search_purpose, event.packs) == (None, None)
    assert dump(event) == BEFORE
    with pytest.raises(CorruptError, match="not what its hash"):
        open_event(BEFORE.replace(b'"seq":2', b'"probes":null,"seq":2'), origin="o")


def test_what_an_event_states_of_the_request_is_under_its_hash() -> None:
    stated = {"offences": ("felony", "stalking"), "authority": "warrant", "gallery_source": "mugshot", "probes": 7}
    store = new_store()
    event = append(store, facts(**stated))
    assert read_event(store, 1).model_dump(include=set(stated)) == stated
    overwrite(store, 1, event.model_copy(update={"probes": 8}))
    assert [finding.kind for finding in verify(store)] == ["changed"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"offences": ("robbery of J. Doe",)},
        {"authority": "J. Doe"},
        {"gallery_source": "J"},
        {"probes": -1},
        {"packs": {"J. Doe": "ab" * 32}},
        {"packs": {"us-md": "J. Doe"}},
        {"search_purpose": "J"},
    ],
)
def test_what_an_event_states_of_the_request_is_of_closed_lists(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        facts(**wrong)


def test_an_event_that_is_recorded_is_no_draft_of_the_next() -> None:
    store, (event,) = chain(1)
    again = append(store, event)
    assert (again.seq, again.event_id, again.previous_hash) == (2, event.event_id, event.hash)
    assert verify(store) == []


@pytest.mark.parametrize("local", [False, True], ids=["memory", "local"])
def test_threads_make_one_chain_of_all_their_events(tmp_path: Path, local: bool) -> None:
    store = LocalStore(tmp_path) if local else new_store()
    alike = facts().model_dump(exclude={"event_id"})

    def record(_: int) -> list[str]:
        return [append(store, AuditFacts.model_validate(alike)).event_id for _ in range(EACH)]

    with ThreadPoolExecutor(THREADS) as pool:
        recorded = [event_id for ids in pool.map(record, range(THREADS)) for event_id in ids]
    events = list(read_chain(store))
    assert [event.seq for event in events] == list(range(1, THREADS * EACH + 1))
    assert sorted(event.event_id for event in events) == sorted(recorded)
    assert len(set(recorded)) == THREADS * EACH
    assert verify(store) == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("writes", range(4))
def test_a_writer_that_dies_leaves_a_chain_to_go_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int, after: bool
) -> None:
    store, wanted = LocalStore(tmp_path), [facts(number) for number in range(4)]
    with monkeypatch.context() as patch:
        DyingStore(patch, writes, after)
        with pytest.raises(Crash):
            record_all(store, wanted)
    stands = [event.event_id for event in read_chain(store)]
    assert stands == [told.event_id for told in wanted[: writes + after]]
    assert verify(store) == []
    rest = [append(store, told) for told in wanted[writes + after :]]
    assert [event.seq for event in rest] == list(range(writes + after + 1, 5))
    assert [event.event_id for event in read_chain(store)] == [told.event_id for told in wanted]
    assert verify(store) == []


@pytest.mark.parametrize("call", ["get", "list", "put_if_absent"])
@pytest.mark.parametrize("moment", range(4))
def test_a_writer_that_dies_at_any_call_leaves_a_chain_to_go_on_with(
    monkeypatch: pytest.MonkeyPatch, call: str, moment: int
) -> None:
    store, events = chain(2)
    real, calls = getattr(MemoryStore, call), iter(range(100))

    def dying(*arguments: object) -> object:
        if next(calls) == moment // 2:
            if moment % 2:
                real(*arguments)
            raise Crash
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, call, dying)
        try:
            append(store, facts(2))
        except Crash:
            died = True
        else:
            died = False
    assert died == (moment < (4 if call == "get" else 2))
    assert verify(store, [place(events[-1])]) == []
    stands = last_seq(store)
    assert append(store, facts(3)).seq == stands + 1
    assert verify(store, [place(events[-1])]) == []


class Faulty(MemoryStore):
    """Says once that it is unavailable, having written or not; another writer may come first."""

    written, rival, failed = True, False, False

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if self.failed:
            return super().put_if_absent(key, data)
        self.failed = True
        if self.rival:
            append(self, facts(99))
        if self.written:
            super().put_if_absent(key, data)
        raise RetryableError("unavailable")


def faulty(*, written: bool, rival: bool = False) -> Faulty:
    store = Faulty(new_store().uri.removeprefix("memory://"))
    store.written, store.rival = written, rival
    return store


def test_a_lost_reply_is_looked_up() -> None:
    store, told = faulty(written=True), facts()
    assert (append(store, told).seq, last_seq(store)) == (1, 1)
    assert [event.event_id for event in read_chain(store)] == [told.event_id]


def test_a_lost_refusal_goes_on_behind_the_winner() -> None:
    store, told = faulty(written=False, rival=True), facts()
    assert append(store, told).seq == 2
    assert [event.resource for event in read_chain(store)] == ["snapshot:99", told.resource]
    assert verify(store) == []


def test_a_write_that_was_not_made_is_told() -> None:
    store = faulty(written=False)
    with pytest.raises(RetryableError, match="unavailable"):
        append(store, facts())
    assert last_seq(store) == 0
    assert append(store, facts()).seq == 1


def test_nothing_is_chained_to_an_altered_head() -> None:
    store, events = chain(3)
    forged = resealed(events[2], previous_hash="cd" * 32)
    for bad in (forged, resealed(events[2], seq=9), events[2].model_copy(update={"decision": "denied"})):
        overwrite(store, 3, bad)
        with pytest.raises(CorruptError, match=r"audit/000000000003\.json"):
            append(store, facts(3))
        with pytest.raises(CorruptError):
            anchor(store)
        assert last_seq(store) == 3
    overwrite(store, 3, events[2])
    store.delete(layout.audit_event(2))
    with pytest.raises(CorruptError, match=r"audit/000000000002\.json.*missing"):
        append(store, facts(3))


def test_a_number_far_ahead_does_not_pass_for_the_head() -> None:
    store, events = chain(2)
    overwrite(store, 10**12 - 1, resealed(events[1], seq=10**12 - 1))
    with pytest.raises(CorruptError, match="missing"):
        append(store, facts())


def test_the_end_of_an_empty_chain() -> None:
    store = new_store()
    assert (anchor(store), last_seq(store), verify(store)) == (Anchor(seq=0, hash=GENESIS), 0, [])
    assert list(store.list()) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"actor": "Jane Doe"},
        {"actor": "jane.doe@example.org"},
        {"actor": "job:jane doe"},
        {"resource": "case:Jane_Doe"},
        {"resource": "case:jane"},
        {"resource": "snapshot:12\n"},
        {"subjects": ("subject-7",)},
        {"subjects": ("ab" * 16,)},
        {"jurisdiction": "us md"},
        {"purpose": "curiosity"},
        {"action": "look"},
        {"decision": "maybe"},
        {"config_sha256": "ab"},
        {"note": "about Jane Doe"},
        {"at": datetime(2026, 3, 1)},
        {"at": datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=1)))},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_no_field_takes_words(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changed))):
        facts(**changed)


def test_another_spelling_of_the_same_event_is_a_change() -> None:
    _, (event,) = chain(1)
    spaced = dump(event).replace(b",", b", ")
    with pytest.raises(CorruptError, match="hash"):
        open_event(spaced, origin="o")
