"""The gates of a night: what is about to be published, judged by its own counts and by the snapshots before it."""

from concurrent.futures import ThreadPoolExecutor

import pyarrow.compute as pc

from facebatch.errors import GateError
from facebatch.gallery import snapshots
from facebatch.gallery.commits import find_commit, read_part
from facebatch.gallery.figures import GateFigure, explain, failed
from facebatch.gallery.gates import GateSpec, new_shards, rates, reconcile
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.storage import layout
from facebatch.storage.parquet import read_table
from facebatch.storage.store import ObjectStore

_AT_ONCE = 16


def judge(store: ObjectStore, snapshot: Snapshot, parent: Snapshot | None, spec: GateSpec) -> Snapshot:
    """The snapshot with the figures of its gates. GateError holding the whole page when one of them failed.

    The ledgers of new shards and earlier snapshots are read, nothing else: what was embedded and built stays, so that a
    run with other limits or a mended source goes on from there.
    """
    faces = faces_kept(store, new_shards(snapshot, parent))
    figures = reconcile(snapshot, faces) + rates(snapshot, parent, history(store, parent, spec), spec)
    if failed(figures):
        raise GateError(f"snapshot {snapshot.seq} is not published\n{explain(figures)}".rstrip())
    return snapshot.model_copy(update={"gates": figures})


def history(store: ObjectStore, parent: Snapshot | None, spec: GateSpec) -> list[tuple[GateFigure, ...]]:
    """Figures of the latest snapshots up to `parent`, oldest first; rollbacks, which restate figures, are left out."""
    if parent is None:
        return []
    seqs = sorted(layout.snapshot_seq(info.key) for info in store.list(layout.SNAPSHOTS))
    latest = [seq for seq in seqs if seq <= parent.seq][-2 * spec.nights_most :]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(lambda seq: snapshots.read(store, seq), latest))
    return [snapshot.gates for snapshot in found if snapshot.restates is None]


def faces_kept(store: ObjectStore, shards: tuple[ShardEntry, ...]) -> dict[str, int]:
    """Sum of the ledger's column by shard key, for the shards of which nothing was purged since they were embedded."""

    def one(shard: ShardEntry) -> tuple[str, int] | None:
        commit = find_commit(store, shard.shard_key)
        if commit is None or commit.templates != shard.templates:
            return None
        ledger = read_table(read_part(store, shard.ledger), kind="ledger", origin=shard.ledger.key)
        return shard.shard_key, int(pc.sum(ledger["faces_kept"]).as_py() or 0)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(found for found in pool.map(one, shards) if found is not None)
