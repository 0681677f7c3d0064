"""expire --verify: 0 rows still found after an erasure, what waits and who keeps it; a planted leftover is named."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from expiring import AMPLE, DAY, Erasing, erasing
from facebatch.cli import main
from facebatch.config import IndexConfig
from facebatch.errors import CorruptError, StopError
from facebatch.gallery.collect import RetentionSpec
from facebatch.gallery.commits import put_part
from facebatch.gallery.history import numbers
from facebatch.gallery.leases import reading
from facebatch.gallery.masks import put_dead
from facebatch.gallery.pins import Pin, pin, unpin
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.gallery.tombstones import start_of
from facebatch.index.compact import CompactSpec
from facebatch.pipelines import gallery_rollback, index
from facebatch.pipelines.expire_finds import ExpireVerification, Finds, Loose, OlderSnapshot, remedies, require_gone
from facebatch.pipelines.gallery_rollback import RollbackSpec
from facebatch.pipelines.masking import mask
from facebatch.storage import layout
from facebatch.storage.parquet import read_table, write_table
from gallery.small import SEGMENTS, Shard, objects
from reindexed import live_members
from worlds import LOCAL, QUIET

NOTHING = Loose(0, 0, 0)
KINDS = ("templates", "ledgers", "segments")


@pytest.fixture
def gallery(tmp_path: Path) -> Erasing:
    return erasing(tmp_path)


def finds(found: ExpireVerification) -> dict[str, tuple[int, int]]:
    """Rows left and rows waiting, by kind of file."""
    return {kind: (getattr(found, kind).left, getattr(found, kind).waiting) for kind in KINDS}


def every(left: int, waiting: int) -> dict[str, tuple[int, int]]:
    return dict.fromkeys(KINDS, (left, waiting))


def require_clean(found: ExpireVerification) -> None:
    """Nothing anywhere."""
    assert finds(found) == every(0, 0)
    assert (found.left, found.replaced_rows, found.leftovers) == (0, 0, ())
    assert (found.older, found.loose, found.remedies) == ((), NOTHING, ())
    require_gone(found)


def test_from_the_request_to_nothing_left_anywhere(gallery: Erasing) -> None:
    asked = gallery.request("subject,a-0,r,a", "image,b/000002.jpg,r,a")
    before = gallery.verify(deletions=asked)
    assert (before.templates, before.segments.left) == (Finds(files=3, rows=10, left=4, waiting=0), 4)
    assert before.named == {"tombstones": 0, "standing orders": 0, "deletions asked": 2}
    gallery.run(deletions=asked)
    stored = objects(gallery.store)
    masked = gallery.verify(deletions=asked)
    assert objects(gallery.store) == stored
    assert finds(masked) == every(0, 4)
    assert [(held.seq, held.template_rows, held.segment_rows) for held in masked.older] == [(1, 4, 0), (2, 4, 4)]
    require_gone(masked)
    gallery.run(compaction=AMPLE)
    purged = gallery.verify(deletions=asked)
    assert finds(purged) == every(0, 0)
    assert [(held.seq, held.template_rows, held.kept_by) for held in purged.older] == [(n, 4, None) for n in (1, 2, 3)]
    gallery.collect()
    assert numbers(gallery.store) == [4]
    require_clean(gallery.verify(deletions=asked))


def test_its_remedies_are_the_way_to_nothing(gallery: Erasing) -> None:
    gallery.run(deletions=gallery.request("subject,a-0,r,a", "subject,c-1,r,a"))
    compaction, collection = gallery.verify().remedies
    rows = int(compaction.split("--compaction.rows ")[1].split("`")[0])
    assert gallery.run(compaction=CompactSpec(rows=rows - 1)).tombstones > 0
    gallery.run(compaction=CompactSpec(rows=rows))
    assert "`facebatch gallery gc --keep-last 1 --keep-days 0 --grace-hours 0`" in collection
    gallery.collect()
    require_clean(gallery.verify())


def test_a_gallery_of_which_all_is_erased_can_be_purged(gallery: Erasing) -> None:
    gallery.run(deletions=gallery.request(*(f"subject,{name}-{row},r,a" for name in "abc" for row in (0, 1))))
    assert (gallery.head.segments, finds(gallery.verify())) == ((), {**every(0, 10), "segments": (0, 0)})
    assert "--compaction.rows 1`" in gallery.verify().remedies[0]
    gallery.run(compaction=CompactSpec(rows=1))
    gallery.collect()
    require_clean(gallery.verify())


def test_what_keeps_an_older_snapshot_is_told_by_name(gallery: Erasing) -> None:
    seq = gallery.head.seq
    pin(gallery.store, Pin(name="audit", snapshot=seq, at=datetime.now(UTC)))
    gallery.run(compaction=AMPLE)
    gallery.collect()
    (held,) = gallery.verify().older
    assert (held.seq, held.template_rows, held.segment_rows, held.kept_by) == (seq, 1, 1, "pinned as audit")
    assert gallery.verify().remedies[-1] == f"snapshot {seq} stays until it is unpinned and nobody reads it"
    unpin(gallery.store, "audit")
    with reading(gallery.store, seq, "match"):
        gallery.collect()
        (read,) = gallery.verify().older
        assert str(read.kept_by).startswith("read by match on ")
    gallery.collect()
    require_clean(gallery.verify())


def test_several_snapshots_that_are_kept_are_told_in_the_plural(gallery: Erasing) -> None:
    kept = [OlderSnapshot(seq, gallery.head.created_at, 1, 1, "pinned as audit") for seq in (3, 5)]
    told = remedies(gallery.head, 0, kept, NOTHING)
    assert told[-1] == "snapshots 3, 5 stay until they are unpinned and nobody reads them"


def test_files_that_no_snapshot_refers_to_are_told_until_they_are_collected(gallery: Erasing) -> None:
    gallery.run(compaction=AMPLE)
    gallery.collect(RetentionSpec(keep_last=1, keep_days=0, grace_hours=24))
    found = gallery.verify()
    assert (found.older, found.loose) == ((), Loose(template_rows=1, segment_rows=1, unfinished=0))
    segment = layout.segment_file("f" * 32, "vectors.f16", "attempt")
    gallery.store.put(segment, b"of a run that was killed")
    assert gallery.verify().loose.unfinished == 1
    assert "gallery gc" in found.remedies[0]
    gallery.collect()
    require_clean(gallery.verify())


def test_what_left_its_source_is_masked_and_told_apart(gallery: Erasing) -> None:
    """As reindex leaves it: the rows of a whole shard masked, without tombstones; one of its templates has expired."""
    first, *others = gallery.head.segments
    masked = mask(gallery.store, first, pa.array(Shard("a").template_ids))
    gallery.publish(shards=gallery.head.shards[1:], segments=(masked, *others))
    found = gallery.verify()
    assert finds(found) == {**every(0, 0), "segments": (0, 1)}
    assert found.replaced_rows == 2
    gallery.run(compaction=AMPLE)
    assert (finds(gallery.verify()), gallery.verify().replaced_rows) == (every(0, 0), 0)


def older(gallery: Erasing, seq: int) -> dict[str, ShardEntry]:
    """Shards of a snapshot by the last part of their URI."""
    snapshot = Snapshot.model_validate_json(gallery.store.get(layout.snapshot(seq)))
    return {shard.shard_uri[-1]: shard for shard in snapshot.shards}


def purged(gallery: Erasing) -> None:
    gallery.run(deletions=gallery.request("subject,a-0,r,a", "template,b000000,r,a"), compaction=AMPLE)


def named(found: ExpireVerification, key: str) -> None:
    """Exactly this file of this kind is told, and ends the command with code 2."""
    problems = {item.key: item.problem for item in found.leftovers}
    assert key in problems
    assert key in problems[key]
    with pytest.raises(StopError, match=r"must be gone (is|are) still in") as stop:
        require_gone(found)
    assert stop.value.exit_code == 2


def test_a_template_put_back_into_a_live_part_is_found_and_erased_again(gallery: Erasing) -> None:
    old = older(gallery, gallery.head.seq)
    purged(gallery)
    want = gallery.head.content_sha256
    gallery.publish(shards=(old["a"], *gallery.head.shards[1:]))
    found = gallery.verify()
    assert (found.templates.left, found.segments.left) == (3, 0)
    named(found, old["a"].templates.key)
    assert "`facebatch expire --thorough --delete`" in found.leftovers[0].problem
    assert gallery.run(thorough=True, compaction=AMPLE).deleted == 2
    assert finds(gallery.verify()) == every(0, 0)
    assert gallery.head.content_sha256 == want


def test_a_cleared_mask_is_found_and_put_back(gallery: Erasing) -> None:
    gallery.run(deletions=gallery.request("subject,a-0,r,a"))
    first, *others = gallery.head.segments
    gallery.publish(segments=(first.model_copy(update={"dead": None}), *others))
    found = gallery.verify()
    assert (found.templates.left, found.segments.left, found.segments.waiting) == (0, 3, 0)
    named(found, layout.segment_manifest(first.segment_id))
    gallery.run(thorough=True)
    assert [row["subject_id"] for row in live_members(gallery)][:3] == ["b-0", "b-0", "b-1"]
    assert finds(gallery.verify()) == {**every(0, 3), "segments": (0, 0)}


def test_a_mask_exchanged_for_another_is_found_though_the_counts_agree(gallery: Erasing) -> None:
    gallery.run()
    one, other = gallery.head.segments
    wrong = put_dead(gallery.store, other.segment_id, np.array([2]))
    gallery.publish(segments=(one.model_copy(update={"dead": None}), other.model_copy(update={"dead": wrong})))
    assert gallery.head.indexed
    named(gallery.verify(), layout.segment_manifest(one.segment_id))
    with pytest.raises(CorruptError, match="index the gallery"):
        gallery.run(thorough=True)
    index.run(IndexConfig(gallery=str(gallery.root / "gallery"), index=SEGMENTS, run=LOCAL), QUIET)
    assert finds(gallery.verify()) == every(0, 1)


def test_details_of_a_purged_image_in_a_ledger_are_found(gallery: Erasing) -> None:
    old = older(gallery, gallery.head.seq)
    purged(gallery)
    shard, *others = gallery.head.shards
    gallery.publish(shards=(shard.model_copy(update={"ledger": old["a"].ledger}), *others))
    found = gallery.verify()
    assert finds(found) == {**every(0, 0), "ledgers": (3, 0)}
    named(found, old["a"].ledger.key)


def test_a_ledger_row_that_was_blanked_in_part_is_found(gallery: Erasing) -> None:
    purged(gallery)
    shard, *others = gallery.head.shards
    table = read_table(gallery.store.get(shard.ledger.key), kind="ledger", origin="")
    rows = table.to_pylist()
    rows[0]["image_sha256"] = "0" * 64
    altered = type(table).from_pylist(rows, schema=table.schema)
    data = write_table(altered, kind="ledger", model=gallery.head.model)
    part = put_part(gallery.store, "ledger/altered-a.parquet", data, shard.ledger.rows)
    gallery.publish(shards=(shard.model_copy(update={"ledger": part}), *others))
    assert finds(gallery.verify()) == {**every(0, 0), "ledgers": (1, 0)}


def test_what_expired_and_was_not_erased_yet_is_left(gallery: Erasing) -> None:
    found = gallery.verify()
    assert finds(found) == {"templates": (1, 0), "ledgers": (0, 1), "segments": (1, 0)}
    gallery.run()
    assert finds(gallery.verify()) == every(0, 1)


def test_a_date_put_off_by_a_newer_part_is_no_find(gallery: Erasing) -> None:
    later = datetime(2099, 1, 1, tzinfo=UTC)
    gallery.small.embed(Shard("a", expires=(later, later, later)), Shard("b"), Shard("c", 4))
    found = gallery.verify()
    assert (finds(found), found.older, found.loose) == (every(0, 0), (), NOTHING)


def test_a_date_brought_forward_counts_for_older_parts_with_the_later_one(gallery: Erasing) -> None:
    earlier = (start_of(DAY), start_of(DAY), start_of(DAY))
    gallery.small.embed(Shard("a", expires=earlier), Shard("b"), Shard("c", 4))
    gallery.run()
    gallery.run(compaction=AMPLE)
    assert finds(gallery.verify()) == every(0, 0)
    assert [held.template_rows for held in gallery.verify().older] == [3] * 5
    gallery.collect()
    require_clean(gallery.verify())


def test_a_template_that_was_restored_on_purpose_is_no_find(gallery: Erasing) -> None:
    seq = gallery.head.seq
    gallery.run(as_of=DAY)
    spec = RollbackSpec(reason="erased too early", restore_erased=True)
    gallery_rollback.run(gallery.store, seq, spec)
    found = gallery.verify(as_of=DAY - timedelta(days=1))
    assert (finds(found), found.older, found.loose) == (every(0, 0), (), NOTHING)


def test_a_request_is_looked_for_again_after_it_was_carried_out(gallery: Erasing) -> None:
    """Its subjects and templates: some may be enrolled since. Its images were taken as they were then."""
    asked = gallery.request("subject,d-0,r,a", "template,d000002,r,a", "image,b/000000.jpg,r,a")
    assert len(gallery.run(deletions=asked).unknown) == 2
    gallery.small.embed(Shard("d"), source="s3://other")
    found = gallery.verify(deletions=asked)
    assert (found.templates.left, found.segments.left) == (3, 3)
    assert gallery.verify().left == 0
    assert gallery.run(deletions=asked, thorough=True).deleted == 3
    assert gallery.verify(deletions=asked).left == 0


def test_a_file_that_cannot_be_read_ends_the_scan(gallery: Erasing) -> None:
    gallery.run(compaction=AMPLE)
    key = older(gallery, 1)["a"].templates.key
    gallery.store.put(key, b"damaged")
    with pytest.raises(CorruptError, match=key):
        gallery.verify()


def test_its_words_and_its_code(gallery: Erasing, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["expire", "--verify", "--gallery", str(gallery.root / "gallery"), "--as-of", str(DAY), "--quiet"]
    with pytest.raises(SystemExit) as stop:
        main(flags)
    out, err = capsys.readouterr()
    assert stop.value.code == 2
    assert "2 rows that must be gone are still in 2 files of snapshot 2" in err
    assert out.startswith("snapshot 2: 2 rows still found of templates that must be gone\n")
    segment = gallery.head.segments[0].segment_id
    assert f"/segments/{segment}/manifest.json: 1 row that must be gone, that a search finds; run " in out
    assert "older snapshots that still hold them: 1\n  snapshot 1 of " in out
    gallery.run(compaction=AMPLE)
    main([*flags, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [told[kind]["left"] for kind in KINDS] == [0, 0, 0]
    assert [item["seq"] for item in told["older"]] == [1, 2]
    gallery.collect()
    main(flags)
    out, err = capsys.readouterr()
    assert "older snapshots that still hold them: none\n" in out
    assert "to do" not in out
    assert err == ""
