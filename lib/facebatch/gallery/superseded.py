"""Commits that still name the parts of before rows were purged: what to do before such parts are deleted.

The snapshots list the purged parts; the commit was first and stands. Were its parts deleted under it, a run that finds
the same shard again would publish what is not there; were they kept for its sake, erased templates would stay.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from facebatch.gallery.commits import ShardCommit, find_commit
from facebatch.gallery.snapshots import ShardEntry
from facebatch.storage import layout
from facebatch.storage.store import ObjectInfo, ObjectStore

READ_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Settlement:
    """How commits and parts come to agree again."""

    renewed: tuple[ShardCommit, ...]
    """To be put in place of those that stand, before the files are deleted: they name what the snapshots list."""
    needed: frozenset[str]
    """Keys of files that are no garbage, because a commit names them and no snapshot can."""


def settle(store: ObjectStore, shards: Mapping[str, ShardEntry], files: Iterable[ObjectInfo]) -> Settlement:
    """Look into the commits of those `shards` (by shard key, as snapshots list them) that have parts among `files`."""
    doomed = {info.key for info in files}
    keys = sorted({layout.part_work_key(key) for key in doomed} & shards.keys())
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        found = pool.map(lambda key: find_commit(store, key), keys)
        commits = [commit for commit in found if commit is not None]
    renewed = [
        commit.model_copy(update={"templates": shard.templates, "ledger": shard.ledger})
        for commit in commits
        for shard in (shards[commit.shard_key],)
        if not doomed.isdisjoint({commit.templates.key, commit.ledger.key})
    ]
    return Settlement(tuple(renewed), frozenset(commit.timings.key for commit in commits))
