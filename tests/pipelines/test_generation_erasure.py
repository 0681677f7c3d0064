"""Nights of a model change that leave shards to the next: what is asked or has expired leaves the head at once."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from canaried import enrol
from dying import Crash, DyingStore
from facebatch.cli import main
from facebatch.config import ReindexConfig
from facebatch.errors import FacebatchError, ModelPackError
from facebatch.faces import packs
from facebatch.faces.settings import ModelSpec
from facebatch.index.compact import CompactSpec
from facebatch.pipelines import expire_verify, gallery_verify, reindex
from gallery.small import objects
from page import Page
from reindexed import gallery, head, update
from repacked import Renewed, enrol_expiring, enrolled, image_of, request, run, run_part, subjects, template_of
from stored import files
from worlds import LOCAL, PEOPLE, QUIET, World

pytestmark = pytest.mark.integration

MASKING, PURGING = CompactSpec(rows=0), CompactSpec(rows=1000)


@pytest.fixture
def world(prepared: Path, tmp_path: Path, model: ModelSpec) -> World:
    return enrolled(prepared, tmp_path, model)


def part(renewed: Renewed, shards: int = 1, **changes: object) -> ReindexConfig:
    """A night that embeds so many shards with the new model."""
    return renewed.change(spec=renewed.spec(shards=shards), **changes)


def left(world: World) -> int:
    """Rows that a search finds and must not."""
    return expire_verify.run(gallery(world), None, datetime.now(UTC).date(), QUIET).left


def on_command_line(world: World, config: ReindexConfig, *flags: str) -> int:
    """Exit code."""
    path = world.root / "change.yaml"
    path.write_text(json.dumps(config.model_dump(mode="json")))
    try:
        main(["reindex", "--config", str(path), "--quiet", *flags])
    except SystemExit as ended:
        return int(str(ended.code))
    return 0


@pytest.mark.parametrize("compaction", [MASKING, PURGING], ids=["masked", "purged"])
def test_who_is_asked_to_be_deleted_leaves_the_head_and_is_not_in_the_new_model(
    world: World, compaction: CompactSpec
) -> None:
    old, renewed = head(world), Renewed(world)
    *others, by_template, by_subject, by_image = subjects(world)
    asked = request(
        world,
        "asked",
        f"template,{template_of(world, by_template)}",
        f"subject,{by_subject}",
        f"image,{image_of(world, by_image)}",
    )
    report = run_part(part(renewed, deletions=asked, compaction=compaction))
    assert (report.published, report.snapshot, report.deleted, report.unknown) == (True, 2, 3, ())
    assert (report.shards_embedded, report.shards_left) == (1, len(old.shards) - 1)
    assert (report.templates, head(world).model, head(world).parent) == (len(others), old.model, 1)
    assert (report.templates_purged, report.tombstones) == ((3, 0) if compaction.rows else (0, 3))
    assert subjects(world) == others
    assert left(world) == 0
    again = run_part(part(renewed, deletions=asked, compaction=compaction))
    assert (again.published, again.snapshot, again.deleted, again.unknown) == (False, 2, 0, ())
    finished = run(renewed.change(deletions=asked, compaction=compaction))
    assert (finished.published, finished.snapshot, head(world).model) == (True, 3, renewed.fingerprint)
    assert subjects(world) == others
    assert left(world) == 0
    assert gallery_verify.run(gallery(world), [3], QUIET).faults == ()


def test_what_has_expired_leaves_the_head(world: World) -> None:
    sources, renewed = enrol_expiring(world), Renewed(world)
    assert left(world) > 0
    over, *others = subjects(world)
    report = run_part(part(renewed, sources=sources, compaction=MASKING))
    assert (report.published, report.expired, report.deleted) == (True, 1, 0)
    assert subjects(world) == others
    assert left(world) == 0
    run(renewed.change(sources=sources))
    assert (over in subjects(world), left(world)) == (False, 0)


def test_a_request_that_the_old_model_has_carried_out_is_not_carried_out_again(world: World) -> None:
    *others, erased = subjects(world)
    asked = request(world, "asked", f"subject,{erased}")
    update(world, deletions=asked, compaction=PURGING)
    before = head(world)
    report = run_part(part(Renewed(world), deletions=asked, compaction=PURGING))
    assert (report.published, report.deleted, report.snapshot) == (False, 0, before.seq)
    assert (head(world), subjects(world)) == (before, others)


def test_whom_the_head_does_not_know_is_looked_for_in_the_new_model_too(world: World, data_dir: Path) -> None:
    renewed = Renewed(world)
    enrol(data_dir, world, slice(PEOPLE + 20, PEOPLE + 21))
    comes = files(world.root / "gallery-photos", "*.jpg")[-1].parent.name
    assert comes not in subjects(world)
    asked = request(world, "asked", f"subject,{comes}")
    assert len(run_part(part(renewed, deletions=asked)).unknown) == 1
    report = run(renewed.change(deletions=asked))
    assert (report.deleted, report.unknown) == (1, ())
    assert len(subjects(world)) == PEOPLE
    assert comes not in subjects(world)


def test_a_line_that_names_nothing_ends_with_exit_code_2_every_night_until_it_is_taken_out(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    *others, erased = subjects(world)
    asked = request(world, "asked", "subject,nobody", f"subject,{erased}")
    for deleted in (1, 0):
        config = part(Renewed(world), deletions=asked)
        assert on_command_line(world, config, "--json") == 2
        out, err = capsys.readouterr()
        told = json.loads(out)
        assert (told["deleted"], told["published"], len(told["unknown"])) == (deleted, bool(deleted), 1)
        assert "asked.csv: row 2: " in err
        assert "1 deletion names nothing; the others are carried out" in err
        assert "nobody" not in out + err
    assert subjects(world) == others
    assert on_command_line(world, part(Renewed(world)), "--json") == 0


def test_the_plan_tells_what_would_be_erased_and_writes_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = enrol_expiring(world)
    *_, erased = subjects(world)
    asked = request(world, "asked", f"subject,{erased}", "template,none")
    config = part(Renewed(world), deletions=asked, sources=sources, compaction=PURGING)
    before = objects(gallery(world))
    plan: Any = reindex.run(config, QUIET, dry_run=True)
    assert on_command_line(world, config, "--dry-run") == 2
    assert "1 deletion names nothing; the others would be carried out" in capsys.readouterr().err
    assert objects(gallery(world)) == before
    assert (plan["publishes"], plan["erased_from"].split(",")[0]) == (False, "snapshot 1 of open_yunet_omz")
    report = run_part(config)
    planned = (plan["deleted"], plan["expired"], len(plan["unknown"]), plan["templates_left"], plan["rows_to_rewrite"])
    done = (report.deleted, report.expired, len(report.unknown), report.templates, report.rows_rewritten)
    assert planned == done == (1, 1, 1, PEOPLE - 2, PEOPLE - 2)


def test_the_plan_of_the_last_night_does_not_speak_of_the_old_head(world: World) -> None:
    plan: Any = reindex.run(Renewed(world).change(), QUIET, dry_run=True)
    assert (plan["publishes"], "erased_from" in plan, "unknown" in plan) == (True, False, False)


def test_the_page_and_its_json_tell_what_was_erased(world: World) -> None:
    asked = request(world, "asked", "subject,nobody", f"subject,{subjects(world)[0]}")
    config = part(Renewed(world), deletions=asked, report=str(world.root / "reports"))
    report = run_part(config)
    assert report.report is not None
    page = Path(report.report).read_text()
    Page(page).assert_fit_for_all()
    assert "searches see snapshot 2, without what was asked to be deleted or has expired." in page
    assert "asked.csv: row 2: " in page
    assert "nobody" not in page
    told = json.loads(Path(report.report).with_suffix(".json").read_text())
    assert (told["head"], len(told["unknown"])) == (2, 1)
    assert (told["counts"]["Templates erased by request"], told["counts"]["Deletions that name nothing"]) == (1, 1)
    quiet = run_part(part(Renewed(world), report=str(world.root / "reports")))
    assert quiet.report is not None
    assert "searches see snapshot 2, as before." in Path(quiet.report).read_text()


def test_the_pack_of_the_old_model_need_not_be_at_hand(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    *others, erased = subjects(world)
    config = part(Renewed(world), deletions=request(world, "asked", f"subject,{erased}"), compaction=PURGING)
    monkeypatch.setenv("FACEBATCH_MODELS", str(world.root / "none"))
    with pytest.raises(ModelPackError):
        packs.find_pack(ModelSpec(pack=world.model.pack))
    assert run_part(config).templates_purged == 1
    assert subjects(world) == others


def test_killed_before_any_write_the_rerun_has_erased_the_same_and_told_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, base = world.root / "gallery", world.root / "base"
    shutil.copytree(root, base)
    asked = request(world, "asked", "subject,nobody", f"subject,{subjects(world)[0]}")
    one = LOCAL.model_copy(update={"workers": 1})
    config = part(Renewed(world), deletions=asked, compaction=PURGING, run=one)
    run_part(config)
    want = head(world).content_sha256
    for writes in range(100):
        shutil.rmtree(root)
        shutil.copytree(base, root)
        crashed = False
        with monkeypatch.context() as patch:
            DyingStore(patch, writes, after=False)
            try:
                reindex.run(config, QUIET)
            except (Crash, FacebatchError):
                crashed = True
        report = run_part(config)
        assert (report.snapshot, head(world).content_sha256, len(report.unknown)) == (2, want, 1)
        assert left(world) == 0
        if not crashed:
            assert writes >= 10
            return
    pytest.fail("the run never got through all its writes")
