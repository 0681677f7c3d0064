"""Any sequence of calls has the same effect on LocalStore as on MemoryStore."""

import shutil
import tempfile
import uuid
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from facebatch.errors import NotFoundError
from facebatch.storage.local import LocalStore
from facebatch.storage.memory import MemoryStore

# No key is a folder of another one: only a file system cannot hold both.
KEYS = st.sampled_from(["a", "b.txt", "b!/x", "b/c", "b/d", "b/c d/e", "b/é", "Z/z/z"])
DATA = st.binary(max_size=20)


class LocalIsLikeMemory(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp(prefix="facebatch-"))
        self.local, self.memory = LocalStore(self.folder / "root"), MemoryStore(uuid.uuid4().hex)

    @rule(key=KEYS, data=DATA)
    def put(self, key, data):
        self.local.put(key, data)
        self.memory.put(key, data)

    @rule(key=KEYS, data=DATA)
    def put_if_absent(self, key, data):
        assert self.local.put_if_absent(key, data) == self.memory.put_if_absent(key, data)

    @rule(key=KEYS)
    def delete(self, key):
        self.local.delete(key)
        self.memory.delete(key)

    @rule(key=KEYS, start=st.integers(0, 25), length=st.integers(0, 25))
    def get_range(self, key, start, length):
        def cut(store):
            try:
                return store.get_range(key, start, length)
            except NotFoundError:
                return None

        assert cut(self.local) == cut(self.memory)

    @rule(prefix=st.sampled_from(["", "a", "b", "b/", "b/c", "b/c d/", "Z/z", "y/"]))
    def list(self, prefix):
        assert [(i.key, i.size) for i in self.local.list(prefix)] == [(i.key, i.size) for i in self.memory.list(prefix)]

    @invariant()
    def same_objects(self):
        assert {i.key: self.local.get(i.key) for i in self.local.list()} == {
            i.key: self.memory.get(i.key) for i in self.memory.list()
        }

    def teardown(self):
        shutil.rmtree(self.folder)


TestLocalIsLikeMemory = LocalIsLikeMemory.TestCase
TestLocalIsLikeMemory.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
