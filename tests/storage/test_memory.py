import uuid

import pytest

from contracts.object_store import ObjectStoreContract
from facebatch.storage.memory import MemoryStore


class TestMemoryStore(ObjectStoreContract):
    @pytest.fixture
    def store(self):
        return MemoryStore(uuid.uuid4().hex)


class TestMemoryStoreBelowAPrefix(ObjectStoreContract):
    @pytest.fixture
    def store(self):
        return MemoryStore(uuid.uuid4().hex, "a/b")


def test_stores_of_one_name_share_objects_and_prefixes_divide_them():
    name = uuid.uuid4().hex
    MemoryStore(name, "left").put("a", b"l")
    MemoryStore(name, "right/").put("a", b"r")
    assert MemoryStore(name).get("left/a") == b"l"
    assert [info.key for info in MemoryStore(name).list()] == ["left/a", "right/a"]
    assert [*MemoryStore(uuid.uuid4().hex).list()] == []


def test_what_was_put_does_not_follow_the_callers_buffer():
    store, buffer = MemoryStore(uuid.uuid4().hex), bytearray(b"before")
    store.put("a", buffer)
    buffer[:] = b"after!"
    assert store.get("a") == b"before"


def test_the_uri_names_it():
    assert MemoryStore("n").uri == "memory://n"
    assert MemoryStore("n", "/p/q/").uri == "memory://n/p/q"
