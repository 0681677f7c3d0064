"""The gates of a night: what is about to be published, judged by its own counts and by the snapshots before it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow.compute as pc

from facebatch.gallery.commits import find_commit, read_part
from facebatch.gallery.figures import GateFigure
from facebatch.gallery.gates import new_shards, rates, reconcile
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.match.canaries import Canaries
from facebatch.pipelines.reindex_canaries import canary_figures, earlier
from facebatch.pipelines.reindex_segments import Builder
from facebatch.storage import layout
from facebatch.storage.parquet import read_table
from facebatch.storage.store import ObjectStore

_AT_ONCE = 16


def judge(
    builder: Builder,
    snapshot: Snapshot,
    parent: Snapshot | None,
    canaries: Canaries | None,
    before: Sequence[GateFigure],
) -> Snapshot:
    """The snapshot with the figures of its gates, of which some may forbid to publish it, and those of `before`, which
    were measured before it was made.

    The ledgers of new shards and earlier snapshots are read, and what `canary_figures` reads where there are canaries.
    What was embedded and built stays, so that a run with other limits or a mended source goes on from there.
    """
    store, spec = builder.store, builder.config.gates
    past = earlier(store, parent, spec)
    figures = (
        *reconcile(snapshot, faces_kept(store, new_shards(snapshot, parent))),
        *rates(snapshot, parent, [night.gates for night in past], spec),
        *canary_figures(canaries, snapshot, parent, past, builder),
        *before,
    )
    return snapshot.model_copy(update={"gates": figures})


def faces_kept(store: ObjectStore, shards: tuple[ShardEntry, ...]) -> dict[str, int]:
    """Sum of the ledger's column by shard key, for the shards of which nothing was purged since they were embedded."""

    def one(shard: ShardEntry) -> tuple[str, int] | None:
        commit = find_commit(store, shard.shard_key)
        if commit is None or shard.templates.key != layout.part(layout.TEMPLATES, shard.shard_key, commit.attempt):
            return None  # purged; garbage collection lets the commit name the purged part too
        ledger = read_table(read_part(store, shard.ledger), kind="ledger", origin=shard.ledger.key)
        return shard.shard_key, int(pc.sum(ledger["faces_kept"]).as_py() or 0)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(found for found in pool.map(one, shards) if found is not None)
