"""What a reindex has to do: each source as listed now against the head. Nothing but names and sizes is read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from facebatch.config import ReindexConfig
from facebatch.errors import ConfigError
from facebatch.gallery.commits import shard_key
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.images.records import ImageShard
from facebatch.images.shards import list_shards
from facebatch.images.source import SourceSpec
from facebatch.pipelines import embed, overlaps
from facebatch.pipelines.embed import EmbedPlan
from facebatch.pipelines.embedding import RowsSpec
from facebatch.pipelines.overlaps import Listed
from facebatch.pipelines.planned_centroid import planned_centroid


@dataclass(frozen=True, slots=True)
class Listing:
    """One source as it lies there now."""

    rows: RowsSpec
    shards: dict[str, ImageShard]
    """By shard key, in the order of their URIs."""

    @property
    def source(self) -> str:
        """URI that names the source in the gallery."""
        return self.rows.source.uri

    @property
    def listed(self) -> Listed:
        """What other sources must not hold."""
        return Listed(self.source, tuple(self.shards.values()))


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """What became of the shards of one source since the head."""

    listing: Listing
    new: tuple[ImageShard, ...]
    changed: tuple[ImageShard, ...]
    """Same URI, other content or settings."""
    replaced: tuple[ShardEntry, ...]
    """The head's shards that `changed` replaces."""
    gone: tuple[ShardEntry, ...]
    """Shards of the head that are no longer listed."""
    unchanged: int
    embed: EmbedPlan
    """Of the new and changed shards, and of unchanged ones whose commit is missing, since somebody removed it to have
    a damaged part written again."""


def list_sources(config: ReindexConfig, model: str) -> list[Listing]:
    """All sources, listed. ConfigError when there is none, or one is given twice; StopError when two overlap."""
    sources = [embed.whole_uri(source, config.s3) for source in config.sources]
    _check_sources(sources)
    centroid = planned_centroid(config.model, config.faces, model)
    listings = []
    for source in sources:
        rows = RowsSpec(source=source, decode=config.decode, model=config.model, faces=config.faces, centroid=centroid)
        shards = list_shards(source, config.s3)
        part = rows.key_part()
        listings.append(Listing(rows, {shard_key(shard, model=model, rows_config=part): shard for shard in shards}))
    overlaps.check_apart([listing.listed for listing in listings])
    return listings


def _check_sources(sources: Sequence[SourceSpec]) -> None:
    if not sources:
        raise ConfigError("sources: none is given; name at least one")
    uris = [source.uri for source in sources]
    twice = sorted({uri for uri in uris if uris.count(uri) > 1})
    if twice:
        raise ConfigError(f"sources: {twice[0]} is given twice; name each source once")


def check_head(head: Snapshot | None, listings: Sequence[Listing]) -> None:
    """StopError when another source of the head holds what is listed here, as `overlaps.check_head`."""
    overlaps.check_head(head, [listing.listed for listing in listings])


def plan_source(listing: Listing, head: Snapshot | None, committed: frozenset[str], model: str) -> SourcePlan:
    """Pure: the source against the head, and what of it must be embedded given the keys already committed."""
    standing = {shard.shard_uri: shard for shard in head.shards if shard.source == listing.source} if head else {}
    new, changed, replaced, lost = [], [], [], []
    for key, shard in listing.shards.items():
        before = standing.pop(shard.uri, None)
        if before is None:
            new.append(shard)
        elif before.shard_key != key:
            changed.append(shard)
            replaced.append(before)
        elif key not in committed:
            lost.append(shard)
    return SourcePlan(
        listing=listing,
        new=tuple(new),
        changed=tuple(changed),
        replaced=tuple(replaced),
        gone=tuple(standing.values()),
        unchanged=len(listing.shards) - len(new) - len(changed),
        embed=embed.plan([*new, *changed, *lost], committed, listing.rows, model),
    )


def unnamed_sources(head: Snapshot | None, listings: Collection[Listing]) -> tuple[str, ...]:
    """Sources of the head that the config does not name; their shards stay as they are."""
    named = {listing.source for listing in listings}
    return tuple(sorted({shard.source for shard in head.shards} - named)) if head else ()
