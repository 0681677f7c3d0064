"""reindex on real photos: a night costs what changed, twice is once, and a kill anywhere changes nothing."""

import io
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from dying import Crash, DyingStore
from facebatch.errors import ConfigError, FacebatchError, StaleError, StopError
from facebatch.gallery import snapshots
from facebatch.gallery.gates import GateSpec
from facebatch.gallery.snapshots import Snapshot
from facebatch.gallery.template_ids import TemplateIds
from facebatch.images.source import SourceSpec
from facebatch.index.compact import CompactSpec
from facebatch.index.spec import IndexSpec
from facebatch.pipelines import embed, index, match, reindex
from facebatch.pipelines.match import MatchReport
from facebatch.pipelines.search import find_search, read_candidates
from facebatch.runtime.executor import RunSpec
from facebatch.storage.local import LocalStore
from reindexed import gallery, head, live_members
from reindexed import update as run
from stored import files
from worlds import FOLDER, QUIET, World

pytestmark = pytest.mark.integration


@pytest.fixture
def indexed(world: World) -> World:
    """Embedded and indexed from where its photos lie, so that their shards are known."""
    embed.run(world.embed(source=world.reindex().sources[0]), QUIET)
    index.run(world.index(), QUIET)
    return world


def live_rows(world: World) -> list[str]:
    """Template ids that a search compares, as often as it compares them."""
    return [str(row["template_id"]) for row in live_members(world)]


def live_templates(world: World) -> list[str]:
    ids = TemplateIds(gallery(world))
    return sorted(ids.templates([shard.templates for shard in head(world).shards]).to_pylist())


def photos(world: World) -> list[Path]:
    return files(world.root / "gallery-photos", "*.jpg")


def change(photo: Path) -> None:
    """Other bytes, the same picture."""
    photo.write_bytes(photo.read_bytes() + b"\x00")


def a_night(world: World) -> None:
    """One photo changed, one gone, one new."""
    first, second, *_, last = photos(world)
    change(first)
    last.unlink()
    shutil.copy(files(world.root / "probe-photos", "*.jpg")[3], second.parent / "new.jpg")


def test_it_fills_an_empty_gallery(world: World) -> None:
    report = run(world)
    assert (report.snapshot, report.published, report.templates) == (1, True, len(photos(world)))
    assert report.shards_new == report.shards_embedded > 1
    assert live_rows(world) == live_templates(world)


def test_a_second_run_embeds_builds_and_publishes_nothing(indexed: World) -> None:
    before = files(indexed.root / "gallery", "*")
    report = run(indexed)
    assert (report.published, report.shards_embedded, report.segments_built) == (False, 0, 0)
    assert report.shards_unchanged == len(head(indexed).shards)
    assert files(indexed.root / "gallery", "*") == before


def test_a_night_leaves_exactly_what_is_at_the_source(indexed: World) -> None:
    before = head(indexed)
    a_night(indexed)
    report = run(indexed)
    assert (report.published, report.snapshot) == (True, before.seq + 1)
    assert report.images == report.templates == len(photos(indexed))
    assert live_rows(indexed) == live_templates(indexed)
    (base, delta) = head(indexed).segments
    assert base.segment_id == before.segments[0].segment_id
    assert 0 < base.live_rows < base.rows
    assert delta.dead is None
    assert not run(indexed).published


def test_what_comes_back_is_searched_again(indexed: World) -> None:
    want = live_rows(indexed)
    aside = indexed.root / "aside.jpg"
    victim = photos(indexed)[0]
    shutil.move(victim, aside)
    run(indexed)
    assert len(live_rows(indexed)) == len(want) - 1
    shutil.copy2(aside, victim)
    run(indexed)
    assert live_rows(indexed) == want == live_templates(indexed)


def test_a_segment_leaves_with_its_last_row(indexed: World) -> None:
    extra = indexed.reindex().sources[0].model_copy(update={"uri": str(indexed.root / "probe-photos")})
    run(indexed, sources=(*indexed.reindex().sources, extra))
    assert len(head(indexed).segments) == 2
    for photo in files(indexed.root / "probe-photos", "*.jpg")[1:]:
        photo.unlink()
    run(indexed, sources=(*indexed.reindex().sources, extra))
    assert live_rows(indexed) == live_templates(indexed)
    old = photos(indexed)
    for photo in old[:-1]:
        photo.unlink()
    change(old[-1])
    run(indexed, sources=(*indexed.reindex().sources, extra), gates=GateSpec(gone_most=0.8))
    assert live_rows(indexed) == live_templates(indexed)
    assert len(live_rows(indexed)) == 2
    assert all(segment.live_rows for segment in head(indexed).segments)


def test_a_source_that_is_not_named_stays(indexed: World) -> None:
    before = head(indexed)
    probes = SourceSpec(uri=str(indexed.root / "probe-photos"), fields=FOLDER, images_per_shard=3)
    report = run(indexed, sources=(probes,))
    assert report.sources_kept == (str(indexed.root / "gallery-photos"),)
    assert {shard.shard_key for shard in before.shards} < {shard.shard_key for shard in head(indexed).shards}
    assert live_rows(indexed) == live_templates(indexed)


def test_after_embed_alone_the_segments_are_those_of_index(world: World) -> None:
    embed.run(world.embed(source=world.reindex().sources[0]), QUIET)
    run(world)
    segments = head(world).segments
    index.run(world.index(), QUIET)
    assert head(world).segments == segments
    assert head(world).seq == 2


def candidate_lists(world: World) -> list[dict[str, object]]:
    report = match.run(world.match(), QUIET)
    assert isinstance(report, MatchReport)
    store = LocalStore(report.results)
    manifest = find_search(store)
    assert manifest is not None
    rows: list[dict[str, object]] = read_candidates(store, manifest).drop_columns(["snapshot"]).to_pylist()
    return rows


def test_increments_find_what_a_gallery_built_at_once_finds(indexed: World) -> None:
    a_night(indexed)
    run(indexed)
    change(photos(indexed)[2])
    run(indexed)
    found = candidate_lists(indexed)
    shutil.rmtree(indexed.root / "gallery")
    embed.run(indexed.embed(source=indexed.reindex().sources[0]), QUIET)
    index.run(indexed.index(), QUIET)
    assert found == candidate_lists(indexed)


class Reads:
    """Notes what `LocalStore` hands out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys: list[str] = []
        for name in ("get", "get_file", "get_range"):
            monkeypatch.setattr(LocalStore, name, self.noting(getattr(LocalStore, name)))

    def noting(self, read: Callable[..., object]) -> Callable[..., object]:
        def noted(store: LocalStore, key: str, *args: object, **kwargs: object) -> object:
            self.keys.append(f"{store.uri}/{key}")
            return read(store, key, *args, **kwargs)

        return noted


def test_unchanged_shards_are_neither_read_nor_embedded(indexed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = head(indexed)
    change(photos(indexed)[0])
    with monkeypatch.context() as patch:
        reads = Reads(patch)
        report = run(indexed)
    touched = {shard.shard_key for shard in before.shards} - {shard.shard_key for shard in head(indexed).shards}
    unchanged = [shard for shard in before.shards if shard.shard_key not in touched]
    assert report.shards_embedded == report.shards_changed == len(touched) == 1
    own = {shard.templates.key for shard in unchanged} | {shard.ledger.key for shard in unchanged}
    assert not [key for key in reads.keys if any(key.endswith(name) for name in own)]
    assert not [key for key in reads.keys if any(shard.shard_key in key for shard in unchanged)]
    images = [key for key in reads.keys if key.endswith(".jpg")]
    (changed,) = [shard for shard in head(indexed).shards if shard not in before.shards]
    assert len(images) == changed.images < before.images


def test_a_dry_run_counts_and_writes_nothing(indexed: World) -> None:
    before = files(indexed.root / "gallery", "*")
    a_night(indexed)
    plan = reindex.run(indexed.reindex(), QUIET, dry_run=True)
    assert isinstance(plan, dict)
    assert plan["shards_to_embed"] == plan["shards_new"] + plan["shards_changed"] > 0
    assert 0 < plan["bytes_to_read"] < sum(photo.stat().st_size for photo in photos(indexed))
    assert plan["templates_leaving"] + plan["templates_replaced"] > 0
    assert plan["delta_rows_expected"] > 0
    assert plan["estimated_seconds"] > 0
    assert files(indexed.root / "gallery", "*") == before


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("after", "rows"), [(False, 0), (True, 1000)])
def test_killed_at_any_write_the_rerun_gives_the_same_snapshot(
    world: World, monkeypatch: pytest.MonkeyPatch, after: bool, rows: int
) -> None:
    """With a deletion and, in one of the two, with compaction."""
    for folder in sorted((world.root / "gallery-photos").iterdir())[5:]:
        shutil.rmtree(folder)
    base = world.root / "base"
    run(world)
    shutil.copytree(world.root / "gallery", base)
    a_night(world)
    asked = world.root / "deletions.csv"
    asked.write_text(f"kind,id,reason,authority\nsubject,{photos(world)[-1].parent.name},r,a\n")
    config = world.reindex(
        run=RunSpec(executor="local", workers=1),
        deletions=str(asked),
        as_of=date(2024, 3, 1),
        compaction=CompactSpec(rows=rows),
    )
    reindex.run(config, QUIET)
    want = head(world).content_sha256
    assert head(world).tombstones == () or not rows
    for writes in range(100):
        shutil.rmtree(world.root / "gallery")
        shutil.copytree(base, world.root / "gallery")
        with monkeypatch.context() as patch:
            DyingStore(patch, writes, after)
            try:
                reindex.run(config, QUIET)
            except (Crash, FacebatchError):
                crashed = True
            else:
                crashed = False
        reindex.run(config, QUIET)
        assert (head(world).content_sha256, head(world).seq) == (want, 2)
        if not crashed:
            assert writes > 12
            return
    pytest.fail("the run never got through all its writes")


def test_number_of_workers_changes_no_byte(indexed: World) -> None:
    a_night(indexed)
    base = indexed.root / "base"
    shutil.copytree(indexed.root / "gallery", base)
    found = set()
    for workers in (1, 2, 4):
        run(indexed, run=RunSpec(executor="local", workers=workers))
        found.add(head(indexed).content_sha256)
        shutil.rmtree(indexed.root / "gallery")
        shutil.copytree(base, indexed.root / "gallery")
    assert len(found) == 1


def beaten(monkeypatch: pytest.MonkeyPatch, times: int, other: Callable[[], object]) -> None:
    """Let another run publish just before this one does, so often."""
    publish, left = snapshots.publish, [times]

    def slowly(store: LocalStore, snapshot: Snapshot) -> Snapshot:
        if left[0] and snapshot.run_id:
            left[0] -= 1
            with monkeypatch.context() as patch:
                patch.setattr(snapshots, "publish", publish)
                other()
        return publish(store, snapshot)

    monkeypatch.setattr(snapshots, "publish", slowly)


def test_of_two_runs_at_once_one_publishes_and_the_other_notices(
    indexed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_night(indexed)
    beaten(monkeypatch, 1, lambda: run(indexed))
    report = run(indexed)
    assert (report.snapshot, head(indexed).seq) == (3, 3)
    assert live_rows(indexed) == live_templates(indexed)


def test_another_sources_snapshot_in_between_is_built_upon(indexed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a_night(indexed)
    probes = SourceSpec(uri=str(indexed.root / "probe-photos"), fields=FOLDER, images_per_shard=3)
    beaten(monkeypatch, 1, lambda: run(indexed, sources=(probes,)))
    report = run(indexed)
    assert (report.published, report.snapshot, head(indexed).parent) == (True, 4, 3)
    assert len({shard.source for shard in head(indexed).shards}) == 2
    assert live_rows(indexed) == live_templates(indexed)


def test_a_head_that_keeps_moving_ends_the_run_with_words(indexed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def other() -> None:
        """A shard without templates comes and goes at another source."""
        seen = head(indexed)
        empty = seen.shards[0].model_copy(
            update={
                "source": f"other{seen.seq}",
                "shard_uri": "other",
                "templates": seen.shards[0].templates.model_copy(update={"rows": 0, "sha256": "0" * 64}),
            }
        )
        update = {"seq": seen.seq + 1, "shards": (*seen.shards, empty)}
        gallery(indexed).put_if_absent(f"snapshots/{seen.seq + 1:012d}.json", _dump(seen, update))

    a_night(indexed)
    beaten(monkeypatch, 99, other)
    with pytest.raises(StaleError, match="keeps moving"):
        run(indexed)


def test_a_newer_listing_of_the_same_source_is_not_undone(indexed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def other() -> None:
        photos(indexed)[3].unlink()
        run(indexed)

    a_night(indexed)
    beaten(monkeypatch, 1, other)
    with pytest.raises(StaleError, match="meanwhile"):
        run(indexed)
    assert head(indexed).images == len(photos(indexed))


def _dump(seen: Snapshot, update: dict[str, object]) -> bytes:
    buffer = io.BytesIO(seen.model_copy(update=update).model_dump_json().encode())
    return buffer.getvalue()


def test_what_cannot_be_is_refused_before_anything_runs(indexed: World) -> None:
    source = indexed.reindex().sources[0]
    with pytest.raises(ConfigError, match="none is given"):
        run(indexed, sources=())
    with pytest.raises(ConfigError, match="given twice"):
        run(indexed, sources=(source, source.model_copy(update={"uri": source.uri + "/"})))
    gallery(indexed).put(
        "snapshots/000000000003.json", _dump(head(indexed), {"seq": 3, "model": "f" * 64, "model_name": "another"})
    )
    with pytest.raises(StopError, match=r"another.*new gallery"):
        run(indexed)


def test_a_delta_costs_its_own_rows(indexed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of parts that a build reads."""
    change(photos(indexed)[0])
    before = {shard.templates.key: shard.templates.rows for shard in head(indexed).shards}
    with monkeypatch.context() as patch:
        reads = Reads(patch)
        run(indexed, index=IndexSpec())
    after = {shard.templates.key: shard.templates.rows for shard in head(indexed).shards}
    both = {**before, **after}
    read = {key.rpartition("/gallery/")[2] for key in reads.keys if "/templates/" in key}
    changed = [key for key in after if key not in before]
    assert read == {key for key in both if key not in before or key not in after}
    assert sum(after[key] for key in changed) < sum(after.values())
