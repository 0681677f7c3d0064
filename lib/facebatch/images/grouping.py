"""Loose objects in shards whose boundaries depend on names alone, so that an added file changes few shards. Pure."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

from facebatch.images.records import ImageShard, Member

LONGEST = 4
"""A shard has at most this many times the average number of members."""


def grouped(members: Iterable[Member], average: int, root: str) -> Iterator[ImageShard]:
    """Shards of the members, in their order; `root` leads each shard's URI.

    A shard ends after a member whose sha256(image_id) is 0 modulo `average`, or when it is LONGEST times as long.
    Adding or removing a member changes the shard it is in, and where it moves a boundary that shard's neighbours up
    to the next name that ends one.
    """
    group: list[Member] = []
    for member in members:
        group.append(member)
        if _ends_shard(member.image_id, average) or len(group) == LONGEST * average:
            yield whole(group, f"{root}#{group[0].image_id}")
            group = []
    if group:
        yield whole(group, f"{root}#{group[0].image_id}")


def _ends_shard(image_id: str, average: int) -> bool:
    return int.from_bytes(hashlib.sha256(image_id.encode()).digest()) % average == 0


def whole(group: Sequence[Member], uri: str) -> ImageShard:
    """One shard of all these members."""
    size = sum(max(member.size, 0) for member in group)
    return ImageShard(uri=uri, kind="objects", size=size, etag=_digest(group), members=tuple(group))


def _digest(group: Sequence[Member]) -> str:
    """sha256 over one line of JSON per member: changes with any id, size, etag or field."""
    digest = hashlib.sha256()
    for member in group:
        row = [member.image_id, member.uri, member.size, member.etag, dict(member.fields)]
        digest.update(json.dumps(row, default=str, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()
