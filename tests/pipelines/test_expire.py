"""expire: what is asked or due leaves every search at once, is purged within the budget, and nothing is embedded."""

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date, timedelta
from pathlib import Path

import pytest

from dying import Crash, DyingStore
from expiring import AMPLE, DAY, Erasing, erasing
from facebatch.cli import main
from facebatch.config import ExpireConfig
from facebatch.errors import ConfigError, FacebatchError, GateError, ModelPackError, NotFoundError, StaleError
from facebatch.faces import packs
from facebatch.faces.settings import ModelSpec
from facebatch.gallery import snapshots
from facebatch.gallery.snapshots import Snapshot
from facebatch.gallery.tombstones import joined, read_tables
from facebatch.index.compact import CompactSpec
from facebatch.pipelines import expire
from facebatch.runtime.executor import RunSpec
from gallery.small import Shard, objects
from reindexed import head, live_members, update
from stored import files
from worlds import LOCAL, QUIET, World

ALL = [f"{name}{row:06d}" for name, rows in (("a", 3), ("b", 3), ("c", 4)) for row in range(rows)]


@pytest.fixture
def gallery(tmp_path: Path) -> Erasing:
    return erasing(tmp_path)


def live(gallery: Erasing) -> list[str]:
    """Template ids that a search compares, as often as it compares them."""
    return [str(row["template_id"]) for row in live_members(gallery)]


def without(*gone: str) -> list[str]:
    return [name for name in ALL if name not in gone]


def test_each_kind_of_deletion_and_what_expired_leave_the_search_at_once(gallery: Erasing) -> None:
    before = gallery.head
    asked = gallery.request("template,c000003,r1,a1", "subject,a-0,r2,a2", "image,b/000002.jpg,r3,a3")
    report = gallery.run(deletions=asked)
    assert (report.snapshot, report.published) == (before.seq + 1, True)
    assert (report.deleted, report.expired, report.templates, report.tombstones) == (4, 1, 5, 5)
    assert (report.unknown, report.segments_built, report.templates_purged, report.dead_rows) == ((), 0, 0, 5)
    assert live(gallery) == without("a000000", "a000001", "a000002", "b000002", "c000003")
    rows = joined(read_tables(gallery.store, gallery.head.tombstones)).to_pylist()
    assert {(row["reason"], row["authority"]) for row in rows} == {
        *(("r1", "a1"), ("r2", "a2"), ("r3", "a3"), ("expired", "retention"))
    }
    assert [figure.passed for figure in gallery.head.gates if figure.name == "counts.segments"] == [True]
    assert (gallery.head.model, gallery.head.model_name) == (before.model, before.model_name)


def test_no_model_pack_is_looked_for(gallery: Erasing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEBATCH_MODELS", str(gallery.root / "none"))
    with pytest.raises(ModelPackError):
        packs.find_pack(ModelSpec(packs=str(gallery.root / "none")))
    assert gallery.run(compaction=AMPLE).templates_purged == 1


def test_run_twice_it_publishes_nothing_new(gallery: Erasing) -> None:
    asked = gallery.request("subject,a-0,r,a")
    for compaction in (CompactSpec(), AMPLE):
        assert gallery.run(deletions=asked, compaction=compaction).published
        before = objects(gallery.store)
        again = gallery.run(deletions=asked, compaction=compaction)
        assert (again.published, again.deleted, again.expired, again.unknown) == (False, 0, 0, ())
        assert objects(gallery.store) == before


def test_with_a_budget_it_purges_what_it_erases(gallery: Erasing) -> None:
    report = gallery.run(deletions=gallery.request("subject,a-0,r,a"), compaction=AMPLE)
    assert (report.deleted, report.expired, report.templates_purged, report.tombstones) == (2, 1, 3, 0)
    assert report.rows_rewritten > 0
    assert live(gallery) == without("a000000", "a000001", "a000002")
    assert sum(shard.templates.rows for shard in gallery.head.shards) == len(ALL) - 3
    assert gallery.head.images == len(ALL)


def test_a_gallery_that_is_not_indexed_is_indexed_on_the_way(gallery: Erasing) -> None:
    gallery.small.embed(Shard("a"), Shard("b"), index=False)
    gallery.run(deletions=gallery.request("subject,b-1,r,a"))
    assert gallery.head.indexed
    assert live(gallery) == [name for name in ALL[:6] if name != "b000002"]


def test_dead_rows_of_segments_that_it_built_itself_are_told(gallery: Erasing) -> None:
    gallery.small.embed(Shard("a"), Shard("b"), index=False)
    report = gallery.run(deletions=gallery.request("subject,b-1,r,a"))
    assert (report.segments_built, report.tombstones, report.dead_rows) == (1, 1, 1)
    again = gallery.run()
    assert (again.published, again.dead_rows) == (False, 1)


def test_when_another_run_was_first_it_erases_from_what_that_made(
    gallery: Erasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, calls = snapshots.publish, [0]

    def slowly(store: object, snapshot: Snapshot) -> Snapshot:
        calls[0] += 1
        if calls[0] == 1:
            gallery.small.embed(Shard("d", 2), source="s3://other")
        return publish(store, snapshot)

    monkeypatch.setattr(snapshots, "publish", slowly)
    gallery.run(deletions=gallery.request("subject,d-0,r,a", "subject,a-0,r,a"))
    assert live(gallery) == without("a000000", "a000001", "a000002")


def test_a_head_that_keeps_moving_ends_the_run_with_words(gallery: Erasing, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery.small.embed(*(Shard(f"{number:02d}", 1) for number in range(9)), index=False)
    publish = snapshots.publish

    def slowly(store: object, snapshot: Snapshot) -> Snapshot:
        head = gallery.head
        publish(store, head.model_copy(update={**snapshots.next_number(head), "shards": head.shards[1:]}))
        return publish(store, snapshot)

    monkeypatch.setattr(snapshots, "publish", slowly)
    with pytest.raises(StaleError, match="keeps moving"):
        gallery.run(deletions=gallery.request("subject,08-0,r,a"))


@pytest.mark.parametrize(("after", "rows"), [(False, 0), (True, 1000)])
def test_killed_at_any_write_the_rerun_gives_the_same_snapshot(
    gallery: Erasing, monkeypatch: pytest.MonkeyPatch, after: bool, rows: int
) -> None:
    root, base = gallery.root / "gallery", gallery.root / "base"
    shutil.copytree(root, base)
    config = gallery.config(
        deletions=gallery.request("subject,b-0,r,a", "template,c000003,r,a"),
        compaction=CompactSpec(rows=rows),
        run=RunSpec(executor="local", workers=1),
    )
    expire.run(config, QUIET, dry_run=False)
    want, seq = gallery.head.content_sha256, gallery.head.seq
    assert bool(gallery.head.tombstones) == (rows == 0)
    for writes in range(100):
        shutil.rmtree(root)
        shutil.copytree(base, root)
        with monkeypatch.context() as patch:
            DyingStore(patch, writes, after)
            try:
                expire.run(config, QUIET, dry_run=False)
            except (Crash, FacebatchError):
                crashed = True
            else:
                crashed = False
        expire.run(config, QUIET, dry_run=False)
        assert (gallery.head.content_sha256, gallery.head.seq) == (want, seq)
        if not crashed:
            assert writes >= 5
            return
    pytest.fail("the run never got through all its writes")


def test_a_dry_run_tells_what_would_be_erased_and_writes_nothing(gallery: Erasing) -> None:
    asked = gallery.request("subject,a-0,r,court 4", "image,b/000002.jpg,r,court 4", "subject,nobody,r,a")
    before = objects(gallery.store)
    plan = gallery.plan(deletions=asked, compaction=AMPLE)
    assert objects(gallery.store) == before
    assert (plan.deletions_asked, plan.carried_out_before, plan.deleted, plan.expired) == (3, False, 3, 1)
    assert plan.by_authority == {"court 4": 3, "retention": 1}
    assert plan.templates_left == len(ALL) - 4
    assert (plan.segments_touched, plan.segments_to_merge, plan.rows_to_rewrite) == (1, 2, len(ALL) - 4)
    assert len(plan.unknown) == 1
    report = gallery.run(deletions=asked, compaction=AMPLE)
    done = (report.deleted, report.expired, report.templates, report.rows_rewritten, report.unknown)
    assert done == (plan.deleted, plan.expired, plan.templates_left, plan.rows_to_rewrite, plan.unknown)
    again = gallery.plan(deletions=asked)
    assert (again.carried_out_before, again.deleted, again.expired, again.by_authority) == (True, 0, 0, {})


def test_bad_input_is_refused_before_anything_is_written(gallery: Erasing, tmp_path: Path) -> None:
    before = objects(gallery.store)
    for run in (gallery.run, gallery.plan, gallery.verify):
        with pytest.raises(ConfigError, match="row 3: kind"):
            run(deletions=gallery.request("subject,a-0,r,a", "person,p,r,a"))
        with pytest.raises(NotFoundError, match=r"none\.csv"):
            run(deletions=str(tmp_path / "none.csv"))
        with pytest.raises(ConfigError, match="before their time"):
            run(as_of=date(2999, 1, 1))
        with pytest.raises(NotFoundError, match="no snapshot yet; run `facebatch embed` first"):
            run(gallery=str(tmp_path / "nowhere"))
    assert objects(gallery.store) == before
    assert not (tmp_path / "nowhere").exists()


def test_counts_that_do_not_reconcile_publish_nothing(gallery: Erasing) -> None:
    first, *others = gallery.head.shards
    gallery.publish(shards=(first.model_copy(update={"outcomes": {"ok": 2}}), *others))
    seq = gallery.head.seq
    with pytest.raises(GateError, match=r"1 of 3 shards do not have one outcome per image: s3://in/a first"):
        gallery.run()
    assert gallery.head.seq == seq


@pytest.mark.parametrize(("lines", "code"), [(["subject,nobody,r,a", "subject,a-0,r,a"], 2), (["subject,a-0,r,a"], 0)])
def test_an_unknown_id_is_told_by_line_after_the_rest_was_published(
    gallery: Erasing, capsys: pytest.CaptureFixture[str], lines: list[str], code: int
) -> None:
    with pytest.raises(SystemExit) if code else nullcontext() as ended:
        main(["expire", "--delete", *flags(gallery), "--deletions", gallery.request(*lines), "--json"])
    out, err = capsys.readouterr()
    assert getattr(getattr(ended, "value", None), "code", 0) == code
    assert (json.loads(out)["published"], json.loads(out)["deleted"]) == (True, 2)
    assert ("deletions.csv: row 2: nothing in the gallery has this subject id" in err) == (code == 2)
    assert "nobody" not in out + err


def test_a_plan_does_not_say_that_anything_was_done(gallery: Erasing, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["expire", *flags(gallery), "--deletions", gallery.request("subject,nobody,r,a", "subject,a-0,r,a")])
    assert ended.value.code == 2
    assert "1 deletion names nothing; the others would be carried out:" in capsys.readouterr().err


def flags(gallery: Erasing) -> list[str]:
    return ["--gallery", str(gallery.root / "gallery"), "--as-of", str(DAY), "--run.executor", "local", "--quiet"]


def test_the_day_decides(gallery: Erasing) -> None:
    assert gallery.run(as_of=DAY - timedelta(days=1)).expired == 0
    assert live(gallery) == ALL
    assert gallery.run(as_of=DAY).expired == 1


def content_after(world: World, erased: Callable[[World], object]) -> str:
    """What a copy of the gallery holds after it was erased."""
    copy = World(world.root / "copy", world.model)
    shutil.rmtree(copy.root, ignore_errors=True)
    shutil.copytree(world.root / "gallery", copy.root / "gallery")
    erased(copy)
    return head(copy).content_sha256


@pytest.mark.integration
@pytest.mark.parametrize("rows", [0, 1000])
def test_the_same_content_as_a_reindex_that_got_the_same_deletions(world: World, rows: int) -> None:
    source = world.reindex().sources
    update(world, as_of=DAY)
    person = files(world.root / "gallery-photos", "*.jpg")[0].parent.name
    path = world.root / "deletions.csv"
    path.write_text(f"kind,id,reason,authority\nsubject,{person},r,a\n")
    changes = {"deletions": str(path), "as_of": DAY, "compaction": CompactSpec(rows=rows)}
    by_reindex = content_after(world, lambda copy: update(copy, sources=source, **changes))
    by_expire = content_after(
        world,
        lambda copy: expire.run(
            ExpireConfig(gallery=str(copy.root / "gallery"), run=LOCAL).model_copy(update=changes),
            QUIET,
            dry_run=False,
        ),
    )
    assert by_expire == by_reindex != head(world).content_sha256
