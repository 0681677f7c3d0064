"""The processes of the fast layer: the real functions of the gallery in the order in which the jobs call them.

What embeds is replaced: a part is a few bytes that follow from its shard. Publishing, leases, pins, rollback and
collection are the code of the package.
"""

from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache
from types import SimpleNamespace
from typing import Any

from facebatch.errors import RetryableError, StaleError
from facebatch.gallery import leases, snapshots
from facebatch.gallery.commits import ShardCommit, committed_keys, find_commit, put_first, put_part
from facebatch.images.records import ImageShard
from facebatch.pipelines import embed
from facebatch.pipelines.overlaps import Listed
from facebatch.storage import layout
from facebatch.telemetry.progress import SilentProgress
from simulation.fast.world import CARD, FastWorld, Shard
from simulation.jobs import Job, repeat
from simulation.processes import running

_QUIET = SilentProgress()
_UNLEASED: AbstractContextManager[Any] = nullcontext(SimpleNamespace(require=lambda: None))


def embed_job(world: FastWorld, uri: str) -> Job:
    """A driver of embed, which embeds the shards of a source itself."""
    source = world.sources[uri]

    def once() -> None:
        store = world.store
        since = snapshots.head(store)
        number = world.revision(uri, source.revisions)
        committed = committed_keys(store)
        leave: AbstractContextManager[Any] = leases.writing(store, "embed") if world.shape.leases else _UNLEASED
        with leave as held:
            for shard in source.revisions[number]:
                if shard.key not in committed:
                    enrol(world, uri, shard)
            found = [find_commit(store, shard.key) for shard in source.revisions[number]]
            commits = [commit for commit in found if commit is not None]
            if len(commits) < len(found):
                raise StaleError("a commit disappeared; run the same command again")
            listed = _listed(uri, source.revisions[number])
            snapshot, published = embed._publish(store, since, listed, commits, CARD, held)
        world.rules.embedded(uri, number, snapshot.seq)
        world.rules.told_truly(snapshot.seq, published, world.issued[running()])

    return lambda: repeat(world, once)


@cache
def _listed(uri: str, revision: tuple[Shard, ...]) -> Listed:
    return Listed(uri, tuple(ImageShard(shard.uri, "tar", 1, shard.key) for shard in revision))


def enrol(world: FastWorld, uri: str, shard: Shard) -> ShardCommit:
    """What a worker does for a shard: parts under the names of its attempt, then the commit."""
    store = world.store
    standing = find_commit(store, shard.key)
    if standing is not None:
        return standing
    attempt = world.name()[:12]
    parts = {
        kind: put_part(store, layout.part(f"{kind}/", shard.key, attempt), f"{kind} of {rows}".encode(), 1)
        for kind, rows in (("templates", shard.key), ("ledger", shard.key), ("timings", attempt))
    }
    commit = ShardCommit(
        shard_key=shard.key,
        shard_uri=shard.uri,
        source=uri,
        attempt=attempt,
        model=CARD.fingerprint,
        images=1,
        outcomes={"ok": 1},
        seconds={},
        next_expiry=None,
        **parts,
    )
    return put_first(store, layout.commit(shard.key), commit)[0]


def orphan_job(world: FastWorld, uri: str) -> Job:
    """A worker whose driver died, and that goes on without a lease."""

    def work() -> None:
        with suppress(RetryableError):
            enrol(world, uri, world.sources[uri].revisions[-1][-1])

    return work
