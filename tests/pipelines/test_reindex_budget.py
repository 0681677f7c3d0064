"""The budget of compaction: minutes become rows by what is stored, all of it is told, and a rerun chooses the same."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from dying import Crash
from facebatch.cli_output import Summarised
from facebatch.faces.settings import ModelSpec
from facebatch.gallery import snapshots
from facebatch.gallery.snapshots import Snapshot
from facebatch.index.budget import ASSUMED_ROWS_PER_SECOND
from facebatch.index.compact import CompactSpec, choose
from facebatch.index.segment import read_manifest
from facebatch.index.spec import IndexSpec
from facebatch.pipelines import reindex
from facebatch.pipelines.masking import read_members
from facebatch.pipelines.reindex import ReindexReport
from facebatch.pipelines.reindex_compact import MEASURED, find_budget
from facebatch.storage.local import LocalStore
from reindexed import gallery, head, update
from stored import files
from worlds import QUIET, World, copy_photos

pytestmark = pytest.mark.integration

DAY = date(2024, 3, 1)
SMALL = IndexSpec(segment_rows=3)
GOLDEN = Path(__file__).parent.parent / "golden" / "v1"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, data_dir: Path, model: ModelSpec) -> World:
    """Three segments, each with a dead row, and nothing else to do."""
    world = World(tmp_path_factory.mktemp("worn"), model)
    copy_photos(data_dir, world.root)
    run(world)
    first = [read_members(gallery(world), segment)["subject_id"][0] for segment in head(world).segments]
    lines = ["kind,id,reason,authority", *(f"subject,{subject},r,a" for subject in first)]
    (world.root / "deletions.csv").write_text("\n".join(lines) + "\n")
    run(world, deletions=str(world.root / "deletions.csv"))
    assert [segment.dead is not None for segment in head(world).segments] == [True] * 3
    shutil.copytree(world.root / "gallery", world.root / "base")
    return world


@pytest.fixture
def worn(built: World) -> World:
    """As it was built, whatever the test before did."""
    reset(built)
    return built


def reset(world: World) -> None:
    shutil.rmtree(world.root / "gallery")
    shutil.copytree(world.root / "base", world.root / "gallery")


def run(world: World, **changes: object) -> ReindexReport:
    return update(world, as_of=DAY, index=SMALL, **changes)


def plan(world: World, spec: CompactSpec) -> Mapping[str, object]:
    found = reindex.run(world.reindex(as_of=DAY, index=SMALL, compaction=spec), QUIET, dry_run=True)
    assert isinstance(found, dict)
    return found


def rate(world: World) -> float:
    """Rows a second of the head's segments."""
    manifests = [read_manifest(gallery(world), segment) for segment in head(world).segments]
    return sum(manifest.rows for manifest in manifests) / sum(manifest.seconds or 0 for manifest in manifests)


def minutes_for(world: World, rows: float) -> CompactSpec:
    return CompactSpec(minutes=(rows + 0.5) / rate(world) / 60)


def test_plan_and_report_tell_the_budget_the_rate_and_what_is_left(worn: World) -> None:
    spec, segments, measured = minutes_for(worn, 2), head(worn).segments, rate(worn)
    chosen = choose(segments, 0, 2, SMALL.segment_rows)
    planned, report = plan(worn, spec), run(worn, compaction=spec)
    assert (report.segments_merged, report.compaction_budget_rows) == (len(chosen), 2)
    assert 0 < report.rows_rewritten == sum(segment.live_rows for segment in chosen) <= 2
    assert report.rows_waiting >= sum(segment.live_rows for segment in segments if segment not in chosen)
    assert report.nights_until_compact == planned["nights_until_compact"]
    said = f"at {measured:.0f} rows a second (as 3 segments of the head were built), so 2 rows"
    assert said in report.compaction_budget
    assert report.compaction_rows_per_second == round(measured, 1)
    for name in ("compaction_budget", "compaction_budget_rows", "compaction_rows_per_second", "rows_waiting"):
        assert planned[name] == getattr(report, name)
    assert planned["rows_to_rewrite"] == report.rows_rewritten


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_the_plan_knows_whose_rows_will_leave(built: World, rows: int, tmp_path: Path) -> None:
    """A photo fewer: its segment is dirtier than it was, and is chosen before others."""
    reset(built)
    run(built, compaction=CompactSpec(rows=100))
    *_, last = files(built.root / "gallery-photos", "*.jpg")
    away = shutil.move(last, tmp_path / last.name)
    spec = CompactSpec(rows=rows)
    planned, report = plan(built, spec), run(built, compaction=spec)
    shutil.move(away, last)
    assert report.published
    for name in ("rows_waiting", "nights_until_compact"):
        assert planned[name] == getattr(report, name)
    assert (planned["segments_to_merge"], planned["rows_to_rewrite"]) == (report.segments_merged, report.rows_rewritten)


def test_what_never_comes_and_what_is_not_known_is_said_in_words(worn: World, tmp_path: Path) -> None:
    never = plan(worn, CompactSpec(rows=0))
    report = run(worn, compaction=CompactSpec(rows=0))
    assert (never["nights_until_compact"], report.nights_until_compact) == (None, None)
    first = reindex.run(replace(worn, root=tmp_path).reindex(sources=worn.reindex().sources), QUIET, dry_run=True)
    for told in (never, report, first):
        assert isinstance(told, Summarised)
        assert None not in told.summary().values()
    assert isinstance(report.summary()["dates"], tuple)
    assert isinstance(first, Summarised)
    assert str(first.summary()["estimated_seconds"]).startswith("not known")


def test_the_nights_that_were_told_are_enough(worn: World) -> None:
    spec = CompactSpec(rows=3)
    report = run(worn, compaction=spec)
    nights = report.nights_until_compact
    assert nights
    assert report.rows_waiting
    for left in range(nights - 1, -1, -1):
        report = run(worn, compaction=spec)
        assert (report.published, report.nights_until_compact) == (True, left)
    assert (report.rows_waiting, report.dead_rows, report.tombstones) == (0, 0, 0)
    assert not run(worn, compaction=spec).published


def test_the_stricter_of_rows_and_minutes_counts(worn: World) -> None:
    ample = minutes_for(worn, 1000)
    for spec in (ample.model_copy(update={"rows": 2}), minutes_for(worn, 2).model_copy(update={"rows": 1000})):
        planned = plan(worn, spec)
        assert (planned["compaction_budget_rows"], planned["segments_to_merge"]) == (2, 1)
    nothing = plan(worn, CompactSpec())
    assert (nothing["rows_to_rewrite"], nothing["nights_until_compact"]) == (0, None)
    assert nothing["rows_waiting"] == sum(segment.live_rows for segment in head(worn).segments)


def test_a_rerun_chooses_what_the_attempt_that_was_stopped_chose(worn: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The segments that the first attempt built are timed too, and do not change the rate of the second."""
    spec = minutes_for(worn, 4)
    undisturbed = run(worn, compaction=spec)
    want = head(worn).content_sha256
    reset(worn)
    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "publish", _stop)
        with pytest.raises(Crash):
            run(worn, compaction=spec)
    assert len(files(worn.root / "gallery", "manifest.json")) > len(files(worn.root / "base", "manifest.json"))
    again = run(worn, compaction=spec)
    assert (again.segments_built, undisturbed.segments_built > 0) == (0, True)
    assert head(worn).content_sha256 == want
    assert (again.compaction_budget, again.rows_rewritten) == (
        undisturbed.compaction_budget,
        undisturbed.rows_rewritten,
    )


def _stop(store: LocalStore, snapshot: Snapshot) -> Snapshot:
    raise Crash


def test_segments_without_times_get_the_assumed_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(GOLDEN)
    old = snapshots.require_head(store)
    budget = find_budget(store, old, CompactSpec(minutes=1))
    assert budget.rows == 60 * ASSUMED_ROWS_PER_SECOND
    assert "assumed, none is recorded" in budget.words
    monkeypatch.setattr("facebatch.pipelines.reindex_compact.read_manifest", lambda *_: pytest.fail("was read"))
    assert find_budget(store, old, CompactSpec(rows=5)).rows == 5


def test_only_the_largest_segments_of_the_head_are_looked_up(worn: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = head(worn)
    many = [
        seen.segments[0].model_copy(update={"segment_id": f"{number:032x}", "rows": number + 1})
        for number in range(MEASURED + 5)
    ]
    manifest, read = read_manifest(gallery(worn), seen.segments[0]), []
    monkeypatch.setattr(
        "facebatch.pipelines.reindex_compact.read_manifest", lambda _, segment: read.append(segment.rows) or manifest
    )
    find_budget(gallery(worn), seen.model_copy(update={"segments": tuple(many)}), CompactSpec(minutes=1))
    assert read == [*range(MEASURED + 5, 5, -1)]
