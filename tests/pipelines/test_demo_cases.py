"""The demo's cases on real photos of twelve people: each ends as it is meant to, on sheets that a browser shows."""

import json
import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from browser import chromium
from facebatch.cases.manifest import parse_cases
from facebatch.faces.settings import ModelSpec
from facebatch.pipelines import demo
from facebatch.pipelines.cases import CasesReport
from facebatch.pipelines.demo import DemoConfig
from facebatch.pipelines.demo_people import ONE_IN, Person, find_threshold
from facebatch.pipelines.demo_script import Script
from facebatch.schemas import CANDIDATES
from worlds import LOCAL, QUIET

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Shown:
    """What a demo left."""

    out: Path
    people: list[str]
    cases: CasesReport

    @cached_property
    def records(self) -> dict[str, dict[str, Any]]:
        """By case, with the folder of each."""
        found = {}
        for path in self.out.glob("case-results/*/case.json"):
            record = json.loads(path.read_text())
            found[record["case_id"]] = {**record["probes"][0], "sheet": path.parent / "sheet.html"}
        return found

    def used(self, case: str) -> list[dict[str, Any]]:
        return [medium for medium in self.records[case]["media"] if medium["used"]]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, data_dir: Path, model: ModelSpec) -> Shown:
    root = tmp_path_factory.mktemp("demo")
    people = sorted(path.name.split("_")[0] for path in (data_dir / "london").glob("lon*_smiling.jpg"))[:12]
    for person in people:
        (root / "photos" / person).mkdir(parents=True)
        for look in ("neutral", "smiling"):
            shutil.copy(data_dir / "london" / f"{person}_{look}.jpg", root / "photos" / person)
    config = DemoConfig(images=str(root / "photos"), out=str(root / "out"), model=model, run=LOCAL)
    report = demo.run(config, QUIET)
    assert report.cases is not None
    return Shown(root / "out", people, report.cases)


def test_every_case_ends_as_it_is_meant_to(shown: Shown) -> None:
    outcomes = {case: record["outcome"] for case, record in shown.records.items()}
    told = {
        "too-poor": "not_searchable",
        "live-feed": "policy_denied",
        "broken-file": "truncated",
        "group-undesignated": "several_faces_none_designated",
    }
    assert {case: outcome for case, outcome in outcomes.items() if outcome != "ok"} == told
    listed = {case: record["candidates"] for case, record in shown.records.items() if record["candidates"]}
    first = {case: candidates[0]["subject_id"] for case, candidates in listed.items()}
    single = ("ordinary-1", "ordinary-2", "ordinary-3", "several-photos", "degraded")
    turns = dict(zip(single, shown.people, strict=False))
    rest = {"standing": shown.people[8], "video": shown.people[9], "group-designated": shown.people[11]}
    assert first == {**turns, **rest}
    assert outcomes.keys() - told.keys() - first.keys() == {"stranger"}
    assert (shown.cases.cases, shown.cases.refused, shown.cases.with_candidates) == (13, 1, len(first))


def test_the_manifest_beside_the_sheets_is_the_one_that_was_run(shown: Shown) -> None:
    path = shown.out / "cases.yaml"
    listed = parse_cases(path.read_bytes(), str(path))
    assert {case.case_id for case in listed} == shown.records.keys()
    assert [case.case_id for case in listed if case.standing] == ["standing"]
    assert all((shown.out / medium.uri).is_file() for case in listed for medium in case.probes[0].media)


def test_the_video_is_searched_with_several_moments_of_its_range(shown: Shown) -> None:
    times = [medium["at_ms"] for medium in shown.used("video")]
    assert len(set(times)) == len(times) >= 2
    assert min(times) >= 500


def test_of_the_degraded_pictures_one_takes_no_part(shown: Shown) -> None:
    outcomes = [medium["outcome"] for medium in shown.records["degraded"]["media"]]
    assert outcomes == ["ok", "ok", "ok", "not_searchable"]
    assert len(shown.used("degraded")) == 3


def test_the_refused_case_cites_its_rule_and_shows_nobody(shown: Shown) -> None:
    page = shown.records["live-feed"]["sheet"].read_text()
    assert "RCW 43.386.080(1)" in page
    assert "<img" not in page
    assert "etrospective" not in page
    assert "<img" in shown.records["video"]["sheet"].read_text()


def test_the_index_leads_to_every_sheet(shown: Shown) -> None:
    index = Path(shown.cases.index)
    links = re.findall(r'href="([^"#]+sheet\.html)"', index.read_text())
    assert {(index.parent / link).resolve() for link in links} == {
        record["sheet"].resolve() for record in shown.records.values()
    }


def test_a_browser_shows_sheets_whole_and_fetches_nothing_else(shown: Shown) -> None:
    with chromium() as tab:
        for path in (shown.records["video"]["sheet"], shown.records["live-feed"]["sheet"], shown.out / "demo.html"):
            for width in (360, 1280):
                tab.open(path, width, 800)
                assert (path.name, width, tab.overflow) == (path.name, width, 0)
                assert (tab.requests, tab.complaints) == ([path.resolve().as_uri()], [])


def test_fewer_people_make_fewer_cases_and_it_is_said(tmp_path: Path, data_dir: Path) -> None:
    alone = Person("a", (data_dir / "london" / "lon001_smiling.jpg",), (256.0, 250.0), 80.0)
    script = Script(tmp_path / "alone", [alone])
    names = [case.case_id for case in script.write(None)]
    assert {"ordinary-1", "degraded", "video"} <= set(names)
    assert not {"ordinary-2", "group-designated", "stranger"} & set(names)
    assert [words.partition(":")[0] for words in script.left_out] == ["group pictures", "stranger"]
    nobody = Script(tmp_path / "nobody", [])
    assert nobody.write(None) == []
    assert len(nobody.left_out) == 2


@given(scores=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=250))
def test_the_threshold_is_the_least_that_few_enough_searches_pass(scores: list[float]) -> None:
    count = len(scores)
    rows = {
        "probe_id": [f"p{number}" for number in range(count)] * 2,
        "rank": pa.array([1] * count + [2] * count, pa.int32()),
        "subject_id": ["other"] * count + ["own"] * count,
        "template_id": [str(number) for number in range(2 * count)],
        "similarity": pa.array([*scores, *([1.0] * count)], pa.float32()),
        "snapshot": [1] * (2 * count),
    }
    found = find_threshold(pa.table(rows, schema=CANDIDATES), {f"p{number}": "own" for number in range(count)})
    assert found is not None
    similarities = np.array(scores, np.float32)
    above = int((similarities >= np.float32(found.value)).sum())
    assert (found.above, found.searches) == (above, count)
    assert above <= count // ONE_IN or found.value == 1.0
    lower = np.float32(round(found.value - 0.001, 3))
    assert (similarities >= lower).sum() > min(count // ONE_IN, count - 1)


def test_without_anybody_else_there_is_no_threshold() -> None:
    rows = {"probe_id": ["p"], "rank": [1], "subject_id": ["own"], "template_id": ["t"], "similarity": [0.9]}
    table = pa.table({**rows, "snapshot": [1]}).cast(CANDIDATES)
    assert find_threshold(table, {"p": "own"}) is None
