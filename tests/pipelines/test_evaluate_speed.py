"""Times of a search at each size: of the search's own probes and segments, with counts, and never an error."""

import json
import logging
from dataclasses import fields
from pathlib import Path

import pytest

from evaluated import COSTS, OCCASION, drawn
from facebatch.config import EvaluateConfig
from facebatch.evaluate.report import CostRow, ReportSpec
from facebatch.gallery import snapshots
from facebatch.gallery.commits import put_first
from facebatch.index.spec import IndexSpec
from facebatch.match.kernel_paths import available_paths
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import embed, index
from facebatch.pipelines.evaluate_files import costs_table, figures_json
from facebatch.pipelines.evaluate_speed import first_probes, speeds
from facebatch.pipelines.evaluate_speed_plan import LEAST_ROUNDS, MOST_ROUNDS
from facebatch.pipelines.retention_deleted import Deleted
from facebatch.pipelines.search import find_search, probe_templates
from facebatch.storage import layout
from facebatch.storage.local import LocalStore
from facebatch.storage.parquet import embeddings, read_table, write_table
from page import Page
from searched import search
from stored import files
from worlds import PEOPLE, QUIET, World

KERNELS = (available_paths() or ("plain",))[0]


def timed(world: World, results: str, subjects: int = PEOPLE, **settings: object) -> tuple[CostRow, ...]:
    config = EvaluateConfig(gallery=str(world.root / "gallery"), search=results, report=str(world.root / "report"))
    manifest = find_search(LocalStore(results))
    assert manifest is not None
    snapshot = snapshots.read(LocalStore(world.root / "gallery"), manifest.snapshot)
    return speeds(config.model_copy(update=settings), manifest, snapshot, results, subjects)


@pytest.mark.integration
def test_each_size_has_a_median_with_quartiles_and_rounds(world: World) -> None:
    embed.run(world.embed(), QUIET)
    index.run(world.index(index=IndexSpec(segment_rows=3)), QUIET)
    results = search(world, match=MatchSpec(length=5)).results
    assert len(snapshots.require_head(LocalStore(world.root / "gallery")).segments) == 2
    rows = timed(world, results, subjects=80, figures=ReportSpec(sizes=3))
    assert [(row.gallery, row.templates) for row in rows] == [(10, 1), (28, 3), (80, PEOPLE)]
    for row in rows:
        assert row.value is not None
        assert row.low is not None
        assert row.high is not None
        assert 0 < row.low <= row.value <= row.high
        assert LEAST_ROUNDS <= (row.count or 0) <= MOST_ROUNDS
        assert (row.what, row.unit, row.method) == ("a search", "ms", "quartiles")
        assert f"kernels {KERNELS}, one thread, {PEOPLE} of the probes together, lists of 5;" in row.basis


@pytest.mark.integration
def test_the_path_that_match_names_is_the_one_that_is_timed(searchable: World) -> None:
    (row,) = timed(searchable, search(searchable).results, match=MatchSpec(path="plain"))
    assert "kernels plain" in row.basis


@pytest.mark.integration
def test_nothing_is_timed_where_no_time_or_no_sizes_are_given(searchable: World) -> None:
    results = search(searchable).results
    assert timed(searchable, results, figures=ReportSpec(sizes=0)) == ()
    assert timed(searchable, results, figures=ReportSpec(timing_s=0)) == ()


@pytest.mark.integration
def test_too_little_time_leaves_rows_that_say_so(searchable: World) -> None:
    (row,) = timed(searchable, search(searchable).results, figures=ReportSpec(timing_s=1e-9))
    assert (row.value, row.count, row.gallery) == (None, None, PEOPLE)
    assert row.basis.startswith("not timed, since that would take too long")


@pytest.mark.integration
def test_a_segment_that_cannot_be_read_is_told_and_stops_nothing(
    searchable: World, caplog: pytest.LogCaptureFixture
) -> None:
    results = search(searchable).results
    path = files(searchable.root / "gallery", "segments/*/codes-*")[0]
    path.write_bytes(path.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING):
        (row,) = timed(searchable, results)
    assert (row.what, row.value) == ("a search at each size", None)
    assert row.basis.startswith("not timed: ")
    assert path.name in row.basis
    assert path.name in caplog.text


@pytest.mark.integration
def test_probes_that_were_deleted_since_are_told_and_stop_nothing(searchable: World) -> None:
    results = search(searchable).results
    for path in files(Path(results), "blocks/*"):
        path.unlink()
    (row,) = timed(searchable, results)
    assert row.value is None
    assert "holds no probe templates any more" in row.basis
    begun = {"search_id": "0" * 24, "object_class": "probe_templates", "reason": "clock", "objects": 1, "bytes": 1}
    record = Deleted(since=OCCASION.at, at=OCCASION.at, **begun)
    put_first(LocalStore(results), layout.deleted("probe_templates"), record)
    (row,) = timed(searchable, results)
    assert "probe templates of this search were deleted" in row.basis


@pytest.mark.integration
def test_probes_are_the_first_ones_of_the_search(searchable: World) -> None:
    store = LocalStore(search(searchable).results)
    manifest = find_search(store)
    assert manifest is not None
    everything = embeddings(probe_templates(store, manifest.model))
    assert (first_probes(store, 5) == everything[:5]).all()
    assert (first_probes(store, 500) == everything).all()


def test_page_and_json_tell_costs_with_spread_and_count() -> None:
    state = drawn()
    told = json.loads(state.json)["costs"]
    assert [row.get("gallery") for row in told] == [None, None, 10, 560]
    assert {key: told[2][key] for key in ("value", "low", "high", "count", "templates")} == {
        "value": 0.0625,
        "low": 0.0525,
        "high": 0.0725,
        "count": 7,
        "templates": 12,
    }
    assert "value" not in told[3]
    assert told[3]["basis"] == COSTS[3].basis
    page = Page(state.page)
    page.assert_fit_for_all()
    assert "embed a probe 41.5 38.2 to 47.8 ms median of 60 images" in page.words
    assert "10 12 0.0625 0.0525 to 0.0725 7" in page.words
    assert "560 600 not timed 0" in page.words


def test_costs_have_a_parquet_file_of_the_same_numbers() -> None:
    data = write_table(costs_table(COSTS), kind="costs", model=OCCASION.model)
    rows = read_table(data, kind="costs", origin="it").to_pylist()
    assert [{name: cell for name, cell in row.items() if cell is not None} for row in rows] == json.loads(drawn().json)[
        "costs"
    ]
    assert [row["method"] for row in rows] == [None, "quartiles", "quartiles", None]
    assert set(rows[0]) == {field.name for field in fields(CostRow)}
    assert read_table(write_table(costs_table(()), kind="costs", model=None), kind="costs", origin="it").num_rows == 0


def test_costs_change_nothing_else_in_the_files() -> None:
    state = drawn()
    documents = [
        json.loads(figures_json(OCCASION, state.report, state.differentials, state.limits, costs))
        for costs in (COSTS, COSTS[:1])
    ]
    assert documents[0].pop("costs") != documents[1].pop("costs")
    assert documents[0] == documents[1]
