"""evaluate: real photos with given labels, searched and judged, and the verdict in the gallery."""

import csv
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from facebatch.cases.bands import BandSpec, published_limits
from facebatch.cli import main
from facebatch.config import EmbedConfig, EvaluateConfig, IndexConfig
from facebatch.errors import ConfigError, GateError, PlanError, StopError
from facebatch.evaluate.candidate_files import CandidatesSpec
from facebatch.evaluate.differentials import DifferentialSpec
from facebatch.evaluate.error_rates import IdentificationSpec
from facebatch.evaluate.group_limits import AllLimitsSpec, GroupLimitsSpec
from facebatch.evaluate.limits import TargetLimit
from facebatch.evaluate.report import ReportSpec
from facebatch.evaluate.sufficiency import LeastSpec
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.gallery import snapshots
from facebatch.gallery.evaluation import threshold_for_band
from facebatch.images.source import FieldsSpec, SourceSpec
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import embed, evaluate, index, match
from facebatch.pipelines.evaluate import EvaluateReport
from facebatch.pipelines.match import MatchReport
from facebatch.storage.local import LocalStore
from page import Page
from searched import material
from worlds import ASKED, LOCAL, QUIET, REQUEST

pytestmark = pytest.mark.integration
FACES = FaceSpec(detector_size=320)
FIELDS = FieldsSpec(subject_id="subject", groups=("gender", "ethnicity"))
TARGET = 0.2
LISTS = CandidatesSpec(uri="lists.parquet", length=50)
ENROLLED, PROBED = 40, 60


def photos(data: Path, mood: str) -> list[dict[str, str]]:
    with (data / "london" / "labels.csv").open(newline="", encoding="utf-8") as file:
        return sorted((row for row in csv.DictReader(file) if row["set"] == mood), key=lambda row: row["identity"])


def pack(data: Path, rows: Iterable[dict[str, str]], path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for row in rows:
            side = {"subject": row["identity"], "gender": row["gender"], "ethnicity": row["ethnicity"]}
            name = Path(row["file"])
            for member, content in (
                (name.name, (data / "london" / row["file"]).read_bytes()),
                (f"{name.stem}.json", json.dumps(side).encode()),
            ):
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))


@dataclass(frozen=True)
class Site:
    """A gallery of forty people, and probes of sixty, who were photographed again."""

    root: Path
    model: ModelSpec

    def config(self, out: Path, **changes: object) -> EvaluateConfig:
        config = EvaluateConfig(
            gallery=str(self.root / "gallery"),
            results=str(out / "results"),
            report=str(out / "report"),
            request=REQUEST,
            probes=SourceSpec(uri=str(self.root / "probes.tar"), kind="tar", fields=FIELDS),
            model=self.model,
            faces=FACES,
            figures=ReportSpec(identification=IdentificationSpec(targets=(0.01, TARGET))),
            run=LOCAL,
        )
        return config.model_copy(update=changes)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, data_dir: Path, model: ModelSpec) -> Site:
    root = tmp_path_factory.mktemp("evaluated")
    both = {row["identity"] for row in photos(data_dir, "neutral")} & {
        row["identity"] for row in photos(data_dir, "smiling")
    }
    people = sorted(both)[:PROBED]
    known = set(people[:ENROLLED])
    pack(data_dir, (row for row in photos(data_dir, "neutral") if row["identity"] in known), root / "people.tar")
    pack(data_dir, (row for row in photos(data_dir, "smiling") if row["identity"] in people), root / "probes.tar")
    source = SourceSpec(uri=str(root / "people.tar"), kind="tar", fields=FIELDS)
    gallery = str(root / "gallery")
    embed.run(EmbedConfig(gallery=gallery, source=source, model=model, faces=FACES, run=LOCAL), QUIET)
    index.run(IndexConfig(gallery=gallery, run=LOCAL), QUIET)
    return Site(root, model)


@pytest.fixture(scope="module")
def evaluated(site: Site, tmp_path_factory: pytest.TempPathFactory) -> tuple[EvaluateReport, Path]:
    results = tmp_path_factory.mktemp("results")
    return evaluate.run(site.config(results), QUIET), results


def search_of(results: Path) -> str:
    (folder,) = (path.parent for path in (results / "results").glob("*/manifest.json"))
    return str(folder)


def test_known_people_are_found_and_figures_carry_their_counts(evaluated: tuple[EvaluateReport, Path]) -> None:
    report, _ = evaluated
    assert (report.gallery, report.mated, report.non_mated) == (ENROLLED, ENROLLED, PROBED - ENROLLED)
    assert report.rank_one_miss == 0
    assert (report.published, report.approved_for_use, report.limits) == (None, False, ())
    low, high = report.targets
    assert low.startswith("FPIR 0.01 cannot be shown with 20 non-mated searches of 20 people")
    assert "threshold 0." in high
    assert "(0 of 40)" in high


def test_page_json_and_table_tell_the_same(evaluated: tuple[EvaluateReport, Path]) -> None:
    report, results = evaluated
    page = Path(report.page)
    assert page.parent == results / "report"
    told = json.loads(page.with_suffix(".json").read_text())
    table = pl.read_parquet(page.with_suffix(".parquet"))
    assert len(told["figures"]) == len(table) > 100
    costs = pl.read_parquet(page.with_suffix(".costs.parquet")).to_dicts()
    assert [{name: cell for name, cell in row.items() if cell is not None} for row in costs] == told["costs"]
    assert {"decode a probe", "a search"} <= {row["what"] for row in costs}
    assert told["occasion"]["model_name"] == "open_yunet_omz"
    text = page.read_text()
    assert "never identifications" in text
    Page(text).assert_fit_for_all()


def test_groups_are_told_and_thin_ones_are_said_to_be(evaluated: tuple[EvaluateReport, Path]) -> None:
    report, _ = evaluated
    text = Path(report.page).read_text()
    for label in ("gender", "ethnicity", "female", "black", "east_asian", "too few"):
        assert label in text


def test_no_image_or_subject_is_named_in_the_report(evaluated: tuple[EvaluateReport, Path]) -> None:
    report, _ = evaluated
    for suffix in (".html", ".json"):
        text = Path(report.page).with_suffix(suffix).read_text()
        assert "_smiling" not in text
        assert "lon0" not in text


def test_a_finished_search_gives_the_same_figures(
    site: Site, evaluated: tuple[EvaluateReport, Path], tmp_path: Path
) -> None:
    first, results = evaluated
    again = evaluate.run(site.config(tmp_path, probes=None, results=None, search=search_of(results)), QUIET)
    assert (again.targets, again.findings, again.mated) == (first.targets, first.findings, first.mated)
    before, after = (json.loads(Path(one.page).with_suffix(".json").read_text())["figures"] for one in (first, again))
    assert before == after


def test_the_lists_of_a_search_as_bare_files_give_the_same_figures(
    site: Site, evaluated: tuple[EvaluateReport, Path], tmp_path: Path
) -> None:
    _, results = evaluated
    search = search_of(results)
    labels = material(search).inputs.truth
    labels.with_columns(failed=pl.lit(False)).collect().write_parquet(tmp_path / "truth.parquet")
    limits = AllLimitsSpec(rank_one_miss_most=0.1)
    config = site.config(tmp_path, probes=None, results=None, search=search, exact=search, limits=limits)
    parts = CandidatesSpec(uri=f"{search}/candidates", length=config.match.length)
    bare = {"search": None, "candidates": parts, "truth": str(tmp_path / "truth.parquet")}
    told = []
    for one in (config, config.model_copy(update=bare)):
        report = evaluate.run(one, QUIET)
        told.append(json.loads(Path(report.page).with_suffix(".json").read_text()))
        assert report.approved_for_use
    first, again = told
    for name in ("figures", "limits", "approved_for_use"):
        assert first[name] == again[name], name
    for name in ("gallery", "snapshot", "model", "model_name", "templates"):
        assert first["occasion"][name] == again["occasion"][name], name
    assert again["costs"] == [row for row in first["costs"] if row["unit"].startswith("of ")]
    assert len(again["costs"]) == 6
    assert [one for one in again["findings"] if one not in first["findings"]] == [
        {
            "name": "candidates.from_files",
            "rows": ENROLLED * PROBED,
            "weight": "note",
            "words": "candidates were read from files and not from a search",
        }
    ]


def test_what_lists_lose_against_exact_ones_is_among_the_costs(
    site: Site, evaluated: tuple[EvaluateReport, Path], tmp_path: Path
) -> None:
    _, results = evaluated
    search = search_of(results)
    config = site.config(tmp_path, probes=None, results=None, search=search, exact=search)
    told = json.loads(Path(evaluate.run(config, QUIET).page).with_suffix(".json").read_text())
    costs = {row["what"]: row["value"] for row in told["costs"]}
    spread = {row["what"]: (row["low"], row["high"], row["count"], row["n"]) for row in told["costs"] if "n" in row}
    assert len(spread) == 6
    assert spread["recall@10"][2:] == (10 * PROBED, 10 * PROBED)
    assert spread["mates lost at rank 1"][2:] == (0, ENROLLED)
    assert all(0 <= low <= high <= 1 for low, high, _, _ in spread.values())
    assert {name: value for name, value in costs.items() if "recall" in name or "lost" in name} == {
        **{f"recall@{rank}": 1.0 for rank in (1, 10, 50)},
        **{f"mates lost at rank {rank}": 0.0 for rank in (1, 10, 50)},
    }
    assert costs["a template, stored"] > 100
    assert costs["a search"] > 0


def test_a_photo_without_a_face_is_a_miss_of_the_person_it_was_given_with(
    site: Site, data_dir: Path, tmp_path: Path
) -> None:
    people = [row for row in photos(data_dir, "smiling") if row["identity"].startswith("lon")][:3]
    pack(data_dir, people, tmp_path / "probes.tar")
    with tarfile.open(tmp_path / "probes.tar", "a") as archive:
        blank = io.BytesIO()
        Image.new("RGB", (200, 200), "grey").save(blank, "PNG")
        side = json.dumps({"subject": people[0]["identity"], "gender": "female"}).encode()
        for name, content in (("blank.png", blank.getvalue()), ("blank.json", side)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    probes = SourceSpec(uri=str(tmp_path / "probes.tar"), kind="tar", fields=FIELDS)
    config = site.config(tmp_path, probes=probes, limits=AllLimitsSpec(rank_one_miss_most=0.5))
    report = evaluate.run(config, QUIET)
    assert (report.mated, report.rank_one_miss, report.approved_for_use) == (4, 0.25, True)
    finished = config.model_copy(update={"probes": None, "results": None, "search": search_of(tmp_path)})
    with pytest.raises(GateError, match=r"limit\.failures_known: not shown(.|\n)* 1 failed probes have no truth"):
        evaluate.run(finished, QUIET)
    pages = [Page(path.read_text()).words for path in sorted((tmp_path / "report").glob("*.html"))]
    assert sorted("Incomplete: 1 probe failed without a word" in words for words in pages) == [False, True]


def test_a_published_verdict_lets_match_search_at_its_threshold(
    site: Site, evaluated: tuple[EvaluateReport, Path], tmp_path: Path
) -> None:
    _, results = evaluated
    limits = AllLimitsSpec(
        fnir_at_fpir=(TargetLimit(fpir=TARGET, fnir_most=0.02),),
        groups=(GroupLimitsSpec(fpir=TARGET, true_positives_least=0.5),),
    )
    config = site.config(tmp_path, probes=None, results=None, search=search_of(results), limits=limits, publish=True)
    few = DifferentialSpec(variables=("gender",), least=LeastSpec(people=5))
    config = config.model_copy(update={"groups": few})
    store = LocalStore(site.root / "gallery")
    before = snapshots.require_head(store)
    with pytest.raises(PlanError, match="has not been evaluated"):
        match.run(site_match(site, tmp_path), QUIET)
    report = evaluate.run(config, QUIET)
    head = snapshots.require_head(store)
    assert (report.published, report.approved_for_use) == (head.seq, True)
    assert head.content_sha256 == before.content_sha256
    assert head.evaluated is not None
    (published,) = head.evaluated.thresholds
    assert (published.fpir, published.searches, published.people) == (TARGET, 20, 20)
    assert published.false_candidates is not None
    assert published_limits(head.evaluated) == BandSpec()
    good = threshold_for_band(head.evaluated, "A", TARGET, where="head")
    assert (good.quality_low, good.searches) == (BandSpec().a, 20), "London portraits are all of the best band"
    assert (good.threshold, good.low, good.high) == (published.threshold, published.low, published.high)
    with pytest.raises(PlanError, match="no threshold of band C"):
        threshold_for_band(head.evaluated, "C", TARGET, where="head")
    found = match.run(site_match(site, tmp_path), QUIET)
    assert isinstance(found, MatchReport)
    lists = pl.read_parquet(Path(found.results) / "candidates" / "*.parquet")
    assert lists["similarity"].min() >= published.threshold  # type: ignore[operator]


def site_match(site: Site, results: Path) -> match.MatchConfig:
    config = site.config(results)
    return match.MatchConfig(
        gallery=config.gallery,
        results=str(results / "cases"),
        request=REQUEST,
        probes=config.probes,
        model=site.model,
        faces=FACES,
        match=MatchSpec(fpir=TARGET),
        run=LOCAL,
    )


def test_a_limit_that_is_not_met_ends_the_run_after_the_report_and_the_verdict(
    site: Site, evaluated: tuple[EvaluateReport, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, results = evaluated
    gates = tmp_path / "gates.yaml"
    gates.write_text("fnir_at_fpir:\n  - {fpir: 0.01, fnir_most: 0.5}\nrank_one_miss_most: 0.1\n")
    where = [
        "--gallery",
        str(site.root / "gallery"),
        "--search",
        search_of(results),
        "--report",
        str(tmp_path / "r"),
        *ASKED,
    ]
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", *where, "--gate", str(gates), "--publish", "--quiet"])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "1 failed" not in told
    assert "2 gates: 0 failed, 1 not measured, 1 passed." in told
    assert "limit.fnir_at_fpir_0.01: FPIR 0.01 cannot be shown" in " ".join(told.split())
    assert len(list((tmp_path / "r").glob("*.html"))) == 1
    head = snapshots.require_head(LocalStore(site.root / "gallery"))
    assert head.evaluated is not None
    assert head.evaluated.approved_for_use is False
    assert [figure.passed for figure in head.evaluated.limits] == [None, True]
    assert f"is not approved for use; snapshot {head.seq} is published and carries this verdict (" in told
    words = r"no threshold for FPIR 0\.01: its evaluation had too few non-mated searches \(20, 300 needed\)"
    spec = MatchSpec(fpir=0.01, unevaluated=True)
    with pytest.raises(PlanError, match=words):
        match.run(site_match(site, tmp_path).model_copy(update={"match": spec}), QUIET)


def test_a_misspelt_limit_is_refused_before_anything_is_read(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = tmp_path / "gates.yaml"
    gates.write_text("rank_one_mis_most: 0.1\n")
    where = ["--gallery", str(site.root / "gallery"), "--search", "nowhere", "--report", str(tmp_path / "r")]
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", *where, "--gate", str(gates)])
    assert ended.value.code == 2
    assert "did you mean 'rank_one_miss_most'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"search": "x"}, "search and probes are given, and lists have one source; keep one of them"),
        ({"candidates": LISTS}, "candidates and probes are given, and lists have one source; keep one of them"),
        ({"candidates": LISTS, "search": "x"}, "search and candidates and probes are given"),
        ({"probes": None}, "no candidate lists are named; give one of search, .*; candidates, .*; probes"),
        ({"probes": None, "candidates": LISTS}, "truth: this setting is required with candidates"),
        ({"results": None}, "results: this setting is required"),
        ({"match": MatchSpec(floor=0.3)}, "leave both out"),
        ({"match": MatchSpec(fpir=0.3)}, "leave both out"),
    ],
)
def test_a_config_that_contradicts_itself_is_refused(
    site: Site, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        evaluate.run(site.config(tmp_path, **changes), QUIET)
    assert list(tmp_path.iterdir()) == []


def test_a_search_of_another_gallery_is_refused(
    site: Site, evaluated: tuple[EvaluateReport, Path], tmp_path: Path
) -> None:
    _, results = evaluated
    other = site.config(tmp_path, probes=None, search=search_of(results), gallery=str(tmp_path / "other"))
    with pytest.raises(StopError, match=r"is of the gallery .*give that one"):
        evaluate.run(other, QUIET)


def test_an_unmet_limit_is_a_gate_error_with_the_page(
    site: Site, evaluated: tuple[EvaluateReport, Path], tmp_path: Path
) -> None:
    _, results = evaluated
    limits = AllLimitsSpec(groups=(GroupLimitsSpec(fpir=TARGET, fmr_ratio_most=3),))
    config = site.config(tmp_path, probes=None, results=None, search=search_of(results), limits=limits)
    words = r"not approved for use \(.*\.html\)(.|\n)*NOT MEASURED(.|\n)*limit\.fmr_ratio\.gender: not shown"
    with pytest.raises(GateError, match=words):
        evaluate.run(config, QUIET)
