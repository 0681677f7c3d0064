"""Other packs than before are a policy change in the chain, ahead of the first event under them, whoever else acts."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from facebatch.errors import RetryableError
from facebatch.governance import pack_changes
from facebatch.governance.audit import Action, AuditFacts, append
from facebatch.governance.audit_chain import read_chain, verify
from facebatch.governance.pack_changes import LOOK, append_under, packs_digest
from facebatch.storage.memory import MemoryStore
from facebatch.storage.store import ObjectStore
from governance.recorded import facts, new_store

FLOOR, STRICT = {"floor": "ab" * 32}, {"floor": "ab" * 32, "us-md": "cd" * 32}
CHANGED = {"floor": "ab" * 32, "us-md": "ef" * 32}
SETS = (FLOOR, STRICT, CHANGED)


def told(packs: dict[str, str], action: Action = "decision", **changed: object) -> AuditFacts:
    """An event under packs."""
    return facts(action=action, resource=f"request:{'0' * 64}", config_sha256=packs_digest(packs), **changed)


def record(store: ObjectStore, *sets: dict[str, str]) -> None:
    for packs in sets:
        append_under(store, packs, told(packs))


def chain(store: ObjectStore) -> list[tuple[str, str]]:
    """Action and packs of each event, by place in SETS."""
    places = {packs_digest(packs): str(place) for place, packs in enumerate(SETS)}
    return [(event.action, places.get(event.config_sha256, "")) for event in read_chain(store)]


def changes(store: ObjectStore) -> Iterator[str]:
    """The packs in force from each change on; fails where an event is under others."""
    standing = ""
    for action, place in chain(store):
        if action == "policy_change":
            assert place != standing, "a change that is none"
            standing = place
            yield place
        else:
            assert place == standing


def test_a_change_stands_before_the_first_decision_under_other_packs() -> None:
    store = new_store()
    record(store, FLOOR, FLOOR, STRICT, CHANGED, CHANGED, FLOOR)
    assert list(changes(store)) == ["0", "1", "2", "0"]
    assert len(chain(store)) == 4 + 6
    assert verify(store) == []
    last = [event for event in read_chain(store) if event.action == "policy_change"][2]
    assert (last.packs, last.actor, last.subjects) == (CHANGED, "job:policy", ())
    assert last.resource == f"packs:{packs_digest(CHANGED)}"


def test_every_allowed_event_under_packs_tells_them_and_no_other_does() -> None:
    store = new_store()
    append(store, told(FLOOR, "search"))
    append(store, facts(action="publish"))
    append(store, facts(action="policy_change", resource="trust:1"))
    append(store, told(STRICT, decision="denied"))
    record(store, FLOOR)
    assert [action for action, _ in chain(store)].count("policy_change") == 1, "that of who is trusted"
    append_under(store, STRICT, told(STRICT, "evaluation"))
    append_under(store, STRICT, told(STRICT, decision="denied"))
    record(store, STRICT)
    assert [event.action for event in read_chain(store) if event.packs] == ["policy_change"]


def test_a_refused_request_is_behind_the_change_too() -> None:
    store = new_store()
    append_under(store, FLOOR, told(FLOOR, decision="denied"))
    assert chain(store) == [("policy_change", "0"), ("decision", "0")]


@pytest.mark.parametrize(("between", "more"), [(LOOK - 1, 0), (LOOK, 1)])
def test_only_so_many_events_are_looked_at(monkeypatch: pytest.MonkeyPatch, between: int, more: int) -> None:
    store, reads = new_store(), 0
    record(store, FLOOR)
    for number in range(between):
        append(store, facts(number, action="publish"))
    real = MemoryStore.get

    def counted(self: MemoryStore, key: str) -> bytes:
        nonlocal reads
        reads += 1
        return real(self, key)

    monkeypatch.setattr(MemoryStore, "get", counted)
    record(store, FLOOR)
    assert reads <= LOOK + 2 + 3 * more
    assert [action for action, _ in chain(store)].count("policy_change") == 1 + more


def test_threads_under_different_packs_never_pass_each_other() -> None:
    store = new_store()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: record(store, *(SETS[(number + at) % 3] for at in range(4))), range(6)))
    assert verify(store) == []
    assert len(list(changes(store))) >= 3
    assert [action for action, _ in chain(store)].count("decision") == 24


@pytest.mark.parametrize("moment", [0, 1])
def test_a_writer_that_fails_is_followed_up_without_a_second_change(
    monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    store, real, calls = new_store(), pack_changes.audit.append_after, iter(range(9))

    def failing(*arguments: object) -> object:
        if next(calls) == moment:
            raise RetryableError("unavailable")
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(pack_changes.audit, "append_after", failing)
        with pytest.raises(RetryableError):
            record(store, FLOOR)
    record(store, FLOOR)
    assert chain(store) == [("policy_change", "0"), ("decision", "0")]
