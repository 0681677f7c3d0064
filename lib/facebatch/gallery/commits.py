"""Commits: one document per unit of work. The first writer wins; readers follow commits and never list parts."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from facebatch.errors import CorruptError, NotFoundError
from facebatch.gallery.capture_times import CaptureTimes
from facebatch.images.records import ImageShard
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.documents import canonical_digest, dump, load
from facebatch.storage.store import ObjectStore

NOT_RECORDED = datetime(1970, 1, 1, tzinfo=UTC)
"""`next_expiry` of commits made before it was recorded: earlier than any, so that the part is read to know."""
KEY_LENGTH = 40
"""Hex digits of a work key (160 bits)."""


class PartFile(Spec):
    """A stored file and what it must be."""

    key: str
    sha256: str
    size: int
    """Bytes."""
    rows: int


class ShardCommit(Spec):
    """What one input shard became. Its ledger has `images` rows, its templates part `templates.rows`."""

    format_version: int = FORMAT_VERSION
    shard_key: str
    shard_uri: str
    source: str
    """URI of the source the shard was listed in."""
    attempt: str
    model: str
    """Fingerprint of the model pack."""
    images: int
    outcomes: dict[str, int]
    """Ledger rows by outcome; sums to `images`."""
    templates: PartFile
    ledger: PartFile
    timings: PartFile
    media: PartFile | None = None
    """Of a probe of a case: what it was made of."""
    seconds: dict[str, float]
    """Wall time of the attempt by stage; differs between runs."""
    next_expiry: datetime | None = NOT_RECORDED
    """Earliest `expires_at` of its templates; None where none expires."""
    captured: CaptureTimes | None = None
    """None: not recorded, in older commits."""


def shard_key(shard: ImageShard, *, model: str, rows_config: Mapping[str, Any]) -> str:
    """Digest of all that decides the rows of a shard: same input, model and config give the same key."""
    identity = [FORMAT_VERSION, shard.uri, shard.name, shard.etag, shard.size, model, dict(rows_config)]
    return canonical_digest(identity)[:KEY_LENGTH]


DocumentT = TypeVar("DocumentT", bound=Spec)


def put_first(store: ObjectStore, key: str, document: DocumentT) -> tuple[DocumentT, bool]:
    """Put `document` at `key` unless one is there. Returns the one that stands, and whether it is ours."""
    if store.put_if_absent(key, dump(document)):
        return document, True
    return load(type(document), store.get(key), origin=f"{store.uri}/{key}"), False


def find(store: ObjectStore, key: str, model: type[DocumentT]) -> DocumentT | None:
    """The document at `key`, or None when it was never put."""
    try:
        data = store.get(key)
    except NotFoundError:
        return None
    return load(model, data, origin=f"{store.uri}/{key}")


def find_commit(store: ObjectStore, key: str) -> ShardCommit | None:
    """The commit of a shard, or None."""
    return find(store, layout.commit(key), ShardCommit)


def committed_keys(store: ObjectStore, since: datetime | None = None) -> frozenset[str]:
    """Keys of all committed units below this root, or of those put since a time by the store's clock, from one
    listing. Where the store does not tell when, they count as put since.
    """
    infos = store.list(layout.COMMITS)
    late = (info for info in infos if since is None or info.modified is None or info.modified >= since)
    return frozenset(info.key[len(layout.COMMITS) : -len(".json")] for info in late)


def read_part(store: ObjectStore, part: PartFile) -> bytes:
    """The verified bytes of a part; CorruptError when they are not what the commit recorded."""
    try:
        return store.get(part.key, sha256=part.sha256)
    except NotFoundError:
        raise CorruptError(f"{store.uri}/{part.key} is missing although a commit names it; restore it") from None


def put_part(store: ObjectStore, key: str, data: bytes, rows: int) -> PartFile:
    """Write a part under its attempt-unique key and describe it."""
    store.put(key, data)
    return PartFile(key=key, sha256=digest(data), size=len(data), rows=rows)


def sum_outcomes(commits: Iterable[ShardCommit]) -> dict[str, int]:
    """Images by outcome over all shards, by name."""
    totals: dict[str, int] = {}
    for commit in commits:
        for outcome, count in commit.outcomes.items():
            totals[outcome] = totals.get(outcome, 0) + count
    return dict(sorted(totals.items()))
