"""Sources that hold the same photos, which would be enrolled twice. Told by names, before anything is read.

A place that has two names, as by a symlink, is taken for two.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from facebatch.errors import StopError
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.images.records import ImageShard
from facebatch.storage.open import open_store, split_object


class Listed(NamedTuple):
    """One source as it lies there now."""

    source: str
    """URI that names it in the gallery."""
    shards: Sequence[ImageShard]


def check_apart(sources: Sequence[Listed]) -> None:
    """StopError when two of the sources list the same photo, or the same file of photos."""
    if len(sources) < 2:
        return
    seen: dict[str, str] = {}
    for source, shards in sources:
        for uri in (uri for shard in shards for uri in _objects(shard, source)):
            other = seen.setdefault(uri, source)
            if other != source:
                raise StopError(
                    f"sources: {uri} is listed by {other} and by {source}, and would be enrolled twice; let no two "
                    "sources overlap"
                )


def check_head(head: Snapshot | None, sources: Sequence[Listed]) -> None:
    """StopError when what is listed here is in the head from a source that is not among these: the same shard, or a
    photo below a folder that was enrolled as loose photos.

    Which photos a manifest in the head names is not known, so it is not compared with other manifests and folders.
    """
    named = {source for source, _ in sources}
    others = [entry for entry in head.shards if entry.source not in named] if head else []
    holders = {entry.shard_uri: entry.source for entry in others}
    folders = {f"{entry.source.rstrip('/')}/": entry.source for entry in others if _is_loose(entry)}
    roots = tuple(folders)
    for source, shards in sources:
        for shard in shards:
            if shard.uri in holders:
                raise _enrolled(shard.uri, holders[shard.uri], source)
            below = next((uri for uri in _photos(shard, source) if uri.startswith(roots)), None) if roots else None
            if below is not None:
                raise _enrolled(below, next(folders[root] for root in roots if below.startswith(root)), source)


def _enrolled(uri: str, other: str, source: str) -> StopError:
    return StopError(
        f"{uri} is in the gallery already, from the source {other}; name that one in place of {source}, choose sources "
        "that do not overlap, or go back to a snapshot from before it with `facebatch gallery rollback`"
    )


def _is_loose(entry: ShardEntry) -> bool:
    """Whether a shard is of loose photos: below the source, or named by it where that is a manifest."""
    return entry.shard_uri.startswith(f"{entry.source}#")


def _objects(shard: ImageShard, source: str) -> Iterator[str]:
    """URIs of what is read for the shard."""
    return _photos(shard, source) if shard.members else iter((shard.uri,))


def _photos(shard: ImageShard, source: str) -> Iterator[str]:
    """URIs of its loose photos, in the spelling that listing a folder gives: a manifest may write others."""
    for member in shard.members:
        if member.uri.startswith(f"{source}/"):
            yield member.uri
        else:
            folder, key = split_object(member.uri)
            yield f"{_root(folder)}/{key}"


@lru_cache(maxsize=1024)
def _root(folder: str) -> str:
    return open_store(folder).uri
