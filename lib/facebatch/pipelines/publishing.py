"""Publishing: compose on the head, put the next number, and compose anew when another run was first."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from facebatch.errors import StaleError
from facebatch.gallery import snapshots
from facebatch.gallery.leases import Held
from facebatch.gallery.snapshots import Snapshot
from facebatch.pipelines.auditing import record_publish
from facebatch.storage.store import ObjectStore

PUBLISH_ATTEMPTS = 5
"""Snapshots of other runs that one run builds upon before it gives up."""

ContentT = TypeVar("ContentT")


def publish_next(
    store: ObjectStore, held: Held, compose: Callable[[Snapshot | None], tuple[Snapshot | None, ContentT]]
) -> tuple[Snapshot, bool, ContentT]:
    """The snapshot that stands at the end, whether this run published it, and what `compose` said of it.

    `compose` gets the head and returns the snapshot after it, or None where the head holds the same; what it raises
    ends the run. StaleError when other runs were first PUBLISH_ATTEMPTS times; RetryableError when the lease ran out.
    """
    for _ in range(PUBLISH_ATTEMPTS):
        head = snapshots.head(store)
        snapshot, content = compose(head)
        if snapshot is None:
            return head or snapshots.require_head(store), False, content
        with suppress(StaleError):
            return put_next(store, held, head, snapshot), True, content
    raise StaleError(f"{store.uri}: the head keeps moving; run the same command again")


def put_next(store: ObjectStore, held: Held, head: Snapshot | None, snapshot: Snapshot) -> Snapshot:
    """Record that a snapshot is about to follow `head`, and put it. StaleError when another run was first,
    RetryableError when the lease ran out.
    """
    held.require()
    record_publish(store, head, snapshot)
    held.require()  # again: a collection may begin as soon as the lease has ended, and recording took some requests
    return snapshots.publish(store, snapshot)
