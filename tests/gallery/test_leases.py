"""Leases: renewed while the work lasts, gone when it ends, honoured by collections and writers."""

import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from facebatch.errors import CorruptError, NotFoundError, RetryableError, RunFailedError, StopError
from facebatch.gallery.leases import SKEW, Held, Lease, collecting, read_leases, reading, writing
from facebatch.storage import layout
from facebatch.storage.documents import dump
from facebatch.storage.memory import MemoryStore

SHORT = timedelta(milliseconds=150)


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore(f"leases-{uuid4().hex}")
    store.put(layout.snapshot(7), b"{}")
    return store


def only(store: MemoryStore) -> Lease:
    (lease,) = read_leases(store).values()
    return lease


def leave(store: MemoryStore, kind: str, expires_at: datetime, snapshot: int | None = None) -> None:
    """A lease of somebody who was killed."""
    lease = Lease(kind=kind, holder="embed on elsewhere, process 1", snapshot=snapshot, expires_at=expires_at)
    store.put(layout.lease(uuid4().hex), dump(lease))


def test_a_reader_says_what_it_reads_until_it_is_done(store: MemoryStore) -> None:
    with reading(store, 7, "match") as held:
        lease = only(store)
        assert (lease.kind, lease.snapshot) == ("read", 7)
        assert lease.holder.startswith("match on ")
        assert lease.is_live(datetime.now(UTC))
        held.require()
    assert read_leases(store) == {}


def test_a_reader_that_fails_leaves_no_lease(store: MemoryStore) -> None:
    with pytest.raises(ValueError, match="of the work"), reading(store, 7, "match"):
        raise ValueError("of the work")
    assert read_leases(store) == {}


def test_a_snapshot_that_is_gone_cannot_be_read(store: MemoryStore) -> None:
    with pytest.raises(NotFoundError, match="snapshot 8 was garbage collected"), reading(store, 8, "match"):
        pytest.fail("entered")
    assert read_leases(store) == {}


def test_a_lease_is_renewed_while_the_work_lasts(store: MemoryStore) -> None:
    with reading(store, 7, "match", ttl=SHORT) as held:
        first = only(store).expires_at
        time.sleep(4 * SHORT.total_seconds())
        assert only(store).expires_at > first + 2 * SHORT
        held.require()


def test_a_lease_that_could_not_be_renewed_has_ended_for_good_and_its_holder_knows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(MemoryStore):
        is_down = False

        def put(self, key: str, data: bytes) -> None:
            if self.is_down:
                raise RetryableError(f"{self.uri}/{key}: unavailable")
            super().put(key, data)

    store = Failing(f"leases-{uuid4().hex}")
    with writing(store, "embed", ttl=SHORT) as held:
        store.is_down = True
        time.sleep(3 * SHORT.total_seconds())
        with pytest.raises(RetryableError, match="run the command again"):
            held.require()
        store.is_down = False
        time.sleep(SHORT.total_seconds())
        with pytest.raises(RetryableError, match="run the command again"):
            held.require()
    assert "could not be renewed" in caplog.text
    assert read_leases(store) == {}


@pytest.mark.parametrize("gone", [NotFoundError("a.json"), CorruptError("a.parquet"), RunFailedError("1 of 2 failed")])
def test_what_is_gone_after_the_lease_ran_out_asks_for_another_run_and_not_for_a_repair(
    monkeypatch: pytest.MonkeyPatch, gone: StopError
) -> None:
    with pytest.raises(type(gone)), writing(MemoryStore(f"leases-{uuid4().hex}"), "reindex"):
        raise gone
    monkeypatch.setattr(Held, "_is_current", lambda held: False)
    store = MemoryStore(f"leases-{uuid4().hex}")
    with pytest.raises(RetryableError, match="run the command again"), writing(store, "reindex"):
        raise gone


def test_others_honour_a_lease_a_little_longer_than_it_says_for_clocks_differ() -> None:
    now = datetime.now(UTC)
    lease = Lease(kind="read", holder="match", snapshot=7, expires_at=now)
    assert lease.is_live(now + SKEW - timedelta(seconds=1))
    assert not lease.is_live(now + SKEW)


def test_a_collection_stops_for_a_writer_and_for_another_collection(store: MemoryStore) -> None:
    for other in (writing(store, "embed"), collecting(store, "gallery gc")):
        with other, pytest.raises(RetryableError, match=r"embed on|gallery gc on"), collecting(store, "gallery gc"):
            pytest.fail("entered")
    with reading(store, 7, "match"), collecting(store, "gallery gc"):
        assert sorted(lease.kind for lease in read_leases(store).values()) == ["collect", "read"]


def test_writers_do_not_stop_each_other(store: MemoryStore) -> None:
    with writing(store, "embed"), writing(store, "index", wait_s=0):
        assert len(read_leases(store)) == 2


def test_a_writer_waits_for_a_collection_to_end(store: MemoryStore) -> None:
    ended = threading.Event()

    def collect() -> None:
        with collecting(store, "gallery gc"):
            begun.set()
            time.sleep(0.2)
            ended.set()

    begun = threading.Event()
    thread = threading.Thread(target=collect)
    thread.start()
    begun.wait()
    with writing(store, "embed"):
        assert ended.is_set()
    thread.join()


def test_a_writer_gives_up_on_a_collection_that_does_not_end(store: MemoryStore) -> None:
    leave(store, "collect", datetime.now(UTC) + timedelta(minutes=1))
    with pytest.raises(RetryableError, match="embed has to wait; run it again"), writing(store, "embed", wait_s=0.1):
        pytest.fail("entered")


def test_the_lease_of_a_killed_writer_ends_by_itself(store: MemoryStore) -> None:
    leave(store, "write", datetime.now(UTC) - SKEW - timedelta(seconds=1))
    with collecting(store, "gallery gc"):
        pass
