"""Verifying: every tampering is found and names the event; what needs an anchor is found with one."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.governance.audit import Anchor, AuditEvent, append, place
from facebatch.governance.audit_chain import verify
from facebatch.storage import layout
from facebatch.storage.memory import MemoryStore
from governance.recorded import chain, facts, overwrite, resealed, rewrite_from

LENGTH = 7
Tamper = Callable[[MemoryStore, list[AuditEvent], int], None]


def found(store: MemoryStore, *anchors: Anchor) -> list[tuple[str, int]]:
    return [(finding.kind, finding.seq) for finding in verify(store, anchors)]


def change(store: MemoryStore, events: list[AuditEvent], seq: int) -> None:
    overwrite(store, seq, events[seq - 1].model_copy(update={"decision": "denied"}))


def garble(store: MemoryStore, events: list[AuditEvent], seq: int) -> None:
    store.put(layout.audit_event(seq), b"\xff" + events[seq - 1].hash.encode())


def replace(store: MemoryStore, events: list[AuditEvent], seq: int) -> None:
    overwrite(store, seq, resealed(events[seq - 1], decision="denied"))


def remove(store: MemoryStore, events: list[AuditEvent], seq: int) -> None:
    store.delete(layout.audit_event(seq))


def move(store: MemoryStore, events: list[AuditEvent], seq: int) -> None:
    overwrite(store, seq, events[seq % LENGTH])


KINDS: dict[str, Tamper] = {"changed": change, "forged": replace, "removed": remove, "reordered": move}


@pytest.mark.parametrize("seq", range(1, LENGTH))
@pytest.mark.parametrize("kind", KINDS)
def test_each_tampering_is_named_with_and_without_an_anchor(kind: str, seq: int) -> None:
    store, events = chain(LENGTH)
    KINDS[kind](store, events, seq)
    assert found(store, place(events[-1])) == [(kind, seq)]
    beside_the_end = kind == "forged" and seq == LENGTH - 1
    assert found(store) == [(kind, LENGTH if beside_the_end else seq)]
    if beside_the_end:
        assert f"event {seq} was replaced, which only an anchor tells" in verify(store)[0].problem


@pytest.mark.parametrize("seq", range(1, LENGTH + 1))
def test_a_garbled_event_is_a_changed_one(seq: int) -> None:
    store, events = chain(LENGTH)
    garble(store, events, seq)
    assert found(store) == [("changed", seq)]
    assert layout.audit_event(seq) in verify(store)[0].problem


def test_the_last_event_is_safe_only_behind_an_anchor() -> None:
    for tamper, kind in ((replace, "forged"), (remove, "truncated")):
        store, events = chain(LENGTH)
        tamper(store, events, LENGTH)
        assert found(store) == []
        assert found(store, place(events[-1])) == [(kind, LENGTH)]
    store, events = chain(LENGTH)
    change(store, events, LENGTH)
    assert found(store) == [("changed", LENGTH)]


def test_an_end_that_was_cut_and_grown_over_shows_against_an_anchor() -> None:
    store, events = chain(LENGTH)
    for seq in (5, 6, 7):
        remove(store, events, seq)
    assert found(store) == []
    assert found(store, place(events[-1])) == [("truncated", 5)]
    for number in range(4):
        append(store, facts(number))
    assert found(store) == []
    assert found(store, place(events[5])) == [("forged", 6)]
    assert found(store, place(events[3])) == []


@pytest.mark.parametrize("first", [1, 4, LENGTH])
def test_a_chain_written_anew_shows_against_an_anchor_only(first: int) -> None:
    store, events = chain(LENGTH)
    rewrite_from(store, first, LENGTH)
    assert found(store) == []
    assert found(store, place(events[-1])) == [("forged", LENGTH)]
    assert found(store, *map(place, events)) == [("forged", seq) for seq in range(first, LENGTH + 1)]


def test_anchors_that_contradict_each_other() -> None:
    store, events = chain(2)
    other = Anchor(seq=2, hash="ab" * 32)
    assert found(store, other, place(events[1])) == [("forged", 2)]
    assert found(store, Anchor(seq=0, hash="0" * 64), place(events[0])) == []


def test_a_first_event_that_claims_another_before_it() -> None:
    store, events = chain(1)
    overwrite(store, 1, resealed(events[0], previous_hash="ab" * 32))
    assert found(store) == [("forged", 1)]


def test_an_event_with_a_wrong_link_at_the_end() -> None:
    store, events = chain(3)
    overwrite(store, 4, resealed(events[2], seq=4, previous_hash="ab" * 32))
    assert found(store) == [("forged", 4)]
    assert found(store, place(events[2])) == [("forged", 4)]
    remove(store, events, 4)
    overwrite(store, 3, resealed(events[2], previous_hash="ab" * 32))
    assert found(store) == found(store, place(events[2])) == [("forged", 3)]


def test_swapped_events_are_both_named() -> None:
    store, events = chain(LENGTH)
    overwrite(store, 3, events[4])
    overwrite(store, 5, events[2])
    assert found(store) == [("reordered", 3), ("reordered", 5)]
    overwrite(store, 3, resealed(events[4], seq=3))
    overwrite(store, 5, resealed(events[2], seq=5))
    assert found(store) == [("forged", 3), ("forged", 4), ("forged", 5)]
    assert "or event 3 was replaced" in verify(store)[1].problem


def test_a_gap_of_many_is_one_finding() -> None:
    store, events = chain(3)
    overwrite(store, 10**12 - 1, resealed(events[2], seq=10**12 - 1))
    assert found(store) == [("removed", 4)]
    remove(store, events, 1)
    remove(store, events, 2)
    assert found(store) == [("removed", 1), ("removed", 4)]
    assert "events 1 to 2 are missing although event 3 is there" in verify(store)[0].problem


@pytest.mark.parametrize("name", ["note.txt", "7.json", "000000000000.json", "keys/000000000001.json"])
def test_what_is_no_event_is_told(name: str) -> None:
    store, _ = chain(2)
    store.put(f"audit/{name}", b"{}")
    assert found(store) == [("foreign", 0)]
    assert name in verify(store)[0].problem
    assert append(store, facts()).seq == 3


@given(data=st.data())
def test_any_change_of_any_byte_is_found_and_named(data: st.DataObject) -> None:
    store, events = chain(4)
    seq = data.draw(st.integers(1, 4))
    stored = store.get(layout.audit_event(seq))
    at = data.draw(st.integers(0, len(stored) - 1))
    length = data.draw(st.integers(0, 3))
    altered = stored[:at] + data.draw(st.binary(max_size=3)) + stored[at + length :]
    store.put(layout.audit_event(seq), altered)
    assert found(store, place(events[-1])) == ([] if altered == stored else [("changed", seq)])


@given(st.dictionaries(st.integers(1, LENGTH), st.sampled_from(sorted(KINDS)), max_size=4))
def test_restoring_what_is_named_ends_with_a_whole_chain_and_no_sooner(tampered: dict[int, str]) -> None:
    store, events = chain(LENGTH)
    for seq, kind in tampered.items():
        KINDS[kind](store, events, seq)
    wrong = set(tampered)
    for _ in range(2 * LENGTH):
        named = {seq for _, seq in found(store, place(events[-1]))}
        assert bool(named) == bool(wrong)
        for seq in named:
            overwrite(store, seq, events[seq - 1])
        wrong -= named
    assert not wrong
    assert found(store) == []
