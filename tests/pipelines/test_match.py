"""match on real photos: no request, no probe; exact lists; a certificate; reruns and kills change nothing."""

import io
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from facebatch.errors import CorruptError, PlanError, RunFailedError, StopError
from facebatch.faces.models import ModelCard
from facebatch.faces.packs import find_pack, load_card
from facebatch.gallery import snapshots
from facebatch.gallery.commits import put_part, read_part
from facebatch.gallery.masks import put_dead
from facebatch.images.source import FieldsSpec, SourceSpec
from facebatch.index.segment import members_of, read_manifest
from facebatch.match import planning
from facebatch.match.kernel_paths import available_paths
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import embed, match
from facebatch.pipelines.case_words import NOTICE
from facebatch.pipelines.search import find_search
from facebatch.pipelines.search_plan import check_searchable
from facebatch.runtime.executor import RunSpec
from facebatch.schemas import TOMBSTONES
from facebatch.storage import layout
from facebatch.storage.local import LocalStore
from facebatch.storage.parquet import embeddings, read_templates, write_table
from facebatch.telemetry.progress import LineProgress
from searched import lists
from searched import search as run
from stored import digests, files
from worlds import LOCAL, QUIET, REQUEST, World

pytestmark = pytest.mark.integration


def test_every_probe_finds_its_subject_first(searchable: World) -> None:
    report = run(searchable)
    firsts = [row for row in lists(report) if row["rank"] == 1]
    assert len(firsts) == report.probes == report.images == 8
    assert all(str(row["probe_id"]).startswith(f"{row['subject_id']}/") for row in firsts)


def test_lists_equal_the_definition_of_similarity_on_all_pairs(searchable: World) -> None:
    report = run(searchable, match=MatchSpec(length=3, probe_block=3, gallery_block=2))
    gallery = LocalStore(searchable.root / "gallery")
    head = snapshots.require_head(gallery)
    templates = [read_templates(read_part(gallery, s.templates), s.shard_key) for s in head.shards]
    subjects = [name for table in templates for name in table["subject_id"].to_pylist()]
    vectors = np.concatenate([embeddings(table) for table in templates]).astype(np.float64)
    blocks = [read_templates(path.read_bytes(), path.name) for path in files(searchable.root / "results", "blocks/*")]
    want = []
    for table in blocks:
        for probe, vector in zip(table["image_id"].to_pylist(), embeddings(table), strict=True):
            scores = (vectors @ vector.astype(np.float64)).astype(np.float32)
            best = np.argsort(-scores, kind="stable")[:3]
            want += [(probe, rank + 1, subjects[row], float(scores[row])) for rank, row in enumerate(best)]
    got = [(r["probe_id"], r["rank"], r["subject_id"], r["similarity"]) for r in lists(report)]
    assert got == want
    assert report.cells == 3


def test_the_certificate_says_what_was_compared_and_for_what(searchable: World) -> None:
    report = run(searchable)
    manifest = find_search(LocalStore(report.results))
    assert manifest is not None
    head = snapshots.require_head(LocalStore(searchable.root / "gallery"))
    assert manifest.request == REQUEST
    assert (manifest.snapshot, manifest.snapshot_sha256) == (head.seq, head.content_sha256)
    assert manifest.rows_scanned == head.templates == report.gallery_templates
    assert manifest.images == sum(manifest.outcomes.values()) == manifest.outcomes_file.rows
    assert (manifest.length, manifest.floor, manifest.full_lists) == (50, None, 0)
    assert manifest.notice == NOTICE


def test_the_same_search_again_is_read_back_and_another_case_is_another_search(searchable: World) -> None:
    first = run(searchable)
    before = files(searchable.root / "results", "*")
    assert run(searchable) == first
    assert files(searchable.root / "results", "*") == before
    other = run(searchable, request=REQUEST.model_copy(update={"case_id": "another"}))
    assert other.results != first.results


def test_workers_and_blocks_change_no_list(searchable: World) -> None:
    found = []
    for workers, block in ((1, 512), (3, 512), (4, 2)):
        spec = MatchSpec(gallery_block=block)
        report = run(searchable, run=RunSpec(executor="local", workers=workers), match=spec)
        found.append(digests(searchable.root / "results"))
        shutil.rmtree(report.results)
    assert found[0] == found[1] == found[2]


def test_lists_are_the_same_whoever_merges_them(searchable: World, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = MatchSpec(probe_block=2)
    report = run(searchable, match=spec)
    by_driver = digests(searchable.root / "results")
    shutil.rmtree(report.results)
    monkeypatch.setattr(planning, "MERGED_BY_DRIVER", 0)
    told = io.StringIO()
    assert match.run(searchable.match(match=spec), LineProgress(told)) == report
    assert digests(searchable.root / "results") == by_driver
    blocks = len(files(searchable.root / "results", "*/candidates/*")) - report.cells
    assert f"merge {blocks}/{blocks} probe blocks" in told.getvalue()


def test_a_part_of_a_cell_that_is_damaged_stops_the_merge_and_names_it(
    searchable: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(searchable, match=MatchSpec(probe_block=2))
    files(searchable.root / "results", "manifest.json")[0].unlink()
    part = files(searchable.root / "results", "cells/candidates/*")[0]
    part.write_bytes(part.read_bytes()[:-1])
    monkeypatch.setattr(planning, "MERGED_BY_DRIVER", 0)
    with pytest.raises(RunFailedError, match=f"(?s)the lists of probe block .*{part.name}"):
        run(searchable, match=MatchSpec(probe_block=2))


def test_every_scan_path_writes_the_same_files(searchable: World) -> None:
    found = {}
    for path in ("plain", "auto", *available_paths()):
        report = run(searchable, match=MatchSpec(path=path, probe_block=3, floor=0.1))
        found[path] = digests(searchable.root / "results")
        shutil.rmtree(report.results)
    assert len(found) > 2
    assert all(files == found["plain"] for files in found.values())


def test_bad_probes_are_rows_with_a_reason_and_the_others_are_searched(searchable: World) -> None:
    folder = searchable.root / "probe-photos" / "lon001"
    photo = files(folder, "*.jpg")[0]
    (folder / "cut.jpg").write_bytes(photo.read_bytes()[:2000])
    (folder / "words.jpg").write_bytes(b"not a photo")
    report = run(searchable)
    assert (report.images, report.probes) == (10, 8)
    assert report.outcomes == {"decode_error": 1, "ok": 8, "truncated": 1}


def test_a_floor_shortens_lists_and_is_recorded(searchable: World) -> None:
    report = run(searchable, match=MatchSpec(floor=0.6))
    rows = lists(report)
    assert 0 < len(rows) < 8 * 8
    assert min(float(str(row["similarity"])) for row in rows) >= 0.6
    manifest = json.loads(files(searchable.root / "results", "manifest.json")[0].read_text())
    assert manifest["floor"] == 0.6


def test_an_unindexed_or_foreign_gallery_is_not_searched(searchable: World) -> None:
    head = snapshots.require_head(LocalStore(searchable.root / "gallery"))
    card = load_card(find_pack(searchable.model))
    check_searchable(head, card)
    with pytest.raises(PlanError, match="facebatch index"):
        check_searchable(head.model_copy(update={"segments": ()}), card)
    with pytest.raises(StopError, match="no template"):
        check_searchable(head.model_copy(update={"shards": ()}), card)
    other: ModelCard = replace(card, fingerprint="f" * 64, name="another", dim=128)
    with pytest.raises(StopError, match=r"dim 256.*dim 128"):
        check_searchable(head, other)


def test_coverage_is_checked_before_the_certificate(searchable: World) -> None:
    run(searchable)
    commit = files(searchable.root / "results", "cells/commits/*.json")[0]
    values = json.loads(commit.read_text())
    commit.write_text(json.dumps({**values, "rows_scanned": values["rows_scanned"] - 1}))
    files(searchable.root / "results", "manifest.json")[0].unlink()
    with pytest.raises(CorruptError, match="compared with 7 templates of 8"):
        run(searchable)


def test_a_search_killed_between_cells_resumes_with_the_cells_it_has(searchable: World) -> None:
    spec = MatchSpec(probe_block=2)
    run(searchable, match=spec)
    want = digests(searchable.root / "results")
    files(searchable.root / "results", "manifest.json")[0].unlink()
    lost = files(searchable.root / "results", "cells/commits/*.json")[:2]
    for path in lost:
        path.unlink()
    parts = files(searchable.root / "results", "cells/candidates/*")
    report = run(searchable, match=spec)
    assert digests(searchable.root / "results") == want
    assert len(files(searchable.root / "results", "cells/candidates/*")) == len(parts) + len(lost)
    assert report.cells == 4


def test_an_older_snapshot_can_be_searched_by_number(searchable: World) -> None:
    indexed = snapshots.require_head(LocalStore(searchable.root / "gallery")).seq
    embed.run(
        searchable.embed(source=SourceSpec(uri=str(searchable.root / "probe-photos"), fields=FieldsSpec())), QUIET
    )
    with pytest.raises(PlanError, match="facebatch index"):
        run(searchable)
    assert run(searchable, match=MatchSpec(snapshot=indexed), run=LOCAL).snapshot == indexed


@pytest.mark.parametrize("path", ["plain", *available_paths()])
def test_a_dead_row_is_found_by_nobody_and_counted_by_nobody(searchable: World, path: str) -> None:
    gallery = LocalStore(searchable.root / "gallery")
    head = snapshots.require_head(gallery)
    segment = head.segments[0]
    manifest = read_manifest(gallery, segment)
    members = members_of(np.frombuffer(gallery.get(manifest.members.key), np.uint8), manifest)
    gone = members["subject_id"].to_pylist()[2]
    dead = put_dead(gallery, segment.segment_id, np.array([2]))
    assert dead is not None
    table = pa.table(
        {
            "template_id": members["template_id"].slice(2, 1),
            "subject_id": members["subject_id"].slice(2, 1),
            "image_id": ["x"],
            "reason": ["asked"],
            "authority": ["court"],
            "erased_at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        },
        schema=TOMBSTONES,
    )
    stone = put_part(gallery, layout.tombstones("0" * 64), write_table(table, kind="tombstones", model=head.model), 1)
    masked = segment.model_copy(update={"dead": dead})
    update = {"seq": head.seq + 1, "segments": (masked, *head.segments[1:]), "tombstones": (stone,)}
    snapshots.publish(gallery, head.model_copy(update=update))
    before = lists(run(searchable, match=MatchSpec(snapshot=head.seq, path=path)))
    report = run(searchable, match=MatchSpec(path=path))
    after = lists(report)
    assert report.gallery_templates == head.templates - 1
    assert gone in {row["subject_id"] for row in before}
    assert gone not in {row["subject_id"] for row in after}
    assert len(after) == len(before) - report.probes
