"""The images of a search's probes, which lie where their owner put them: which they are, and their deletion."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import datetime

from facebatch.errors import NotFoundError
from facebatch.gallery.commits import ShardCommit, find, read_part
from facebatch.images.manifest import SUFFIXES
from facebatch.images.names import suffix
from facebatch.pipelines.retention_holds import Hold, held_by, in_force, read_holds
from facebatch.pipelines.retention_survey import Results, StoredSearch
from facebatch.storage import layout
from facebatch.storage.open import open_store, split_object
from facebatch.storage.parquet import read_table
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class ProbeShard:
    """What one commit of a search's probes was read from."""

    root: str
    """URI of the folder that holds the objects, or of the manifest that names them."""
    keys: tuple[str, ...]
    """Objects below the folder; none where a manifest names them."""
    images: int
    read_at: datetime | None
    """When the commit was put, by the store of the results; None: that does not tell."""

    @property
    def uris(self) -> tuple[str, ...]:
        """Of the objects."""
        return tuple(layout.below(self.root, key) for key in self.keys)


@dataclass(frozen=True, slots=True)
class MediaSource:
    """Probe images of one search in one place."""

    search_id: str
    uri: str
    """The folder that holds them, or the manifest that names them."""
    images: int


@dataclass(frozen=True, slots=True)
class MediaKept:
    """A file of probe images that is not deleted, or a manifest of such."""

    uri: str
    why: str


def probe_shards(results: Results, stored: StoredSearch) -> list[ProbeShard]:
    """The media of a search by its commits, which a deletion keeps until the media are gone.

    CorruptError for a commit or a ledger that cannot be read: what it names is unknown then.
    """
    folder, probes = results.folder(stored.search_id), layout.PROBES.rstrip("/")
    store = open_store(layout.below(folder.uri, probes), results.s3)
    found = []
    for info in stored.objects.get("probe_media", ()):
        if info.key.startswith(f"{probes}/{layout.COMMITS}"):
            commit = find(folder, info.key, ShardCommit)
            if commit is not None:
                found.append(_shard(commit, store, info.modified))
    return found


def sources(search_id: str, shards: Iterable[ProbeShard]) -> list[MediaSource]:
    """Where the media of a search are, by URI. Pure."""
    images: dict[str, int] = {}
    for shard in shards:
        images[shard.root] = images.get(shard.root, 0) + shard.images
    return [MediaSource(search_id, uri, count) for uri, count in sorted(images.items())]


class MediaNeeds:
    """Which searches need a file of probe images: those that stay, and those that somebody holds by now."""

    def __init__(self, results: Results, every: Iterable[StoredSearch], going: Set[str]) -> None:
        """`going`: ids of those of `every` whose images are to be deleted. CorruptError for a search of which nobody
        can tell what it was read from.
        """
        self._results = results
        self._going = going
        self._holds: tuple[Hold, ...] = ()
        self._needers: dict[str, list[tuple[str, str | None]]] = {}
        for stored in every:
            for uri in {uri for shard in probe_shards(results, stored) for uri in shard.uris}:
                self._needers.setdefault(uri, []).append((stored.search_id, stored.about.case))

    def look(self) -> None:
        """See who holds what at this moment."""
        self._holds = in_force(read_holds(self._results.store))

    def other(self, search_id: str, uri: str) -> str | None:
        """A search, not this one, that needs a file as of the last look."""
        others = ((other, case) for other, case in self._needers.get(uri, ()) if other != search_id)
        return next((o for o, case in others if o not in self._going or held_by(self._holds, o, case)), None)


def delete_media(
    search_id: str, shards: Iterable[ProbeShard], needs: MediaNeeds, s3: S3Spec
) -> tuple[list[str], list[MediaKept]]:
    """Delete what the shards were read from, except what another search needs and what was written after it was read,
    and so is something else. The URIs of what went, and what stays. Who holds what is looked at before each shard.

    AccessDeniedError where the credentials may not.
    """
    deleted, kept = [], []
    for shard in shards:
        needs.look()
        if not shard.keys:
            kept.append(
                MediaKept(shard.root, f"a manifest, which names {shard.images} images; their owner deletes them")
            )
            continue
        store = open_store(shard.root, s3)
        for key, uri in zip(shard.keys, shard.uris, strict=True):
            other = needs.other(search_id, uri)
            why = f"search {other} needs it" if other else _changed(store, key, shard.read_at)
            if why is None:
                store.delete(key)
                deleted.append(uri)
            elif why:
                kept.append(MediaKept(uri, why))
    return deleted, kept


def _shard(commit: ShardCommit, probes: ObjectStore, read_at: datetime | None) -> ProbeShard:
    """A shard of loose objects is named by its source and its first image, which its ledger tells."""
    ledger = read_table(read_part(probes, commit.ledger), kind="ledger", origin=commit.ledger.key)
    ids = ledger["image_id"].to_pylist()
    mark = f"#{ids[0]}" if ids else "#"
    if not commit.shard_uri.endswith(mark):
        root, key = split_object(commit.shard_uri)
        return ProbeShard(root, (key,), commit.images, read_at)
    root = commit.shard_uri.removesuffix(mark)
    return ProbeShard(root, () if suffix(root) in SUFFIXES else tuple(ids), commit.images, read_at)


def _changed(store: ObjectStore, key: str, read_at: datetime | None) -> str | None:
    """Why an object may not be what was read; None where it is, "" where it is gone."""
    try:
        modified = store.head(key).modified
    except NotFoundError:
        return ""
    if modified is None or read_at is None:
        return "nobody knows whether it was replaced since it was read: the store tells no times"
    return "was written after the search read it, so it is another one" if modified > read_at else None
