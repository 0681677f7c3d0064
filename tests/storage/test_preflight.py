import threading
import time
import uuid

import pytest

from facebatch.errors import UnsafeStoreError
from facebatch.storage import layout
from facebatch.storage.clock import measure_skew
from facebatch.storage.keys import SCRATCH
from facebatch.storage.local import LocalStore
from facebatch.storage.memory import MemoryStore
from facebatch.storage.preflight import require_put_if_absent


class Ignores(MemoryStore):
    """Takes the condition for decoration, as some S3-compatible stores did."""

    def put_if_absent(self, key, data):
        self.put(key, data)
        return True


class KeepsButClaims(MemoryStore):
    def put_if_absent(self, key, data):
        super().put_if_absent(key, data)
        return True


class OverwritesInSecret(MemoryStore):
    def put_if_absent(self, key, data):
        wins = super().put_if_absent(key, data)
        self.put(key, data)
        return wins


class AlwaysTaken(MemoryStore):
    def put_if_absent(self, key, data):
        return False


class ForgetsItsOwn(MemoryStore):
    def put_if_absent(self, key, data):
        there = any(info.key == key for info in self.list(key))
        return super().put_if_absent(key, data) and not there


class LooksThenWrites(MemoryStore):
    """Right for one writer at a time; a race lets several through."""

    def put_if_absent(self, key, data):
        if any(info.key == key for info in self.list(key)):
            return self.get(key) == data
        time.sleep(0.05)
        self.put(key, data)
        return True


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        (Ignores, "second writer was told that it had written"),
        (KeepsButClaims, "second writer was told that it had written"),
        (OverwritesInSecret, "replaced the bytes of the first"),
        (AlwaysTaken, "a new key was reported as taken"),
        (ForgetsItsOwn, "wrote the same bytes again"),
        (LooksThenWrites, "of 8 writers at once were told that they had won"),
    ],
)
def test_an_unsafe_store_is_refused_with_what_was_seen_and_what_to_do(kind, seen):
    store = kind(uuid.uuid4().hex)
    with pytest.raises(UnsafeStoreError, match=seen) as caught:
        require_put_if_absent(store)
    assert str(caught.value).startswith(f"{store.uri}: ")
    assert "use a store with conditional writes" in str(caught.value)
    assert [*store.list()] == []


def test_many_checks_leave_no_more_folders_than_one(tmp_path):
    store = LocalStore(tmp_path)
    for _ in range(3):
        require_put_if_absent(store)
        measure_skew(store)
    left = [path for path in tmp_path.rglob("*") if path.is_dir() and path.name != SCRATCH]
    assert left == [tmp_path / layout.PREFLIGHT.rstrip("/")]
    assert [*store.list()] == []


def test_two_runs_may_check_one_store_at_once():
    store, errors = MemoryStore(uuid.uuid4().hex), []

    def check():
        try:
            require_put_if_absent(store)
        except UnsafeStoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [*store.list()] == []
