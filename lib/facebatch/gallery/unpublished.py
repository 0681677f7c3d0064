"""What a change of the model has listed and not published yet: garbage collection keeps what was embedded of it.

A change may take many nights, and until it is published no snapshot refers to its commits. Each of its runs puts this
document first. It keeps them for a while after the last run (`RetentionSpec.unpublished_days`) and not for ever: what a
change that was given up has embedded holds people who may have been erased since.
"""

from datetime import UTC, datetime, timedelta

from facebatch.gallery.commits import find
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.documents import dump
from facebatch.storage.store import ObjectStore


class Generation(Spec):
    """All templates of one model to be, as the last run that embeds them has listed their shards."""

    format_version: int = FORMAT_VERSION
    model: str
    """Fingerprint."""
    model_name: str
    replaces: str
    """Fingerprint of the head's model."""
    at: datetime
    """When that run began, aware UTC."""
    shard_keys: tuple[str, ...]
    """Of all shards, embedded or not, sorted."""


def announce(store: ObjectStore, generation: Generation) -> None:
    """Keep its shards from now on; a later run replaces the document. Only under a lease of `leases.writing`, so that
    no collection runs meanwhile.
    """
    store.put(layout.generation(generation.model), dump(generation))


def withdraw(store: ObjectStore, model: str) -> None:
    """The generation was published, or is given up."""
    store.delete(layout.generation(model))


def read_generations(store: ObjectStore) -> list[Generation]:
    """All that are announced, sorted by model."""
    found = (find(store, info.key, Generation) for info in store.list(layout.GENERATIONS))
    return [generation for generation in found if generation is not None]


def is_kept(generation: Generation, head_model: str | None, now: datetime, days: float) -> bool:
    """Whether what it has embedded must stay: it is not the head's, and it was run within so many days. Pure."""
    is_young = generation.at.astimezone(UTC) >= now - timedelta(days=days)
    return is_young and generation.model != head_model
