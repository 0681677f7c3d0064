"""Leases: who reads or changes a gallery at this moment, so that garbage collection takes no file from under them.

A lease is a document that its holder renews until the work is done; a holder that was killed stops renewing, and its
lease ends by itself. Whoever needs protection puts the lease first and looks afterwards, and so does the collection, so
that of two who begin at the same time at least one sees the other:

- a reader puts a lease on a snapshot, then looks whether the snapshot is there; the collection deletes a snapshot,
  then looks for leases on it, and puts it back when there is one;
- a writer puts a lease, then waits for a collection to end; the collection puts a lease, then stops for a writer. A
  writer may build on anything that is stored, such as the commits of a run that was killed last week.

A collection that finds the lease of another whose process is gone for certain (see `holders`) goes on. That is safe:
all that a collection deletes or writes it does in its own process, so nothing of the other is at work any more but
requests that it had sent over a network, and those are given SETTLE_S to be carried out. Two that find the same lease
see each other's own. A writer's lease is honoured to its end, for its workers may outlive it, and so is every lease by
writers.
"""

import logging
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from os import getpid
from typing import Literal
from uuid import uuid4

from pydantic import Field

from facebatch.errors import CorruptError, FacebatchError, NotFoundError, RetryableError, RunFailedError
from facebatch.gallery.commits import find
from facebatch.gallery.holders import Holder, is_gone, this_process
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.documents import dump
from facebatch.storage.store import ObjectStore

_LOG = logging.getLogger(__name__)

TTL = timedelta(minutes=10)
"""A lease ends this long after it was last renewed; it is renewed three times in this time."""
SKEW = timedelta(minutes=10)
"""Clocks of two machines may differ by this much: others honour a lease so much longer."""
WAIT_S = 60.0
"""Seconds that a writer waits for a collection to end."""
SETTLE_S = 300.0
"""Seconds after which a request of a process that is gone is not carried out any more."""
_POLL_S = 0.5


def _is_unstated(value: object) -> bool:
    """Left out, so that other leases are as earlier releases write and read them."""
    return value is None


class Lease(Spec):
    """What a holder does to the gallery, until when."""

    format_version: int = FORMAT_VERSION
    kind: Literal["read", "write", "collect"]
    holder: str
    """Which command, on which machine: for a person."""
    snapshot: int | None = None
    """What a reader reads."""
    expires_at: datetime
    """By the holder's clock, aware UTC; renewed."""
    process: Holder | None = Field(None, exclude_if=_is_unstated)
    """Which process collects; None: it does not collect, or its system does not tell."""

    def is_live(self, now: datetime) -> bool:
        """Whether others must honour it."""
        return now < self.expires_at + SKEW


class Held:
    """A lease of this process, renewed by a thread."""

    def __init__(self, store: ObjectStore, first: Lease, ttl: timedelta) -> None:
        """Put the lease and begin to renew it."""
        self.key = layout.lease(uuid4().hex)
        self._store = store
        self._ttl = ttl
        self._ended = threading.Event()
        self._lease = self._put(first)
        self._thread = threading.Thread(target=self._keep, name=f"lease {first.kind}", daemon=True)
        self._thread.start()

    def require(self) -> None:
        """RetryableError when the lease ran out, because it could not be renewed or the machine slept."""
        if not self._is_current():
            raise RetryableError(
                f"{self._store.uri}/{self.key}: ended before the work did, so files may be gone; run the command again"
            )

    def give_up(self) -> None:
        """Stop renewing and remove the lease; where the store does not answer it ends by itself."""
        self._ended.set()
        self._thread.join()
        try:
            self._store.delete(self.key)
        except FacebatchError as error:
            _LOG.warning("a lease could not be removed and ends by itself: %s", error)

    def _is_current(self) -> bool:
        return datetime.now(UTC) < self._lease.expires_at

    def _put(self, lease: Lease) -> Lease:
        renewed = lease.model_copy(update={"expires_at": datetime.now(UTC) + self._ttl})
        self._store.put(self.key, dump(renewed))
        return renewed

    def _keep(self) -> None:
        """Renew while the lease lasts. One that ran out stays so: others may have acted on that."""
        while not self._ended.wait(self._ttl.total_seconds() / 3) and self._is_current():
            try:
                renewed = self._put(self._lease)
            except FacebatchError as error:
                _LOG.warning("a lease could not be renewed and is tried again: %s", error)
                continue
            if self._is_current():
                self._lease = renewed


@contextmanager
def reading(store: ObjectStore, snapshot: int, work: str, *, ttl: timedelta = TTL) -> Iterator[Held]:
    """Keep a snapshot and all it refers to while the context lasts. NotFoundError when it is gone already.

    `work` says who reads, for a person. The credentials must allow to put and delete below `leases/`.
    """
    with _held(store, "read", work, snapshot=snapshot, ttl=ttl) as held:
        try:
            store.head(layout.snapshot(snapshot))
        except NotFoundError:
            raise NotFoundError(
                f"{store.uri}: snapshot {snapshot} was garbage collected; `facebatch gallery log` lists those there are"
            ) from None
        yield held


@contextmanager
def writing(store: ObjectStore, work: str, *, wait_s: float = WAIT_S, ttl: timedelta = TTL) -> Iterator[Held]:
    """Keep everything that is stored while the context lasts: a run may build on any of it.

    Call `require` of what it yields just before publishing. RetryableError when a collection does not end in `wait_s`.
    """
    with _held(store, "write", work, ttl=ttl) as held:
        deadline = time.monotonic() + wait_s
        while others := _others(store, held, frozenset({"collect"})):
            if time.monotonic() >= deadline:
                raise _busy(store, next(iter(others.values())), work)
            time.sleep(min(_POLL_S, wait_s))
        yield held


@contextmanager
def collecting(store: ObjectStore, work: str, *, ttl: timedelta = TTL) -> Iterator[Held]:
    """Delete what nothing refers to while the context lasts, with no other process. RetryableError when somebody writes
    or collects; who was killed on this machine while collecting does not.
    """
    with _held(store, "collect", work, ttl=ttl) as held:
        others = _others(store, held, frozenset({"write", "collect"}))
        for other in others.values():
            if not is_gone(other.process):
                raise _busy(store, other, work, _sooner(store, other))
        if others:
            _take_over(store, others)
        yield held


def read_leases(store: ObjectStore) -> dict[str, Lease]:
    """All leases by key, live or not. One that is removed while they are read is left out."""
    found = {info.key: find(store, info.key, Lease) for info in store.list(layout.LEASES)}
    return {key: lease for key, lease in found.items() if lease is not None}


@contextmanager
def _held(
    store: ObjectStore,
    kind: Literal["read", "write", "collect"],
    work: str,
    *,
    ttl: timedelta,
    snapshot: int | None = None,
) -> Iterator[Held]:
    holder = f"{work} on {socket.gethostname()}, process {getpid()}"
    process = this_process() if kind == "collect" else None
    first = Lease(kind=kind, holder=holder, snapshot=snapshot, expires_at=datetime.now(UTC), process=process)
    held = Held(store, first, ttl)
    try:
        yield held
    except (CorruptError, NotFoundError, RunFailedError):
        held.require()  # what is not there any more is no fault of the gallery when the lease ran out
        raise
    finally:
        held.give_up()


def _others(store: ObjectStore, held: Held, kinds: frozenset[str]) -> dict[str, Lease]:
    """Live leases of these kinds beside our own, by key."""
    now = datetime.now(UTC)
    found = {key: lease for key, lease in read_leases(store).items() if key != held.key and lease.kind in kinds}
    return {key: lease for key, lease in found.items() if lease.is_live(now)}


def _take_over(store: ObjectStore, gone: Mapping[str, Lease]) -> None:
    """Remove the leases of collections whose processes are gone, when nothing of them is under way any more."""
    wait_s = _settle_s(store)
    when = f"in {wait_s:g} seconds, when no request of it is under way any more" if wait_s else "now"
    for lease in gone.values():
        _LOG.warning("%s: %s, is gone, so its lease ends %s", store.uri, lease.holder, when)
    if wait_s:
        time.sleep(wait_s)
    for key in gone:
        store.delete(key)


def _settle_s(store: ObjectStore) -> float:
    """What a process does to a local disk ends with it."""
    return SETTLE_S if store.local_path(layout.lease("any")) is None else 0.0


def _sooner(store: ObjectStore, other: Lease) -> str:
    """When a lease ends, where the process that holds it can be seen to be gone."""
    if other.process is None:
        return ""
    wait_s = _settle_s(store)
    return f"{f'after {wait_s:g} seconds' if wait_s else 'at once'} on that machine, else "


def _busy(store: ObjectStore, other: Lease, work: str, at_once: str = "") -> RetryableError:
    until = (other.expires_at + SKEW).astimezone(UTC)
    return RetryableError(
        f"{store.uri}: {other.holder}, is at work there, so {work} has to wait; run it again when that is done; if it "
        f"was killed, {at_once}after {until:%Y-%m-%d %H:%M} UTC"
    )
