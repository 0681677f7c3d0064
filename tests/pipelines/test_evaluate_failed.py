"""Probes without a template: labels from each kind of source, and no approval where nobody says whom they show."""

import io
import json
import tarfile
from pathlib import Path

import polars as pl
import pytest

from facebatch.evaluate.findings import Finding
from facebatch.evaluate.limits import approved
from facebatch.gallery.figures import GateFigure
from facebatch.images.source import FieldsSpec, SourceSpec
from facebatch.pipelines.evaluate_failed import WITHOUT_TRUTH, given_with, judged_with_failures
from facebatch.storage.settings import S3Spec

S3 = S3Spec()
FIELDS = FieldsSpec(subject_id="subject", groups=("sex",))
PEOPLE = {"a": {"subject": "s1", "sex": "female"}, "b": {"subject": "s2"}, "c": {"sex": "male"}, "d": {}}
MET = GateFigure(name="limit.rank_one_miss", passed=True, words="met")


def tar(path: Path) -> SourceSpec:
    with tarfile.open(path, "w") as archive:
        for name, side in PEOPLE.items():
            for member, content in ((f"{name}.jpg", b"no photo"), (f"{name}.json", json.dumps(side).encode())):
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return SourceSpec(uri=str(path), fields=FIELDS)


def table(path: Path) -> SourceSpec:
    rows = [{"image": b"no photo", "name": name, "subject": None, "sex": None} | side for name, side in PEOPLE.items()]
    pl.DataFrame(rows).write_parquet(path)
    return SourceSpec(uri=str(path), fields=FIELDS.model_copy(update={"image_id": "name"}))


def manifest(path: Path) -> SourceSpec:
    lines = [f"{name}.jpg,{side.get('subject', '')},{side.get('sex', '')}" for name, side in PEOPLE.items()]
    path.write_text("\n".join(["uri,subject,sex", *lines]))
    return SourceSpec(uri=str(path), fields=FIELDS)


def told(frame: pl.DataFrame) -> dict[str, tuple[str | None, dict[str, str]]]:
    return {
        Path(row["probe_id"]).stem: (row["person_id"], {pair["key"]: pair["value"] for pair in row["groups"]})
        for row in frame.to_dicts()
    }


def test_labels_of_a_tar_are_those_of_its_sidecars(tmp_path: Path) -> None:
    source = tar(tmp_path / "probes.tar")
    found = given_with({"probes.tar/a.jpg", "probes.tar/c.jpg", "other.tar/b.jpg"}, source, S3)
    assert found["probe_id"].to_list() == ["probes.tar/a.jpg", "probes.tar/c.jpg"]
    assert told(found) == {"a": ("s1", {"sex": "female"}), "c": (None, {"sex": "male"})}


def test_labels_of_a_table_are_in_its_columns_and_ids_may_be_too(tmp_path: Path) -> None:
    found = given_with({"b", "d"}, table(tmp_path / "probes.parquet"), S3)
    assert told(found) == {"b": ("s2", {}), "d": (None, {})}


def test_loose_images_need_not_be_there_any_more(tmp_path: Path) -> None:
    source = manifest(tmp_path / "probes.csv")
    assert told(given_with({"a.jpg", "b.jpg"}, source, S3)) == {"a": ("s1", {"sex": "female"}), "b": ("s2", {})}


def test_without_failures_no_source_is_read(tmp_path: Path) -> None:
    assert given_with(frozenset(), SourceSpec(uri=str(tmp_path / "nowhere")), S3).is_empty()


@pytest.mark.parametrize(("limits", "rows", "allowed"), [((MET,), 0, True), ((MET,), 3, False), ((), 3, False)])
def test_failures_that_nobody_accounts_for_approve_nothing(
    limits: tuple[GateFigure, ...], rows: int, allowed: bool
) -> None:
    findings = [Finding(WITHOUT_TRUTH, rows, "failed probes have no truth", (), "note")] if rows else []
    judged = judged_with_failures(limits, findings)
    assert approved(judged) is allowed
    assert [figure.passed for figure in judged] == [True, None][: len(limits) + (rows > 0 and bool(limits))]
    assert all("3 failed probes have no truth" in figure.words for figure in judged[1:])
