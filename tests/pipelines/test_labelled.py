"""The material of an evaluation, read from a finished search and files of labels."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from facebatch.config import EvaluateConfig
from facebatch.errors import ConfigError, CorruptError, ForbiddenError, NotFoundError, StopError
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.error_rates import failure_to_extract
from facebatch.evaluate.identification import fnir
from facebatch.evaluate.searches import Searches, collect
from facebatch.gallery.commits import put_first
from facebatch.governance.facts import with_changes
from facebatch.match.settings import MatchSpec
from facebatch.pipelines.evaluate_authorise import authorise
from facebatch.pipelines.evaluate_quality import qualities
from facebatch.pipelines.labelled import Material, read_labels, read_material
from facebatch.pipelines.retention_authorise import Authorisation, put_authorisation
from facebatch.pipelines.retention_deleted import Deleted
from facebatch.storage import layout
from facebatch.storage.local import LocalStore
from facebatch.storage.settings import S3Spec
from searched import material as read
from searched import search
from worlds import REQUEST, World

pytestmark = pytest.mark.integration
S3 = S3Spec()


@pytest.fixture
def searched(searchable: World) -> tuple[World, str]:
    """Eight people searched in a gallery of the same eight, but one probe shows nobody and one somebody else."""
    blank = searchable.root / "probe-photos" / "nobody" / "blank.jpg"
    blank.parent.mkdir()
    Image.new("RGB", (200, 200), "grey").save(blank)
    people = sorted((searchable.root / "probe-photos").glob("lon*"))
    people[0].rename(people[0].with_name("stranger"))
    return searchable, search(searchable, match=MatchSpec(length=5)).results


def material(results: str, truth: Path | None = None, subjects: Path | None = None) -> tuple[Material, Searches]:
    found = read(results, truth=str(truth) if truth else None, subjects=str(subjects) if subjects else None)
    return found, collect(found.inputs)


def test_probes_are_mated_when_their_subject_is_enrolled(searched: tuple[World, str]) -> None:
    _, results = searched
    found, searches = material(results)
    assert (int(searches.mated.sum()), int((~searches.mated).sum())) == (7, 1)
    assert searches.gallery.size == 8
    assert searches.length == 5
    assert (searches.mate_rank[searches.mated] == 1).all()
    assert found.manifest is not None
    assert found.manifest.snapshot == found.snapshot.seq
    assert any("blank" in example for finding in searches.findings for example in finding.examples)
    assert not searches.failed.any(), "without the source nothing says whom a photo without a template shows"


def test_a_failed_probe_is_labelled_by_what_came_with_it(searched: tuple[World, str]) -> None:
    world, _ = searched
    photos = world.root / "probe-photos"
    enrolled = sorted(photos.glob("lon*"))[0]
    shutil.copy(photos / "nobody" / "blank.jpg", enrolled / "blank.jpg")
    results = search(world, match=MatchSpec(length=5)).results
    probes = world.match().probes
    searches = collect(read(results, probes=probes).inputs)
    assert [finding.name for finding in searches.findings] == []
    failed = {probe: bool(mated) for probe, mated, lost in _rows(searches) if lost}
    assert failed == {f"{enrolled.name}/blank.jpg": True, "nobody/blank.jpg": False}
    counted = fnir(searches)
    assert (counted.count, counted.n) == (1, 8), "a miss, as NIST counts"
    lost = failure_to_extract(searches, ResampleSpec(replicates=100))
    assert (lost.count, lost.n, lost.people) == (2, 10, 9)


def test_lists_that_nobody_may_use_are_not_evaluated(searchable: World) -> None:
    """Refused, without the authorisation they awaited, or begun to be deleted, though all of it is still there."""
    now = datetime.now(UTC)
    deadline = now - timedelta(minutes=1)
    authority = {"authority.pending_until": deadline}
    late, kept, refused, half = (
        LocalStore(search(searchable, request=with_changes(REQUEST, {**more, "case_id": case})).results)
        for case, more in (("late", authority), ("kept", authority), ("refused", {}), ("half", {}))
    )
    in_time = deadline - timedelta(minutes=1)
    granted = Authorisation(outcome="granted", kind="warrant", ref="4/26", by="unit 1", at=in_time)
    put_authorisation(kept, granted, deadline)
    put_authorisation(refused, Authorisation(outcome="refused", reason="no ground", by="court", at=now), None)
    begun = {"search_id": "0" * 24, "reason": "clock", "since": now, "at": now, "objects": 1, "bytes": 1}
    put_first(half, layout.deleted("probe_templates"), Deleted(object_class="probe_templates", **begun))
    with pytest.raises(ForbiddenError, match="did not come before"):
        material(late.uri)
    with pytest.raises(ForbiddenError, match="did not come before"):
        search(searchable, request=with_changes(REQUEST, {**authority, "case_id": "late"}))
    with pytest.raises(ForbiddenError, match="was refused on"):
        material(refused.uri)
    with pytest.raises(StopError, match="probe templates of this search were deleted"):
        material(half.uri)
    assert material(kept.uri)[1].gallery.size == 8


def _rows(searches: Searches) -> list[tuple[str, bool, bool]]:
    return list(zip(searches.probe_ids, searches.mated.tolist(), searches.failed.tolist(), strict=True))


def test_a_file_of_truth_decides_and_brings_labels(searched: tuple[World, str], tmp_path: Path) -> None:
    _, results = searched
    _, plain = material(results)
    truth = tmp_path / "truth.csv"
    rows = [f"{probe},{probe.split('/')[0]},{place % 2}" for place, probe in enumerate(plain.probe_ids)]
    blank = next(e for finding in plain.findings for e in finding.examples if "blank" in e)
    truth.write_text("\n".join(["probe_id,subject_id,group_side", *rows, f"{blank},,"]))
    _, searches = material(results, truth)
    assert searches.groups["side"].names == ("0", "1")
    assert int(searches.mated.sum()) == 8, "the stranger is named, though the gallery lacks it"
    assert int((searches.mated & (searches.mate < 0)).sum()) == 1
    assert int(searches.failed.sum()) == 1
    assert not searches.mated[searches.failed].any()


def test_quality_is_that_of_the_templates_unless_truth_gives_one(searched: tuple[World, str], tmp_path: Path) -> None:
    _, results = searched
    _, plain = material(results)
    own = dict(zip(plain.probe_ids, plain.quality.tolist(), strict=True))
    assert own == dict(qualities(LocalStore(results), "").select("probe_id", "quality").iter_rows())
    assert all(0 < value <= 100 for value in own.values())
    truth = tmp_path / "truth.csv"
    truth.write_text("\n".join(["probe_id,subject_id", *(f"{probe}," for probe in own)]))
    found, searches = material(results, truth)
    assert dict(zip(searches.probe_ids, searches.quality.tolist(), strict=True)) == own
    assert [finding.name for finding in found.findings] == []
    first, *others = own
    truth.write_text("\n".join(["probe_id,subject_id,quality", f"{first},,12.5", *(f"{probe},," for probe in others)]))
    found, searches = material(results, truth)
    assert dict(zip(searches.probe_ids, searches.quality.tolist(), strict=True)) == {**own, first: 12.5}
    (noticed,) = found.findings
    assert (noticed.name, noticed.rows, noticed.origin) == ("truth.quality_given", 1, str(truth))


def test_quality_is_unknown_once_the_templates_were_deleted(searched: tuple[World, str], tmp_path: Path) -> None:
    _, results = searched
    _, plain = material(results)
    begun = {"search_id": "0" * 24, "reason": "clock", "since": datetime.now(UTC), "objects": 1, "bytes": 1}
    record = Deleted(object_class="probe_templates", at=datetime.now(UTC), **begun)
    put_first(LocalStore(results), layout.deleted("probe_templates"), record)
    truth = tmp_path / "truth.csv"
    truth.write_text("\n".join(["probe_id,subject_id", *(f"{probe}," for probe in plain.probe_ids)]))
    assert np.isnan(material(results, truth)[1].quality).all()


def test_everybody_who_was_to_be_enrolled_counts(searched: tuple[World, str], tmp_path: Path) -> None:
    _, results = searched
    _, plain = material(results)
    subjects = tmp_path / "subjects.parquet"
    everybody = [*plain.gallery.subject_ids.to_list(), "lost"]
    pl.DataFrame({"subject_id": everybody, "group_side": ["a"] * 8 + [None]}).write_parquet(subjects)
    _, searches = material(results, subjects=subjects)
    assert searches.gallery.size == 9
    assert int(searches.gallery.enrolled.sum()) == 8
    assert searches.gallery.groups["side"].names == ("a",)


@pytest.mark.parametrize(
    ("name", "text", "error", "words"),
    [
        ("truth.txt", "probe_id\n", ConfigError, "truth.txt: labels are a .parquet or .csv file"),
        ("truth.csv", "subject_id\nx\n", ConfigError, "truth.csv: has no column probe_id; its columns are subject_id"),
        ("truth.parquet", "PAR1", CorruptError, "truth.parquet: cannot be read as parquet"),
        ("truth.csv", "probe_id,quality\np,good\n", ConfigError, "column quality holds something that is no number"),
        ("truth.csv", "probe_id,groups,group_x\np,1,2\n", ConfigError, "both a map `groups` and group_x"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, text: str, error: type[Exception], words: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(error, match=words):
        read_labels(str(path), S3, "probe_id")


def test_an_absent_label_is_unknown_and_a_number_is_one(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text("probe_id,subject_id,quality,group_age,group_tone\np1,s1,81.5,old,3\np2,,,,\n")
    frame = read_labels(str(path), S3, "probe_id")
    assert frame["quality"].to_list() == [81.5, None]
    assert frame["subject_id"].to_list() == ["s1", None]
    assert frame["groups"].to_list() == [[{"key": "age", "value": "old"}, {"key": "tone", "value": "3"}], []]


def test_what_is_no_finished_search_is_said(searchable: World) -> None:
    gallery = str(searchable.root / "gallery")
    leave = authorise(EvaluateConfig(gallery=gallery, request=REQUEST, report="no-report"))
    with pytest.raises(NotFoundError, match="holds no finished search"):
        read_material(gallery, leave)


def test_truth_that_lacks_a_probe_is_a_finding_and_truth_for_another_search_stops(
    searched: tuple[World, str], tmp_path: Path
) -> None:
    _, results = searched
    _, plain = material(results)
    truth = tmp_path / "truth.csv"
    truth.write_text("\n".join(["probe_id,subject_id", *(f"{probe}," for probe in plain.probe_ids[1:])]))
    _, searches = material(results, truth)
    assert any("truth" in finding.line and finding.rows for finding in searches.findings)
    assert len(searches.probe_ids) == 7
    truth.write_text("probe_id,subject_id\nsomething,else\n")
    with pytest.raises(StopError, match="something"):
        material(results, truth)
