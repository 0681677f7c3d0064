"""What gallery verify says to do about a damaged or missing file is done, and nothing is left to say."""

import re
from collections.abc import Callable

import pyarrow as pa
import pytest

from facebatch.errors import StaleError
from facebatch.gallery import purge, snapshots
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.pipelines import embed, gallery_rollback, gallery_verify, index
from facebatch.pipelines.gallery_rollback import RollbackSpec
from facebatch.pipelines.gallery_verify import Verification
from facebatch.storage import layout
from facebatch.storage.store import ObjectStore
from gallery.small import MODEL, QUIET, Shard, SmallGallery, objects
from reindexed import gallery as gallery_of
from reindexed import head, live_members, update
from worlds import World


def flip(store: ObjectStore, key: str) -> None:
    data = store.get(key)
    store.put(key, data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])


def lose(store: ObjectStore, key: str) -> None:
    store.delete(key)


DAMAGE = {"flipped": flip, "gone": lose}


def verify(store: ObjectStore) -> Verification:
    return gallery_verify.run(store, (), QUIET)


def told(store: ObjectStore, key: str) -> str:
    """The one thing that is wrong, which is of this object."""
    (fault,) = verify(store).faults
    assert fault.key == key
    return fault.problem


def remove_what_is_told(store: ObjectStore, problem: str) -> None:
    found = re.search(r"remove (commits/[0-9a-f]{40}\.json) and run `facebatch reindex` of (\S+) again", problem)
    assert found is not None, problem
    assert any(shard.source == found[2] for shard in snapshots.require_head(store).shards)
    store.delete(found[1])


def two_shards() -> SmallGallery:
    gallery = SmallGallery()
    gallery.embed(Shard("a"), Shard("b", 4))
    return gallery


def files_of(gallery: SmallGallery, shard: ShardEntry) -> dict[str, str]:
    """Keys by kind."""
    key = layout.commit(shard.shard_key)
    commit = snapshots.ShardCommit.model_validate_json(gallery.store.get(key))
    return {
        "templates": shard.templates.key,
        "ledger": shard.ledger.key,
        "timings": commit.timings.key,
        "commit": key,
    }


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("kind", ["templates", "ledger", "timings"])
def test_the_file_of_a_shard_is_written_again_and_referred_to(
    kind: str, damage: Callable[[ObjectStore, str], None]
) -> None:
    gallery = two_shards()
    before = gallery.head
    damaged = files_of(gallery, before.shards[0])[kind]
    damage(gallery.store, damaged)
    remove_what_is_told(gallery.store, told(gallery.store, damaged))
    gallery.embed(Shard("a"), Shard("b", 4))
    assert verify(gallery.store).faults == ()
    assert gallery.head.shards[1:] == before.shards[1:]
    assert gallery.head.content_sha256 == before.content_sha256
    mended = gallery.head.shards
    assert gallery.embed(Shard("a"), Shard("b", 4)).shards == mended


@pytest.mark.parametrize("is_there", [True, False], ids=["not JSON", "gone"])
def test_a_commit_is_written_again(is_there: bool) -> None:
    gallery = two_shards()
    key = layout.commit(gallery.head.shards[0].shard_key)
    gallery.store.delete(key)
    if is_there:
        gallery.store.put(key, b"{")
        remove_what_is_told(gallery.store, told(gallery.store, key))
    else:
        assert "run `facebatch reindex` of s3://in again" in told(gallery.store, key)
    gallery.embed(Shard("a"), Shard("b", 4))
    assert verify(gallery.store).faults == ()


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("kind", ["templates", "ledger"])
def test_a_shard_whose_rows_were_purged_is_rolled_back_and_purged_again(
    kind: str, damage: Callable[[ObjectStore, str], None]
) -> None:
    gallery = two_shards()
    erased = gallery.erase("a000001")
    purge_erased(gallery)
    damaged = files_of(gallery, gallery.head.shards[0])[kind]
    damage(gallery.store, damaged)
    problem = told(gallery.store, damaged)
    assert "remove commits/" not in problem  # a commit written again has the purged rows, and is not taken
    assert "or remove it and run `facebatch gallery rollback` to a snapshot from before its rows were purged" in problem
    gallery.store.delete(damaged)
    gallery_rollback.run(gallery.store, erased.seq, RollbackSpec(reason="a damaged file"))
    assert verify(gallery.store).faults == ()
    purge_erased(gallery)
    assert verify(gallery.store).faults == ()
    assert damaged in objects(gallery.store)
    assert gallery.head.templates == 6


def purge_erased(gallery: SmallGallery) -> Snapshot:
    """The head without its erased templates, and not indexed."""
    before = gallery.head
    shard = purge.purge(gallery.store, before.shards[0], pa.array(["a000001"]), MODEL)
    changes = {"shards": (shard, *before.shards[1:]), "segments": (), "tombstones": ()}
    return gallery.publish(before.model_copy(update={**snapshots.next_number(before), **changes}))


def break_part(store: ObjectStore) -> str:
    """Flip a byte in the first template part of the head; its key."""
    key = snapshots.require_head(store).shards[0].templates.key
    flip(store, key)
    return key


@pytest.mark.integration
def test_embed_and_index_mend_a_gallery_of_photos(searchable: World) -> None:
    store, before, rows = gallery_of(searchable), head(searchable), live_members(searchable)
    source = searchable.embed().source.model_copy(update={"uri": before.shards[0].source})
    damaged = break_part(store)
    remove_what_is_told(store, told(store, damaged))
    report = embed.run(searchable.embed(source=source), QUIET)
    assert isinstance(report, embed.EmbedReport)
    assert (report.shards_embedded, report.published) == (1, True)
    index.run(searchable.index(), QUIET)
    assert verify(store).faults == ()
    assert head(searchable).segments == before.segments
    assert live_members(searchable) == rows


@pytest.mark.integration
def test_reindex_mends_a_gallery_and_keeps_its_segments(world: World) -> None:
    update(world)
    store, before = gallery_of(world), head(world)
    remove_what_is_told(store, told(store, break_part(store)))
    report = update(world)
    assert (report.published, report.segments_built, report.shards_embedded) == (True, 0, 1)
    assert head(world).segments == before.segments
    assert verify(store).faults == ()
    assert not update(world).published


@pytest.mark.integration
def test_reindex_takes_what_was_embedded_again_and_keeps_its_segments(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    update(world)
    store, before = gallery_of(world), head(world)
    damaged = break_part(store)
    remove_what_is_told(store, told(store, damaged))

    def overtaken(*_: object) -> None:
        raise StaleError("another run was first")

    monkeypatch.setattr(embed, "_publish", overtaken)
    with pytest.raises(StaleError, match="another run was first"):
        embed.run(world.embed(source=world.reindex().sources[0]), QUIET)
    report = update(world)
    assert (report.published, report.segments_built, report.shards_embedded) == (True, 0, 0)
    assert head(world).segments == before.segments
    assert verify(store).faults == ()
    assert not update(world).published
