"""The report of a night: what it tells, to whom it is legible, and what it must not tell."""

import json
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from facebatch.cli import main
from facebatch.errors import FacebatchError, GateError
from facebatch.faces.settings import ModelSpec
from facebatch.gallery import snapshots
from facebatch.gallery.commits import PartFile
from facebatch.gallery.figures import GateFigure, Histogram
from facebatch.gallery.gates import GateSpec
from facebatch.gallery.history import Measured
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.index.compact import CompactSpec
from facebatch.pipelines.reindex_dates import Dates
from facebatch.pipelines.reindex_history import NIGHTS, Gate, gates_of
from facebatch.pipelines.reindex_night import Ahead, Night, Stage, Went, of_snapshot
from facebatch.pipelines.reindex_page import UNKNOWN_SHOWN, render, to_json
from facebatch.pipelines.reindex_plots import plot_histories
from facebatch.storage import layout
from page import Page
from reindexed import gallery, update
from stored import files
from told_nights import AT, RATE, figure, night, points, rate
from worlds import World, copy_photos

STATE = TypeAdapter(Night)
FAILED = night(
    outcome="failed",
    verdict="Nothing was published, because 1 of 4 gates failed.",
    gates=(Gate(figure("counts.ledger", value=0, highest=0), ()), Gate(rate(RATE, 30, passed=False), points(3, 6))),
)
STORED = night(outcome="stored", came=None, went=None, templates_before=None, stages=(), dates=None, gates=())
UNCHANGED = night(outcome="unchanged", ahead=Ahead(0, rows_waiting=0, budget=0, allowed="nothing", nights=0))


@pytest.mark.parametrize("state", [night(), FAILED, STORED, UNCHANGED], ids=lambda state: state.outcome)
def test_every_page_stands_on_its_own_and_its_json_says_the_same(state: Night) -> None:
    Page(render(state)).assert_fit_for_all()
    assert STATE.validate_json(to_json(state)) == state
    assert render(STATE.validate_json(to_json(state))) == render(state)


def test_a_published_night_in_figures() -> None:
    page = " ".join(re.sub(r"<[^>]+>", " ", render(night())).split())
    for said in (
        "Reindex: snapshot 7 is published",
        "2026-03-01 01:30:00 UTC",
        "Shards unchanged, not read 1 234",
        "Images in new and changed shards 40 no_face 1 ok 39",
        "Templates erased by request 3 Templates expired 2 Erased templates purged from all files 4",
        "against the snapshot before +19",
        f"{RATE} passed 2.50% at most 30.00% 40 words of {RATE}",
        "canary.recall not measured",
        "embed 61.500 together 61.750",
        "Live rows to rewrite for all that waits 900 Budget of one night, rows 500 Nights until nothing waits 2",
        "After 2 more nights with this budget, if nothing else changes. Allowed: 500 rows.",
    ):
        assert said in page


def test_a_failed_night_says_so_before_anything_else() -> None:
    page = render(FAILED)
    order = ("is not published", FAILED.verdict, f"<b>{RATE}</b>", "still searched until", "What would have come in")
    places = [page.index(said) for said in order]
    assert places == sorted(places)
    assert "What came in" not in page
    assert page.index(f"<code>{RATE}</code>") < page.index("<code>counts.ledger</code>")
    assert "against the snapshot before" not in page


def test_the_limit_and_the_usual_range_of_a_rate_are_one_plot() -> None:
    rates, seconds = Page(render(night())).plots
    assert rates == (
        "New and changed images that show no face: "
        "snapshots 3 to 7, between 2.50% and 6.00%, last 2.50%, at most 30.00%."
    )
    assert seconds == "61.8 s in 2 stages; the longest is embed with 61.5 s."


def test_known_photos_have_a_caption_and_a_single_night_whole_numbers() -> None:
    state = night(gates=(Gate(figure("canary.photos", None), points(4, 4)),), stages=())
    (plot,) = plot_histories(state)
    assert plot.caption.startswith("Least similarity of known photos")
    assert re.findall(r"<text[^>]*>([^<]*)<", plot.svg)[:2] == ["4", "snapshot"]


def test_a_night_that_did_not_measure_shows_its_history_without_itself() -> None:
    state = night(gates=(Gate(figure(RATE, None, n=0, count=0), points(3, 6)),), stages=())
    (plot,) = Page(render(state)).plots
    assert "snapshots 3 to 6" in plot
    assert "not measured this time" in plot


def test_without_a_history_there_is_no_plot_of_one() -> None:
    state = night(gates=(Gate(rate(RATE, 1), ()),), stages=())
    assert Page(render(state)).plots == []
    assert "a plot appears from the second night on" in render(state)


def test_whatever_is_told_is_escaped() -> None:
    evil = "<script>alert('&')</script>"
    gates = (Gate(rate(evil, 1, passed=False), points(3, 6)),)
    went = Went(0, 0, 0, deleted=0, expired=0, purged=0, unknown=(evil,))
    state = replace(
        FAILED, gallery=evil, verdict=evil, model_name=evil, gates=gates, went=went, stages=(Stage(evil, 1.0),)
    )
    page = Page(render(state))
    page.assert_fit_for_all()
    assert "alert" in page.text
    assert evil not in page.text


def test_a_long_request_is_cut_on_the_page_and_whole_in_the_json() -> None:
    lines = tuple(f"request.csv: row {number}: nothing" for number in range(UNKNOWN_SHOWN + 5))
    state = night(went=Went(0, 0, 0, deleted=0, expired=0, purged=0, unknown=lines))
    page = render(state)
    assert [line in page for line in lines] == [True] * UNKNOWN_SHOWN + [False] * 5
    assert json.loads(to_json(state))["went"]["unknown"] == list(lines)


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        (Dates(-7200.0, 0, 0, 0, 0, ()), "7200 s behind that of the store"),
        (Dates(0.0, 3, 0, 0, 0, ()), "3 shards with images captured after tomorrow"),
        (Dates(0.0, 1, 0, 0, 0, ()), "1 shard with images"),
        (Dates(0.0, 0, 0, 9, 0, ()), "9 images captured after expiry"),
    ],
)
def test_dates_that_cannot_be_right_are_told(dates: Dates, said: str) -> None:
    assert said in render(night(dates=dates))
    assert "cannot be right" not in render(night())


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (Ahead(1, rows_waiting=None, budget=None, allowed=None, nights=None), "does not record"),
        (Ahead(0, rows_waiting=0, budget=0, allowed="", nights=0), "Nothing waits"),
        (Ahead(1, rows_waiting=5, budget=0, allowed="", nights=None), "no budget"),
        (Ahead(1, rows_waiting=5, budget=3, allowed="", nights=None), "never fit"),
        (Ahead(1, rows_waiting=5, budget=9, allowed="", nights=1), "After 1 more night with"),
    ],
)
def test_the_next_compaction_in_words(ahead: Ahead, said: str) -> None:
    assert said in ahead.words


def snapshot(seq: int, *gates: GateFigure) -> Snapshot:
    part = PartFile(key="k", sha256="0" * 64, size=1, rows=3)
    shards = tuple(
        ShardEntry(
            shard_key=name,
            shard_uri=f"s3://in#{name}",
            source="s3://in",
            images=3,
            outcomes={},
            templates=part,
            ledger=part,
        )
        for name in ("jane", "jane doe")
    )
    facts = {"seq": seq, "parent": seq - 1, "run_id": "r", "created_at": AT, "model": "m", "model_name": "m", "dim": 8}
    return Snapshot(**facts, shards=shards, gates=gates)


def test_a_history_ends_before_the_night_and_is_of_one_basis() -> None:
    past = [
        Measured(seq, AT, (rate(RATE, seq), figure("drift.new", value=0.1, n=1, basis="old"))) for seq in range(1, 40)
    ]
    drift = figure("drift.new", value=0.2, n=1, basis="new", histogram=Histogram(width=1.0, first=0, counts=(1,), n=1))
    counts = figure("counts.ledger", value=0, n=1)
    ledger, shares, distance = gates_of(snapshot(35, counts, rate(RATE, 1), drift), past)
    assert [point.snapshot for point in shares.earlier] == list(range(35 - NIGHTS, 35))
    assert ledger.earlier == distance.earlier == ()
    assert distance.figure.histogram is None


def test_a_failed_count_does_not_tell_whose_shard_it_is() -> None:
    failed = GateFigure(name="counts.ledger", passed=False, words="1 of 2 shards do not: s3://in#jane doe first", n=2)
    (gate,) = gates_of(snapshot(2, failed), [])
    assert gate.figure.words == "1 of 2 shards do not: the message of the job names the first"


def test_a_stored_snapshot_without_its_parent_says_what_is_not_known() -> None:
    state = of_snapshot("s3://g", snapshot(2), None, [])
    assert (state.came, state.went, state.templates_before) == (None, None, None)
    page = render(state)
    assert "the snapshot before this one is deleted" in page
    assert "does not record how long its run took" in page
    assert "published by a command that has no gates" in page


def test_no_two_nights_have_one_name() -> None:
    names = [
        layout.report(seq, outcome, AT + timedelta(seconds=second), run)
        for seq in (9, 10, 200)
        for outcome in ("published", "failed", "unchanged")
        for second in (0, 1)
        for run in ("0" * 32, "1" * 32)
    ]
    assert len(set(names)) == len(names)
    assert [int(name.split("-")[1]) for name in sorted(names)] == sorted([9, 10, 200] * 12)


@dataclass(frozen=True)
class Series:
    """Nights of one gallery, told."""

    world: World
    reports: Path
    published: str
    deleting: str
    error: GateError

    def page(self, outcome: str) -> Page:
        (path,) = self.reports.glob(f"reindex-*-{outcome}-*.html")
        return Page(path.read_text())

    def state(self, page: str) -> Night:
        return STATE.validate_json(Path(page).with_suffix(".json").read_bytes())


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory, data_dir: Path, model: ModelSpec) -> Series:
    """Two published nights, the second with deletions, one with nothing to do, one that fails."""
    root = tmp_path_factory.mktemp("series")
    copy_photos(data_dir, root)
    world = World(root, model)
    told = {"report": str(root / "reports")}
    first = update(world, **told)
    photos = files(root / "gallery-photos", "*.jpg")
    photos[0].write_bytes(photos[0].read_bytes() + b"\x00")
    request = root / "request.csv"
    lines = [f"subject,{photos[-1].parent.name},asked,court", "subject,Jane Q. Nobody,asked,court"]
    request.write_text("\n".join(["kind,id,reason,authority", *lines, ""]))
    second = update(world, deletions=str(request), compaction=CompactSpec(rows=0), **told)
    update(world, deletions=str(request), **told)
    for photo in photos[:6]:
        photo.write_bytes(photo.read_bytes()[:500])
    with pytest.raises(GateError) as error:
        update(world, gates=GateSpec(decode_error_most=0.0), **told)
    return Series(world, root / "reports", str(first.page), str(second.page), error.value)


@pytest.mark.integration
def test_every_night_has_a_page_and_a_json(series: Series) -> None:
    found = sorted(path.name for path in series.reports.glob("reindex-*"))
    kinds = [(int(name.split("-")[1]), name.split("-")[2], Path(name).suffix) for name in found]
    nights = [(1, "published"), (2, "published"), (2, "unchanged"), (3, "failed")]
    assert kinds == [(*night, suffix) for night in nights for suffix in (".html", ".json")]
    for path in series.reports.glob("*.html"):
        Page(path.read_text()).assert_fit_for_all()
    assert len(Page(Path(series.published).read_text()).plots) == 1
    assert len(Page(Path(series.deleting).read_text()).plots) == 7


@pytest.mark.integration
def test_a_night_is_told_as_it_was(series: Series) -> None:
    first, second = series.state(series.published), series.state(series.deleting)
    assert first.came is not None
    assert (first.came.outcomes, first.came.shards_unchanged, first.templates_before) == ({"ok": 8}, 0, 0)
    assert second.came is not None
    assert second.went is not None
    assert second.went.unknown is not None
    assert (second.came.shards_changed, second.came.shards_new) == (1, 0)
    assert (second.went.deleted, second.went.shards_gone, len(second.went.unknown)) == (1, 0, 1)
    assert (second.standing.templates, second.standing.tombstones) == (7, 1)
    assert second.standing.dead_rows == second.standing.tombstones + second.went.templates_replaced
    head = snapshots.read(gallery(series.world), 2)
    assert [gate.figure.name for gate in second.gates] == [figure.name for figure in head.gates]
    stages = ["list", "start", "embed", "erase", "segments", "compaction", "gates", "publish"]
    assert [stage.name for stage in second.stages] == stages
    assert sum(stage.seconds for stage in second.stages) > 0
    assert (second.ahead.budget, second.ahead.segments, second.ahead.nights) == (0, 1, None)


@pytest.mark.integration
def test_a_failed_night_is_told_where_it_fails(series: Series) -> None:
    page = series.page("failed")
    assert "rate.decode_error.new" in page.text[: page.text.index("What would have come in")]
    (path,) = series.reports.glob("reindex-*-failed-*.html")
    assert str(series.error).endswith(f"\n\nThe report: {path}")
    state = series.state(str(path))
    assert (state.snapshot, state.standing.snapshot, state.standing.templates) == (3, 2, 7)
    assert "rate.decode_error.new" in [gate.figure.name for gate in state.gates if gate.figure.passed is False]
    assert "publish" not in [stage.name for stage in state.stages]


@pytest.mark.integration
def test_a_night_with_nothing_to_do_shows_the_head(series: Series) -> None:
    page = series.page("unchanged")
    assert "nothing was judged this time" in page.text
    (path,) = series.reports.glob("reindex-*-unchanged-*.json")
    state = series.state(str(path))
    assert (state.came.shards_new, state.came.outcomes) == (0, {}) if state.came else False
    assert [gate.earlier[-1].snapshot for gate in state.gates if gate.earlier] == [1] * 12


@pytest.mark.integration
def test_nobody_is_named(series: Series) -> None:
    people = [folder.name for folder in (series.world.root / "gallery-photos").iterdir()]
    assert len(people) == 8
    ids = [Path(path).stem for path in files(series.world.root / "gallery-photos", "*.jpg")]
    for path in series.reports.glob("reindex-*"):
        text = path.read_text()
        assert not [name for name in (*people, *ids, "Jane") if name in text]
    assert "request.csv: row 3" in Path(series.deleting).read_text()


@pytest.mark.integration
def test_a_stored_snapshot_is_rendered_afterwards(
    series: Series, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(series.world.root / "gallery")
    main(["gallery", "report", "2", "--gallery", root, "--to", str(tmp_path), "--json"])
    path = json.loads(capsys.readouterr().out)["page"]
    Page(Path(path).read_text()).assert_fit_for_all()
    told, stored = series.state(series.deleting), series.state(path)
    assert (stored.gates, stored.came, stored.standing) == (told.gates, told.came, told.standing)
    assert (stored.outcome, stored.stages, stored.ahead.budget) == ("stored", (), None)
    assert stored.went == replace(told.went, deleted=None, expired=None, purged=None, unknown=None)
    main(["gallery", "report", "--gallery", root, "--to", str(tmp_path)])
    assert capsys.readouterr().out == f"{path}\n"


@pytest.mark.integration
def test_a_report_that_cannot_be_written_does_not_hide_how_the_night_was(world: World) -> None:
    (world.root / "taken").write_text("")
    folder = {"report": str(world.root / "taken")}
    with pytest.raises(FacebatchError, match=r"Snapshot 1 was published.*could not be written: .*taken"):
        update(world, **folder)
    for photo in files(world.root / "gallery-photos", "*.jpg")[:6]:
        photo.write_bytes(photo.read_bytes()[:500])
    with pytest.raises(GateError, match=r"(?s)FAILED.*Nothing was published.*could not be written: .*taken"):
        update(world, gates=GateSpec(decode_error_most=0.0), **folder)
    assert snapshots.require_head(gallery(world)).seq == 1
