"""Whether a store honours put-if-absent, on which every commit rests. Asked before a run writes anything."""

import uuid
from concurrent.futures import ThreadPoolExecutor

from facebatch.errors import UnsafeStoreError
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore

_ROUNDS = 3
_WRITERS = 8


def require_put_if_absent(store: ObjectStore) -> None:
    """Write trial objects below `preflight/` and remove them again.

    UnsafeStoreError when a second writer wins, alone or in a race of 8, or when the first writer's bytes do not stay.
    A race that is lost once in many trials may pass; what ignores the condition altogether cannot.
    """
    trial = uuid.uuid4().hex
    keys = [layout.preflight(trial, name) for name in ("alone", *(f"race-{number}" for number in range(_ROUNDS)))]
    try:
        _one_after_another(store, keys[0])
        for key in keys[1:]:
            _all_at_once(store, key)
    finally:
        for key in keys:
            store.delete(key)


def _one_after_another(store: ObjectStore, key: str) -> None:
    if not store.put_if_absent(key, b"first"):
        raise _unsafe(store, "a new key was reported as taken")
    if store.put_if_absent(key, b"second"):
        raise _unsafe(store, "a second writer was told that it had written a key that was taken")
    if store.get(key) != b"first":
        raise _unsafe(store, "a second writer replaced the bytes of the first")
    if not store.put_if_absent(key, b"first"):
        raise _unsafe(store, "the first writer was told, when it wrote the same bytes again, that another one had won")


def _all_at_once(store: ObjectStore, key: str) -> None:
    bodies = [f"writer {number}".encode() for number in range(_WRITERS)]
    with ThreadPoolExecutor(_WRITERS) as pool:
        won = list(pool.map(lambda body: store.put_if_absent(key, body), bodies))
    winners = [body for body, wins in zip(bodies, won, strict=True) if wins]
    if len(winners) != 1:
        raise _unsafe(store, f"{len(winners)} of {_WRITERS} writers at once were told that they had won")
    if store.get(key) != winners[0]:
        raise _unsafe(store, "after a race the object holds the bytes of a writer that was told it had lost")


def _unsafe(store: ObjectStore, seen: str) -> UnsafeStoreError:
    return UnsafeStoreError(
        f"{store.uri}: {seen}, so this store does not honour If-None-Match and two runs could overwrite each other's "
        "commits; use a store with conditional writes (AWS S3, Ceph, a local disk)"
    )
