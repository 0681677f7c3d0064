"""Evaluation of candidate lists in files: whose they are taken for, what is refused, and when they may decide."""

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from facebatch.cli import main
from facebatch.config import EvaluateConfig
from facebatch.errors import CorruptError, FacebatchError, GateError, NotFoundError, StopError
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.candidate_files import CandidatesSpec
from facebatch.evaluate.differentials import DifferentialSpec
from facebatch.evaluate.error_rates import IdentificationSpec
from facebatch.evaluate.group_limits import AllLimitsSpec
from facebatch.evaluate.report import ReportSpec
from facebatch.evaluate.searches import Searches, collect
from facebatch.gallery import snapshots
from facebatch.pipelines import evaluate
from facebatch.pipelines.evaluate_lists import read_lists
from facebatch.pipelines.labelled import Material
from facebatch.storage.local import LocalStore
from facebatch.storage.settings import S3Spec
from gallery.small import MODEL, QUIET, Shard, SmallGallery
from worlds import ASKED, REQUEST

S3 = S3Spec()
SUBJECTS, LENGTH, PROBES = 10, 4, 16
FEW = ResampleSpec(replicates=100)
FIRST = pl.col("probe_id") == "p00"


@dataclass(frozen=True)
class Site:
    """A gallery of ten subjects with two templates each, and lists of eight mated and eight non-mated probes."""

    root: Path
    gallery: SmallGallery

    @property
    def lists(self) -> pl.DataFrame:
        """Probe p lists subjects p, p + 1 ... round the gallery, each by one of its templates."""
        rows = [
            (f"p{p:02d}", rank, f"a-{s}", f"a{2 * s + p % 2:06d}", 0.9 - 0.2 * rank - 0.01 * p, 2)
            for p in range(PROBES)
            for rank, s in enumerate(((p + k) % SUBJECTS for k in range(LENGTH)), start=1)
        ]
        names = ["probe_id", "rank", "subject_id", "template_id", "similarity", "snapshot"]
        return pl.DataFrame(rows, schema=names, orient="row")

    @property
    def truth(self) -> pl.DataFrame:
        mates = [f"a-{p}" if p < 8 else None for p in range(PROBES)]
        return pl.DataFrame({"probe_id": [f"p{p:02d}" for p in range(PROBES)], "subject_id": mates})

    @property
    def facts(self) -> dict[str, str]:
        return {"facebatch.model": MODEL, "facebatch.snapshot_sha256": self.gallery.head.content_sha256}

    def write(
        self, lists: pl.DataFrame, truth: pl.DataFrame | None = None, facts: dict[str, str] | None = None
    ) -> Path:
        path = self.root / "lists.parquet"
        lists.write_parquet(path, metadata=self.facts if facts is None else facts)
        (self.truth if truth is None else truth).write_csv(self.root / "truth.csv")
        return path

    def read(self, uri: Path, length: int = LENGTH, floor: float | None = None) -> tuple[Material, Searches]:
        spec = CandidatesSpec(uri=str(uri), length=length, floor=floor)
        found = read_lists(spec, self.gallery.store.uri, str(self.root / "truth.csv"), None, S3)
        return found, collect(found.inputs)

    def config(self, uri: Path, **changes: object) -> EvaluateConfig:
        config = EvaluateConfig(
            gallery=self.gallery.store.uri,
            candidates=CandidatesSpec(uri=str(uri), length=LENGTH),
            truth=str(self.root / "truth.csv"),
            request=REQUEST,
            report=str(self.root / "report"),
            figures=ReportSpec(identification=IdentificationSpec(targets=(0.5,), ranks=(1,), resample=FEW), sizes=0),
            groups=DifferentialSpec(resample=FEW),
        )
        return config.model_copy(update=changes)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    gallery = SmallGallery(LocalStore(tmp_path / "gallery"))
    gallery.embed(Shard("a", rows=2 * SUBJECTS))
    return Site(tmp_path, gallery)


def doubts(material: Material) -> set[str]:
    return {doubt.name.removeprefix("candidates.") for doubt in material.doubts}


def test_lists_that_say_all_are_of_the_snapshot_they_name(site: Site) -> None:
    path = site.write(site.lists)
    site.gallery.embed(Shard("a", rows=2 * SUBJECTS), Shard("b"))
    found, searches = site.read(path)
    assert (found.snapshot.seq, found.origin.model, found.origin.model_name) == (2, MODEL, "model-0")
    assert (found.manifest, doubts(found)) == (None, set())
    assert (searches.gallery.size, searches.length, searches.floor) == (SUBJECTS, LENGTH, None)
    assert (int(searches.mated.sum()), searches.mate_rank[:8].tolist()) == (8, [1] * 8)
    assert [finding.name for finding in found.findings] == ["candidates.from_files"]


def test_lists_that_say_nothing_are_of_the_head_and_that_is_told(site: Site) -> None:
    lists = site.lists.drop("snapshot", "template_id")
    site.gallery.embed(Shard("a", rows=2 * SUBJECTS), Shard("b"))
    found, searches = site.read(site.write(lists, facts={}))
    assert (found.snapshot.seq, found.origin.model) == (4, "")
    assert doubts(found) == {"snapshot_not_named", "model_not_named", "not_tied"}
    assert all(
        doubt.rows == lists.height and doubt.origin == str(site.root / "lists.parquet") for doubt in found.doubts
    )
    assert searches.gallery.size == SUBJECTS + 2


def test_a_template_stands_for_its_subject(site: Site) -> None:
    whole, searches = site.read(site.write(site.lists))
    found, other = site.read(site.write(site.lists.drop("subject_id")))
    assert doubts(found) == set()
    assert other.mate_rank.tolist() == searches.mate_rank.tolist()
    assert other.nonmates.subject.tolist() == searches.nonmates.subject.tolist()
    assert found.origin.search != whole.origin.search


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({"facebatch.model": MODEL}, set()),
        ({"facebatch.model": "e" * 64}, {"other_model"}),
        ({}, {"model_not_named"}),
    ],
)
def test_templates_tie_lists_to_a_gallery_and_metadata_to_a_model(
    site: Site, facts: dict[str, str], named: set[str]
) -> None:
    found, _ = site.read(site.write(site.lists, facts=facts))
    assert doubts(found) == named
    no_templates, _ = site.read(site.write(site.lists.drop("template_id"), facts=facts))
    assert doubts(no_templates) == named | {"not_tied"}


def test_templates_that_the_snapshot_does_not_hold_are_counted(site: Site) -> None:
    strange = site.lists.with_columns(template_id=pl.when(FIRST).then(pl.lit("x")).otherwise("template_id"))
    found, _ = site.read(site.write(strange))
    assert [(doubt.name, doubt.rows, doubt.examples) for doubt in found.doubts] == [
        ("candidates.unknown_template", LENGTH, ("p00",))
    ]
    swapped = site.lists.with_columns(template_id=pl.when(FIRST).then(pl.lit("a000019")).otherwise("template_id"))
    assert doubts(site.read(site.write(swapped))[0]) == {"unknown_template"}


def test_lists_of_another_gallery_are_refused(site: Site) -> None:
    facts = site.facts | {"facebatch.snapshot_sha256": "b" * 64}
    with pytest.raises(StopError, match=r"lists\.parquet: is of a snapshot with the content b+, and snapshot 2 of"):
        site.read(site.write(site.lists, facts=facts))
    with pytest.raises(StopError, match="write its snapshot's number into a column `snapshot`"):
        site.read(site.write(site.lists.drop("snapshot"), facts=facts))
    with pytest.raises(NotFoundError, match=r"lists\.parquet: .* has no snapshot 9"):
        site.read(site.write(site.lists.with_columns(snapshot=pl.lit(9))))


def test_a_folder_of_parts_is_one_file(site: Site) -> None:
    _, searches = site.read(site.write(site.lists))
    folder = site.root / "lists"
    (folder / "deep").mkdir(parents=True)
    (folder / "_SUCCESS").write_bytes(b"")
    for name, part in (("a.parquet", site.lists.head(7)), ("deep/b.parquet", site.lists.tail(-7))):
        part.write_parquet(folder / name, metadata=site.facts)
    found, other = site.read(folder)
    assert other.nonmates.similarity.tolist() == searches.nonmates.similarity.tolist()
    assert found.findings[0].rows == site.lists.height
    named_like_a_file = folder.rename(site.root / "spark.parquet")
    assert site.read(named_like_a_file)[0].origin.search == found.origin.search
    (named_like_a_file / "a.parquet").unlink()
    (named_like_a_file / "deep" / "b.parquet").unlink()
    with pytest.raises(NotFoundError, match=r"spark\.parquet"):
        site.read(named_like_a_file)
    with pytest.raises(NotFoundError, match=r"nothing: holds no \.parquet file"):
        site.read(site.root / "nothing")


def changed(lists: pl.DataFrame, **values: object) -> pl.DataFrame:
    """The first probe's second row with other values."""
    row = FIRST & (pl.col("rank") == 2)
    return lists.with_columns(
        pl.when(row).then(pl.lit(value)).otherwise(name).cast(lists.schema[name]).alias(name)
        for name, value in values.items()
    )


def refusal(site: Site, lists: pl.DataFrame, truth: pl.DataFrame | None = None, **how: object) -> str:
    with pytest.raises(FacebatchError) as refused:
        site.read(site.write(lists, truth), **how)  # type: ignore[arg-type]
    assert isinstance(refused.value, StopError | CorruptError)
    return str(refused.value)


def test_damaged_lists_are_refused_with_rows_probe_and_file(site: Site) -> None:
    where = f"(first: p00; in {site.root / 'lists.parquet'})"
    damage = {
        "candidates.out_of_order: 1 rows": changed(site.lists, similarity=0.99),
        "candidates.duplicate_subject: 1 rows": changed(site.lists, subject_id="a-0", template_id="a000001"),
        "candidates.rank_gap: 1 rows": changed(site.lists, rank=1),
        "candidates.not_a_number: 1 rows": changed(site.lists, similarity=float("nan")),
        "candidates.outside_gallery: 1 rows": changed(site.lists, subject_id="nobody"),
    }
    for words, lists in damage.items():
        told = refusal(site, lists)
        assert words in told
        assert where in told
    assert "candidates.too_long: 16 rows" in refusal(site, site.lists, length=3)
    assert "candidates.below_floor: " in refusal(site, site.lists, floor=0.2)
    twice = refusal(site, pl.concat([site.lists, site.lists.filter(FIRST)]))
    assert f"candidates.duplicate_subject: {LENGTH} rows" in twice


def test_lists_cut_elsewhere_than_said_are_refused(site: Site) -> None:
    told = refusal(site, site.lists, length=6)
    assert "lists.never_full: 16 lists, all of them, hold fewer than 6 candidates, at most 4, and no floor" in told
    assert str(site.root / "lists.parquet") in told
    site.read(site.write(site.lists), length=6, floor=-0.5)


def test_one_short_list_is_counted(site: Site) -> None:
    _, searches = site.read(site.write(site.lists.filter(~FIRST | (pl.col("rank") < 3))))
    (short,) = [finding for finding in searches.findings if finding.name == "lists.short"]
    assert (short.rows, short.examples, short.origin) == (1, ("p00",), str(site.root / "lists.parquet"))


def test_truth_and_lists_that_do_not_fit_are_told_with_the_file(site: Site) -> None:
    truth = site.truth.with_columns(pl.col("subject_id").replace("a-1", "gone"), group_sex=pl.lit("f"))
    truth = truth.with_columns(group_sex=pl.when(FIRST).then(pl.lit("m")).otherwise("group_sex")).filter(
        pl.col("probe_id") != "p02"
    )
    _, searches = site.read(site.write(site.lists, truth))
    found = {finding.name: (finding.rows, finding.origin) for finding in searches.findings}
    assert found == {
        "candidates.without_truth": (1, str(site.root / "lists.parquet")),
        "truth.subject_not_in_gallery": (1, str(site.root / "truth.csv")),
        "truth.group_of_one": (1, str(site.root / "truth.csv")),
    }
    assert "truth.duplicate_probe: 2 rows" in refusal(site, site.lists, pl.concat([site.truth, site.truth.head(1)]))
    missing = refusal(site, site.lists.filter(~FIRST))
    assert "truth.without_candidates: 1 probes" in missing
    assert "truth.csv)" in missing


def test_failed_probes_are_said_by_truth(site: Site) -> None:
    failed = site.truth.with_columns(failed=FIRST)
    _, searches = site.read(site.write(site.lists.filter(~FIRST), failed))
    assert (int(searches.failed.sum()), bool(searches.failed[0])) == (1, True)
    told = refusal(site, site.lists, failed)
    assert "failed.with_candidates: 1 probes" in told
    assert "truth.csv" in told
    words = failed.with_columns(failed=pl.when(FIRST).then(pl.lit("perhaps")).otherwise(pl.lit("FALSE")))
    assert r"truth.csv: column failed is neither true nor false in 1 rows (first: p00)" in refusal(
        site, site.lists, words
    )


LIMITS = AllLimitsSpec(rank_one_miss_most=0.5)


def test_lists_that_are_seen_to_be_of_the_gallery_approve_it(site: Site) -> None:
    report = evaluate.run(site.config(site.write(site.lists), limits=LIMITS, publish=True), QUIET)
    head = snapshots.require_head(site.gallery.store)
    assert (report.published, report.approved_for_use, report.rank_one_miss) == (head.seq, True, 0)
    assert head.evaluated is not None
    assert (head.evaluated.snapshot, head.evaluated.approved_for_use) == (2, True)
    assert [threshold.fpir for threshold in head.evaluated.thresholds] == [0.5]
    told = json.loads(Path(report.page).with_suffix(".json").read_text())
    assert told["occasion"]["search"] == head.evaluated.search
    assert told["costs"] == []
    assert [finding["name"] for finding in told["findings"]] == ["candidates.from_files"]


def test_lists_in_doubt_are_measured_and_approve_and_publish_nothing(site: Site) -> None:
    path = site.write(site.lists, facts={"facebatch.model": "e" * 64})
    with pytest.raises(
        StopError, match=r"^publish: lists that may not be of (.|\n)*other_model: 64 rows are of the model e"
    ):
        evaluate.run(site.config(path, limits=LIMITS, publish=True), QUIET)
    assert not (site.root / "report").exists()
    with pytest.raises(GateError, match=r"NOT MEASURED\n  limit\.lists_of_gallery: not shown"):
        evaluate.run(site.config(path, limits=LIMITS), QUIET)
    (written,) = (site.root / "report").glob("*.json")
    told = json.loads(written.read_text())
    assert told["approved_for_use"] is False
    assert [(limit["name"], limit["passed"]) for limit in told["limits"]] == [
        ("limit.rank_one_miss", True),
        ("limit.lists_of_gallery", None),
    ]
    assert (told["occasion"]["model"], told["occasion"]["model_name"]) == ("e" * 64, "not that of the gallery")
    assert site.gallery.head.evaluation is None


def test_lists_without_any_name_make_a_report_too(site: Site) -> None:
    lists = site.lists.drop("snapshot", "template_id")
    report = evaluate.run(site.config(site.write(lists, facts={})), QUIET)
    page = Path(report.page).read_text()
    assert "not named by the lists" in page
    assert "were read from files" in page
    assert "searched as in daily use" not in page
    assert {line.partition(":")[0] for line in report.findings} == {
        "candidates.from_files",
        "candidates.snapshot_not_named",
        "candidates.model_not_named",
        "candidates.not_tied",
    }
    assert all(str(site.root / "lists.parquet") in line for line in report.findings)
    assert str(site.root / "lists.parquet") not in page


def test_the_command_line_takes_files_of_lists(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    path = site.write(site.lists)
    where = ["--gallery", str(site.root / "gallery"), "--report", str(site.root / "r"), *ASKED]
    lists = ["--candidates.uri", str(path), "--candidates.length", str(LENGTH)]
    main(["evaluate", *where, *lists, "--truth", str(site.root / "truth.csv"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["snapshot"], told["mated"], told["non_mated"]) == (2, 8, 8)
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", *where, "--candidates.uri", str(path), "--truth", str(site.root / "truth.csv")])
    assert ended.value.code == 2
    assert "candidates.length: this setting is required" in capsys.readouterr().err
