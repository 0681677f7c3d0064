"""Pseudonyms: stable while the key stands, unlinkable once it is destroyed, and no part of what the chain verifies."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from facebatch.errors import ConfigError, CorruptError, NotFoundError, RetryableError
from facebatch.governance.audit import append, place
from facebatch.governance.audit_chain import verify
from facebatch.governance.pseudonyms import destroy, known_pseudonym, pseudonym
from facebatch.storage import layout
from facebatch.storage.memory import MemoryStore
from governance.recorded import facts, new_store


def test_a_person_keeps_one_pseudonym_and_shares_it_with_nobody() -> None:
    store = new_store()
    told = {pseudonym(store, kind, name) for kind in ("subject", "actor") for name in ("a", "b", "A", "a ")}
    assert len(told) == 8
    assert pseudonym(store, "subject", "a") in told
    assert pseudonym(new_store(), "subject", "a") not in told
    assert len(list(store.list(layout.AUDIT_KEYS))) == 8
    assert list(store.list(layout.AUDIT)) == []


def test_looking_for_a_pseudonym_makes_none() -> None:
    store = new_store()
    assert known_pseudonym(store, "subject", "a") is None
    assert list(store.list()) == []
    assert pseudonym(store, "subject", "a") == known_pseudonym(store, "subject", "a")


def test_erasure_destroys_the_key_and_the_chain_still_verifies() -> None:
    store = new_store()
    names = {name: pseudonym(store, "subject", name) for name in ("a", "b")}
    last = [append(store, facts(subjects=(told,), actor=pseudonym(store, "actor", "a"))) for told in names.values()][-1]
    before = [store.get(info.key) for info in store.list(layout.AUDIT)]
    assert destroy(store, "subject", "a")
    assert known_pseudonym(store, "subject", "a") is None
    assert known_pseudonym(store, "subject", "b") == names["b"]
    assert known_pseudonym(store, "actor", "a") == last.actor
    assert [store.get(info.key) for info in store.list(layout.AUDIT)] == before
    assert verify(store, [place(last)]) == []
    assert not destroy(store, "subject", "a")
    assert pseudonym(store, "subject", "a") not in names.values()


def test_no_object_holds_the_id_in_clear() -> None:
    store, name = new_store(), "jane-doe-1980"
    append(store, facts(subjects=(pseudonym(store, "subject", name),), actor=pseudonym(store, "actor", name)))
    objects = [(info.key.encode(), store.get(info.key)) for info in store.list()]
    assert len(objects) == 3
    assert not any(name.encode() in part for pair in objects for part in pair)


def test_writers_at_once_agree_on_the_key() -> None:
    store = new_store()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: pseudonym(store, "subject", "a"), range(64)))) == 1


class Forgetful(MemoryStore):
    """A store in which the key of another writer is destroyed as soon as it was made."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return False


def test_a_key_that_is_destroyed_meanwhile() -> None:
    with pytest.raises(RetryableError, match="record the event again"):
        pseudonym(Forgetful(new_store().uri.removeprefix("memory://")), "subject", "a")


def test_a_blank_id_and_a_key_that_is_none() -> None:
    store = new_store()
    for blank in ("", "  "):
        with pytest.raises(ConfigError, match="blank"):
            pseudonym(store, "subject", blank)
    pseudonym(store, "subject", "a")
    (info,) = store.list()
    store.put(info.key, b'{"format_version":1,"key":"short"}')
    with pytest.raises(CorruptError, match=info.key):
        pseudonym(store, "subject", "a")
    assert destroy(store, "subject", "a")
    with pytest.raises(NotFoundError):
        store.get(info.key)
