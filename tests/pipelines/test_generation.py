"""A change of the model on real photos: beside the old one, resumed, compared, published at once, and taken back."""

import json
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from canaried import enrol
from facebatch.cli import main
from facebatch.config import ReindexConfig
from facebatch.errors import ConfigError, FacebatchError, GateError, StaleError, StopError
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.gallery import snapshots
from facebatch.gallery.changes import compare
from facebatch.gallery.collect import RetentionSpec
from facebatch.gallery.commits import find_commit
from facebatch.gallery.history import numbers
from facebatch.gallery.unpublished import read_generations
from facebatch.index.compact import CompactSpec
from facebatch.match.generations import CANARIES, IMPOSTORS, MATES, RANK_ONE, SEPARATION
from facebatch.pipelines import expire_verify, gallery_collect, gallery_rollback, gallery_verify, reindex
from facebatch.pipelines.gallery_rollback import RollbackSpec
from page import Page
from reindexed import gallery, head, live_members, update
from repacked import WORSE, Renewed, enrol_expiring, enrolled, image_of, request, run, run_part, subjects, template_of
from stored import files
from worlds import PEOPLE, QUIET, World

pytestmark = pytest.mark.integration

FIGURES = {CANARIES, RANK_ONE, MATES, SEPARATION, IMPOSTORS}
COMPACTIONS = (CompactSpec(), CompactSpec(rows=1000))


@pytest.fixture
def world(prepared: Path, tmp_path: Path, model: ModelSpec) -> World:
    return enrolled(prepared, tmp_path, model)


def require_sound(world: World) -> None:
    found = gallery_verify.run(gallery(world), numbers(gallery(world)), QUIET)
    assert (found.faults, found.not_compared) == ((), ())


def require_gone(world: World, *asked: str) -> None:
    """No file of the head holds what was erased; the older ones and loose ones may."""
    found = expire_verify.run(gallery(world), None, datetime.now(UTC).date(), QUIET)
    assert found.left == 0
    assert not set(asked) & set(subjects(world))


def test_the_model_changes_in_one_snapshot_that_is_compared_and_whole(world: World) -> None:
    old, renewed = head(world), Renewed(world)
    before = live_members(world)
    report = run(renewed.change())
    new = head(world)
    assert (report.published, report.shards_embedded, new.seq, new.parent) == (True, len(old.shards), 2, 1)
    assert (new.model, new.model_name, new.earlier_models) == (renewed.fingerprint, "new", (old.model,))
    assert {segment.segment_id for segment in new.segments}.isdisjoint(s.segment_id for s in old.segments)
    after = live_members(world)
    assert [row["subject_id"] for row in sorted(after, key=lambda row: row["subject_id"])] == sorted(
        row["subject_id"] for row in before
    )
    assert {row["template_id"] for row in after}.isdisjoint(row["template_id"] for row in before)
    figures = {figure.name: figure for figure in new.gates}
    assert {name for name, figure in figures.items() if figure.passed and name.startswith("generation.")} == FIGURES
    assert (figures[RANK_ONE].count, figures[RANK_ONE].n) == (4, 4)
    assert [figures[name].passed for name in ("drift.new", "canary.impostors")] == [None, None]
    require_sound(world)
    assert read_generations(gallery(world)) == []
    again = run(renewed.change())
    assert (again.published, again.shards_embedded, head(world).seq) == (False, 0, 2)


def test_log_show_and_diff_tell_the_change(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    old = head(world)
    run(Renewed(world).change())
    found = compare(gallery(world), old, head(world))
    assert (found.same_model, found.re_embedded, found.added, found.removed) == (False, PEOPLE, 0, 0)
    root = str(world.root / "gallery")
    said = []
    for command in (["log"], ["show"], ["diff", "1", "2"]):
        main(["gallery", *command, "--gallery", root])
        said.append(capsys.readouterr().out)
    assert f"open_yunet_omz {old.model[:12]}" in said[0]
    assert f"new {head(world).model[:12]}" in said[0]
    assert f"new {head(world).model} (dim 256)" in said[1]
    assert "another" in next(line for line in said[2].splitlines() if "model" in line)


def test_a_change_over_several_nights_embeds_each_shard_once_and_takes_up_the_newer_listing(
    world: World, data_dir: Path
) -> None:
    """The old model's night in between adds a person and publishes; garbage is collected with no grace."""
    renewed, shards = Renewed(world), len(head(world).shards)
    few = renewed.change(spec=renewed.spec(shards=shards - 2))
    plan: Any = reindex.run(few, QUIET, dry_run=True)
    assert (plan["shards_to_embed"], plan["shards_left_after"], plan["publishes"]) == (shards - 2, 2, False)
    assert read_generations(gallery(world)) == []
    first = run_part(few)
    assert (first.shards, first.shards_embedded, first.shards_left, first.published) == (shards, shards - 2, 2, False)
    assert head(world).seq == 1
    enrol(data_dir, world, slice(PEOPLE + 20, PEOPLE + 21))
    assert update(world).published
    later = datetime.now(UTC) + timedelta(days=2)
    collected = gallery_collect.run(gallery(world), RetentionSpec(keep_last=1, keep_days=0), QUIET, now=later)
    assert "templates" not in collected.deleted or collected.deleted["templates"].objects <= 2
    plan = reindex.run(renewed.change(), QUIET, dry_run=True)
    left, listed = plan["shards_to_embed"], plan["shards_listed"]
    assert (plan["shards_embedded_before"], plan["publishes"]) == (listed - left, True)
    assert 2 <= left < listed
    report = run(renewed.change())
    assert (report.published, report.shards_embedded) == (True, left)
    assert len(subjects(world)) == PEOPLE + 1
    require_sound(world)


def test_what_a_change_that_was_given_up_has_embedded_is_collected_after_its_days(world: World) -> None:
    renewed = Renewed(world)
    run_part(renewed.change(spec=renewed.spec(shards=1)))
    kept = read_generations(gallery(world))[0]
    mine = [key for key in kept.shard_keys if find_commit(gallery(world), key)]
    assert len(mine) == 1
    for days, stays in ((29, True), (31, False)):
        now = datetime.now(UTC) + timedelta(days=days)
        gallery_collect.run(gallery(world), RetentionSpec(), QUIET, now=now)
        assert (find_commit(gallery(world), mine[0]) is not None) == stays
        assert bool(read_generations(gallery(world))) == stays
    assert run(renewed.change()).shards_embedded == len(head(world).shards)


def test_a_worse_model_is_not_published_and_its_work_stays(world: World) -> None:
    worse = Renewed(world, WORSE)
    with pytest.raises(GateError, match=r"(?s)snapshot 2 is not published.*FAILED\n.*generation\.rank_one: 1 of 4"):
        run(worse.change())
    assert head(world).seq == 1
    with pytest.raises(GateError, match=r"generation\.mates: 0 of 4"):
        run(worse.change(spec=worse.spec(loss_most=0.8)))
    report = run(worse.change(spec=worse.spec(loss_most=1.0)))
    assert (report.published, report.shards_embedded, report.segments_built) == (True, 0, 0)


def test_who_is_erased_meanwhile_is_told_by_verify_until_it_is_published_or_given_up(world: World) -> None:
    renewed, shards = Renewed(world), len(head(world).shards)
    run_part(renewed.change(spec=renewed.spec(shards=shards - 1)))
    erased = subjects(world)[0]
    update(world, deletions=request(world, "meanwhile", f"template,{template_of(world, erased)}"))
    found = expire_verify.run(gallery(world), None, datetime.now(UTC).date(), QUIET)
    assert (found.left, found.loose.template_rows) == (0, 1)
    now = RetentionSpec(keep_last=1, keep_days=0, grace_hours=0, unpublished_days=0)
    gallery_collect.run(gallery(world), now, QUIET, now=datetime.now(UTC) + timedelta(seconds=1))
    found = expire_verify.run(gallery(world), None, datetime.now(UTC).date(), QUIET)
    assert (found.left, found.loose.is_empty) == (0, True)


def without_source(renewed: Renewed) -> ReindexConfig:
    where = renewed.world.reindex().sources[0].model_copy(update={"uri": str(renewed.world.root / "probe-photos")})
    return renewed.change(sources=(where,))


def not_asked(renewed: Renewed) -> ReindexConfig:
    return renewed.change(generation=None)


def another_head(renewed: Renewed) -> ReindexConfig:
    return renewed.change(spec=renewed.spec(replaces="0" * 12))


def one_set_of_canaries(renewed: Renewed) -> ReindexConfig:
    return renewed.change(spec=renewed.spec(canaries=None))


def canaries_of_the_new_model(renewed: Renewed) -> ReindexConfig:
    return renewed.change(spec=renewed.spec(canaries=renewed.change().canaries))


def an_earlier_day(renewed: Renewed) -> ReindexConfig:
    return renewed.change(as_of=date(2024, 3, 1))


MANY = FaceSpec(keep="all", max_faces=101)


def many_faces(renewed: Renewed) -> ReindexConfig:
    update(renewed.world, deletions=request(renewed.world, "one", f"subject,{subjects(renewed.world)[0]}"))
    return renewed.change(faces=MANY)


def many_faces_and_a_request(renewed: Renewed) -> ReindexConfig:
    return renewed.change(faces=MANY, deletions=request(renewed.world, "one", f"subject,{subjects(renewed.world)[0]}"))


def many_faces_over_nights_in_which_some_expire(renewed: Renewed) -> ReindexConfig:
    store, old = gallery(renewed.world), head(renewed.world)
    shards = tuple(s.model_copy(update={"next_expiry": datetime(2099, 1, 1, tzinfo=UTC)}) for s in old.shards)
    snapshots.publish(store, old.model_copy(update={**snapshots.next_number(old), "shards": shards, "reason": "dated"}))
    return renewed.change(faces=MANY, spec=renewed.spec(shards=1))


@pytest.mark.parametrize(
    ("config", "error", "words"),
    [
        (without_source, StopError, r"^sources: .*gallery-photos of snapshot 1 is not named; .*: name every source$"),
        (not_asked, StopError, r"set generation\.replaces to [0-9a-f]{12} to change the model of this one$"),
        (another_head, StopError, r"set generation\.replaces to [0-9a-f]{12}"),
        (
            one_set_of_canaries,
            ConfigError,
            r"give canaries and generation\.canaries, .*, or set generation\.uncompared",
        ),
        (canaries_of_the_new_model, StopError, r"^generation\.canaries: .* which is not the model"),
        (an_earlier_day, ConfigError, r"^as_of: what expired since would come back"),
        (many_faces, ConfigError, r"^faces\.max_faces: .*; set it to 100$"),
        (many_faces_and_a_request, ConfigError, r"^faces\.max_faces: .*; set it to 100$"),
        (many_faces_over_nights_in_which_some_expire, ConfigError, r"^faces\.max_faces: .*; set it to 100$"),
    ],
)
def test_what_would_lose_or_bring_back_somebody_is_refused_before_anything_is_embedded(
    world: World, config: Any, error: type[FacebatchError], words: str
) -> None:
    changed = config(Renewed(world))
    before = {path.name for path in files(world.root / "gallery" / "commits", "*.json")}
    with pytest.raises(error, match=words):
        run(changed)
    assert {path.name for path in files(world.root / "gallery" / "commits", "*.json")} == before


def test_without_a_comparison_it_must_be_said(world: World) -> None:
    renewed = Renewed(world, WORSE)
    report = run(renewed.change(canaries=None, spec=renewed.spec(canaries=None, uncompared=True)))
    assert report.published
    figure = next(figure for figure in head(world).gates if figure.name == RANK_ONE)
    assert (figure.passed, "without a comparison" in figure.words) == (None, True)


@pytest.mark.parametrize("compaction", COMPACTIONS, ids=["masked", "purged"])
def test_nobody_who_was_erased_comes_back_whatever_named_them(world: World, compaction: CompactSpec) -> None:
    *others, by_template, by_subject, by_image, unlisted = subjects(world)
    lines = [
        f"template,{template_of(world, by_template)}",
        f"subject,{by_subject}",
        f"image,{image_of(world, by_image)}",
        f"template,{template_of(world, unlisted)}",
    ]
    update(world, deletions=request(world, "old", *lines), compaction=compaction)
    update(world, compaction=compaction)
    photo = files(world.root / "gallery-photos" / unlisted, "*.jpg")[0]
    photo.rename(world.root / photo.name)
    renewed = Renewed(world)
    run(renewed.change(compaction=compaction))
    assert subjects(world) == others
    (world.root / photo.name).rename(photo)
    run(renewed.change(compaction=compaction))
    assert subjects(world) == others
    require_gone(world, by_template, by_subject, by_image, unlisted)
    require_sound(world)


def test_what_has_expired_is_not_in_the_new_model_and_no_rollback_brings_it_back(world: World) -> None:
    """The first person's time is over, and its template is purged at once."""
    sources = enrol_expiring(world)
    over, *others = subjects(world)
    report = run(Renewed(world).change(sources=sources, compaction=CompactSpec(rows=1000)))
    assert (report.expired, report.templates_purged) == (1, 1)
    assert subjects(world) == others
    gallery_rollback.run(gallery(world), 1, RollbackSpec(reason="regret", model_change=True))
    assert subjects(world) == others
    require_gone(world, over)
    assert not update(world, sources=sources).published


def test_ids_of_the_old_model_still_name_their_templates_in_requests(world: World) -> None:
    first, second, *others = subjects(world)
    names = {subject: template_of(world, subject) for subject in (first, second)}
    renewed = Renewed(world)
    run(renewed.change(deletions=request(world, "during", f"template,{names[first]}")))
    assert subjects(world) == [second, *others]
    report = run(renewed.change(deletions=request(world, "after", f"template,{names[second]}")))
    assert (report.deleted, report.unknown) == (1, ())
    assert subjects(world) == others
    require_gone(world, first, second)


def test_a_rollback_to_the_old_model_keeps_what_was_erased_since(world: World) -> None:
    by_template, by_subject, by_image, *others = subjects(world)
    renewed = Renewed(world)
    run(renewed.change())
    lines = [
        f"template,{template_of(world, by_template)}",
        f"subject,{by_subject}",
        f"image,{image_of(world, by_image)}",
    ]
    purging = CompactSpec(rows=1000)
    run(renewed.change(deletions=request(world, "new", *lines), compaction=purging))
    gallery_rollback.run(gallery(world), 1, RollbackSpec(reason="regret", model_change=True), dry_run=False)
    restated = head(world)
    assert (restated.model, restated.restates) == (snapshots.read(gallery(world), 1).model, 1)
    assert len(restated.earlier_models) == 2
    assert subjects(world) == others
    require_gone(world, by_template, by_subject, by_image)
    assert not update(world).unknown
    assert subjects(world) == others
    report = run(renewed.change(compaction=purging))
    assert (report.published, report.shards_embedded) == (True, 0)
    assert subjects(world) == others
    require_sound(world)


def test_nights_with_the_old_model_are_refused_after_the_change(world: World) -> None:
    renewed = Renewed(world)
    run(renewed.change())
    with pytest.raises(StopError, match="snapshot 2 holds templates of model new, the config asks for open_yunet_omz"):
        update(world)
    back = world.reindex(generation=renewed.spec(uncompared=True))
    with pytest.raises(StopError, match=r"set generation\.replaces"):
        run(back)


def test_of_two_changes_at_once_one_publishes_and_nothing_twice(world: World) -> None:
    renewed = Renewed(world)
    ended: list[object] = []

    def one() -> None:
        try:
            ended.append(run(renewed.change()).published)
        except StaleError as error:
            ended.append(error)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert True in ended
    assert len(ended) == 2
    assert numbers(gallery(world)) == [1, 2]
    assert len(subjects(world)) == PEOPLE
    require_sound(world)


def test_a_night_of_the_old_model_that_publishes_meanwhile_is_not_lost(
    world: World, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed, compose = Renewed(world), reindex.compose

    def overtaken(*arguments: Any) -> Any:
        monkeypatch.setattr(reindex, "compose", compose)
        enrol(data_dir, world, slice(PEOPLE + 20, PEOPLE + 21))
        update(world)
        return compose(*arguments)

    monkeypatch.setattr(reindex, "compose", overtaken)
    with pytest.raises(StaleError, match="run the same command again"):
        run(renewed.change())
    assert run(renewed.change()).published
    assert len(subjects(world)) == PEOPLE + 1


def test_a_part_of_a_change_is_no_failure_and_says_what_is_left(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    renewed = Renewed(world)
    config = renewed.change(spec=renewed.spec(shards=1)).model_dump(mode="json")
    (world.root / "change.yaml").write_text(json.dumps(config))
    main(["reindex", "--config", str(world.root / "change.yaml"), "--json"])
    said = json.loads(capsys.readouterr().out)
    shards = len(head(world).shards)
    assert (said["published"], said["shards_embedded"], said["shards_left"], said["report"]) == (
        *(False, 1, shards - 1),
        None,
    )


def test_a_part_of_a_change_has_a_page(world: World) -> None:
    renewed = Renewed(world)
    part = run_part(renewed.change(spec=renewed.spec(shards=1)).model_copy(update={"report": str(world.root / "r")}))
    assert part.report is not None
    page = Path(part.report).read_text()
    Page(page).assert_fit_for_all()
    assert "The change from" in page
    told = json.loads(Path(part.report).with_suffix(".json").read_text())
    assert (told["outcome"], told["head"]) == ("unfinished", part.snapshot)
    assert told["counts"]["Left to the next runs"] == part.shards_left > 0
