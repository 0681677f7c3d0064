"""Which live templates leave a gallery because their source no longer has the image."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.gallery.commits import read_part
from facebatch.gallery.deletions import KINDS, DeletionRequest
from facebatch.gallery.row_digests import digest_ids
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.gallery.template_ids import TemplateIds
from facebatch.gallery.tombstones import expired, joined, read_tables, without
from facebatch.storage.parquet import read_table
from facebatch.storage.store import ObjectStore

READ_AT_ONCE = 4
"""Parts in memory at a time."""
COLUMNS = ["template_id", "subject_id", "image_id", "image_sha256", "expires_at"]

Digests = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who leaves tonight because it is asked for, besides those who were erased before."""

    request: DeletionRequest | None
    as_of: date
    """The day in UTC by whose end templates expire."""


def count_held(store: ObjectStore, head: Snapshot, lost: Mapping[str, int], most: float) -> dict[str, int]:
    """Templates in the shards of each source that lost some. Without the erased ones among them where these could
    decide whether more than `most` of a source left; the template parts of such a source are read.
    """
    held = rows_by_source(head)
    erased_rows = sum(part.rows for part in head.tombstones)
    doubtful = {source for source, count in lost.items() if erased_rows and count > most * (held[source] - erased_rows)}
    shards = [shard for shard in head.shards if shard.source in doubtful and shard.templates.rows]
    erased = joined(read_tables(store, head.tombstones))["template_id"].combine_chunks() if shards else None
    ids = TemplateIds(store)
    for shard in shards:
        held[shard.source] -= pc.sum(pc.is_in(ids.of(shard.templates)["template_id"], value_set=erased)).as_py()
    return {source: held[source] for source in lost}


def rows_by_source(head: Snapshot) -> Counter[str]:
    """Templates in the shards of each source, those that are erased and not yet purged among them. Pure."""
    held: Counter[str] = Counter()
    for shard in head.shards:
        held[shard.source] += shard.templates.rows
    return held


@dataclass(frozen=True, slots=True)
class _Present:
    """The images of some shards, whatever became of them, as sorted digests."""

    names: Mapping[str, Digests]
    """image_id, by source."""
    contents: Digests
    """image_sha256."""


def count_gone(store: ObjectStore, head: Snapshot, shards: Sequence[ShardEntry], asked: Asked) -> dict[str, int]:
    """Live templates of `head` by source, without sources that have none of them: those of images that no shard which
    came with `shards` has, neither under their name at their source nor, with the same bytes, under another anywhere.

    `shards` are as they were embedded: a purged ledger does not tell all its images. Templates that are erased, that
    the request names or that have expired are left out. Reads the template parts of shards that left, and then the
    ledgers of those that came; takes 16 bytes per image of these.
    """
    before, after = ({shard.shard_key for shard in some} for some in (head.shards, shards))
    left = [shard for shard in head.shards if shard.shard_key not in after and shard.templates.rows]
    if not left:
        return {}
    present = _present(store, [shard for shard in shards if shard.shard_key not in before])
    erased = joined(read_tables(store, head.tombstones))["template_id"].combine_chunks()
    counts: Counter[str] = Counter()
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        found = pool.map(lambda shard: _count(store, shard, present, erased, asked), left)
        for shard, count in zip(left, found, strict=True):
            counts[shard.source] += count
    return {source: count for source, count in counts.items() if count}


def _present(store: ObjectStore, shards: Sequence[ShardEntry]) -> _Present:
    names: dict[str, list[Digests]] = {}
    contents: list[Digests] = []
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        for shard, (own, same) in zip(shards, pool.map(lambda shard: _images(store, shard), shards), strict=True):
            names.setdefault(shard.source, []).append(own)
            contents.append(same)
    return _Present({source: _sorted(parts) for source, parts in names.items()}, _sorted(contents))


def _images(store: ObjectStore, shard: ShardEntry) -> tuple[Digests, Digests]:
    ledger = read_table(read_part(store, shard.ledger), kind="ledger", origin=shard.ledger.key)
    return digest_ids(ledger["image_id"]), digest_ids(ledger["image_sha256"].drop_null())


def _count(store: ObjectStore, shard: ShardEntry, present: _Present, erased: pa.Array, asked: Asked) -> int:
    table = read_table(read_part(store, shard.templates), kind="templates", origin=shard.templates.key)
    live = _unasked(without(table.select(COLUMNS), erased), asked)
    is_named = _among(digest_ids(live["image_id"]), present.names.get(shard.source, _sorted(())))
    is_stored = _among(digest_ids(live["image_sha256"]), present.contents)
    return int(np.count_nonzero(~(is_named | is_stored)))


def _unasked(table: pa.Table, asked: Asked) -> pa.Table:
    table = without(table, expired(table, asked.as_of)["template_id"].combine_chunks())
    deletions = asked.request.deletions if asked.request else ()
    for kind in KINDS:
        named = pa.array([deletion.id for deletion in deletions if deletion.kind == kind], pa.string())
        table = table.filter(pc.invert(pc.is_in(table[f"{kind}_id"], value_set=named)))
    return table


def _sorted(parts: Iterable[Digests]) -> Digests:
    return np.sort(np.concatenate([np.empty(0, np.uint64), *parts]))


def _among(digests: Digests, known: Digests) -> npt.NDArray[np.bool_]:
    if len(known) == 0:
        return np.zeros(len(digests), bool)
    found: npt.NDArray[np.bool_] = known[np.searchsorted(known, digests).clip(max=len(known) - 1)] == digests
    return found
