"""Pins: names given to snapshots that are to be kept. Garbage collection leaves them and all they refer to."""

import re
from datetime import datetime

from facebatch.errors import ConfigError, NotFoundError, StopError
from facebatch.gallery.commits import find, put_first
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Pin(Spec):
    """A snapshot to be kept, and under which name."""

    format_version: int = FORMAT_VERSION
    name: str
    snapshot: int
    at: datetime
    """Aware UTC."""
    by: str | None = None
    """Who pinned it."""


def pin(store: ObjectStore, wanted: Pin) -> Pin:
    """Pin a snapshot; the first pin of a name wins, and pinning the same snapshot again returns the pin that stands.

    ConfigError for a name that is no word, StopError when it is taken, NotFoundError when there is no such snapshot.
    A name that was removed should rest for `leases.SETTLE_S`: a removal that a client gave up may arrive as late.
    """
    if not _NAME.fullmatch(wanted.name):
        raise ConfigError(f"{wanted.name!r} cannot name a pin; use up to 64 letters, digits, dashes and underscores")
    key = layout.pin(wanted.name)
    stands, ours = put_first(store, key, wanted)
    if stands.snapshot != wanted.snapshot:
        raise StopError(
            f"{store.uri}/{key}: pins snapshot {stands.snapshot} since {stands.at:%Y-%m-%d}; choose another name, or "
            f"run `facebatch gallery unpin {wanted.name}` first"
        )
    # Looked up after the pin was put: collection deletes a snapshot first and looks at the pins afterwards.
    try:
        store.head(layout.snapshot(wanted.snapshot))
    except NotFoundError:
        if ours:
            store.delete(key)
        raise NotFoundError(
            f"{store.uri} has no snapshot {wanted.snapshot}; `facebatch gallery log` lists those it has"
        ) from None
    return stands


def unpin(store: ObjectStore, name: str) -> Pin:
    """Remove a pin and return it. NotFoundError naming those there are when there is none of this name."""
    found = find(store, layout.pin(name), Pin) if _NAME.fullmatch(name) else None
    if found is None:
        names = ", ".join(pin.name for pin in read_pins(store)) or "none"
        raise NotFoundError(f"{store.uri} has no pin {name!r}; its pins are: {names}")
    store.delete(layout.pin(name))
    return found


def read_pins(store: ObjectStore) -> list[Pin]:
    """All pins, by name. One that is removed while they are read is left out."""
    found = (find(store, info.key, Pin) for info in store.list(layout.PINS))
    return [pin for pin in found if pin is not None]
