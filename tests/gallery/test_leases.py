"""Leases: renewed while the work lasts, gone when it ends, honoured by collections and writers."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest

from facebatch.errors import CorruptError, NotFoundError, RetryableError, RunFailedError, StopError
from facebatch.gallery import leases
from facebatch.gallery.holders import is_gone, this_process
from facebatch.gallery.leases import SKEW, Held, Lease, collecting, read_leases, reading, writing
from facebatch.storage import layout
from facebatch.storage.documents import dump
from facebatch.storage.local import LocalStore
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


COLLECT = """
import sys, time
from facebatch.gallery.leases import collecting
from facebatch.storage.open import open_store
with collecting(open_store(sys.argv[1]), "expire"):
    print("begun", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that collects, in the store of `tmp_path`."""
    with subprocess.Popen([sys.executable, "-c", COLLECT, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()


class Distant(LocalStore):
    """One that is reached by requests."""

    def local_path(self, key: str) -> None:
        """None is."""


@pytest.mark.parametrize(
    ("kind", "sooner", "when"),
    [(LocalStore, "at once", "now"), (Distant, "after 0.2 seconds", "in 0.2 seconds, when no request")],
)
def test_a_collection_takes_over_from_one_that_was_killed_on_this_machine(
    kind: type[LocalStore],
    sooner: str,
    when: str,
    tmp_path: Path,
    collector: subprocess.Popen[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(leases, "SETTLE_S", 0.2)
    store = kind(tmp_path)
    ((left, lease),) = read_leases(store).items()
    until = (lease.expires_at + SKEW).strftime("%Y-%m-%d %H:%M")
    collector.send_signal(signal.SIGSTOP)
    with pytest.raises(RetryableError) as busy, collecting(store, "expire"):
        pytest.fail("entered, though the other may go on")
    assert str(busy.value).endswith(
        f"process {collector.pid}, is at work there, so expire has to wait; run it again when that is done; if it was "
        f"killed, {sooner} on that machine, else after {until} UTC"
    )
    collector.kill()
    collector.wait()
    began = time.monotonic()
    with collecting(store, "expire") as held:
        assert (time.monotonic() - began >= leases.SETTLE_S) or kind is LocalStore
        assert list(read_leases(store)) == [held.key] != [left]
    assert f"process {collector.pid}, is gone, so its lease ends {when}" in caplog.text


def test_of_two_that_take_over_the_same_lease_none_goes_on_beside_the_other(
    tmp_path: Path, collector: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Distant(tmp_path)
    collector.kill()
    collector.wait()

    def other(seconds: float) -> None:
        with pytest.raises(RetryableError, match="has to wait"), collecting(store, "gallery gc"):
            pytest.fail("entered")

    monkeypatch.setattr(leases, "time", SimpleNamespace(sleep=other))
    with collecting(store, "expire"):
        assert len(read_leases(store)) == 1


def test_writers_and_other_machines_honour_the_lease_of_a_killed_collection(
    tmp_path: Path, collector: subprocess.Popen[str]
) -> None:
    store = LocalStore(tmp_path)
    ((key, lease),) = read_leases(store).items()
    collector.kill()
    collector.wait()
    with pytest.raises(RetryableError, match=r"if it was killed, after 20"), writing(store, "embed", wait_s=0):
        pytest.fail("entered")
    assert lease.process is not None
    elsewhere = lease.process.model_copy(update={"machine": "0" * 64})
    for process in (elsewhere, None):
        store.put(key, dump(lease.model_copy(update={"process": process})))
        with pytest.raises(RetryableError, match="expire has to wait"), collecting(store, "expire"):
            pytest.fail("entered")


def test_a_process_that_began_at_another_time_is_another_one() -> None:
    here = this_process()
    assert here is not None
    assert not is_gone(here)
    assert is_gone(here.model_copy(update={"started": here.started - 1}))
    assert not is_gone(here.model_copy(update={"started": here.started - 1, "machine": "0" * 64}))
    assert not is_gone(None)


def test_only_a_collection_says_which_process_it_is(store: MemoryStore) -> None:
    """Other leases are read by earlier releases, which know no such field."""
    with reading(store, 7, "match"), writing(store, "embed"):
        assert all(b'process"' not in store.get(key) for key in read_leases(store))


def test_the_lease_of_a_killed_writer_ends_by_itself(store: MemoryStore) -> None:
    leave(store, "write", datetime.now(UTC) - SKEW - timedelta(seconds=1))
    with collecting(store, "gallery gc"):
        pass
