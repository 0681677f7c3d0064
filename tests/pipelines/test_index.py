"""index on a real gallery: what the snapshot holds is what the segments hold, once, and reruns add nothing."""

import numpy as np
import pyarrow as pa
import pytest

from facebatch.errors import CorruptError, NotFoundError, PlanError
from facebatch.gallery import snapshots
from facebatch.gallery.commits import read_part
from facebatch.index.segment import read_manifest, read_members
from facebatch.index.spec import IndexSpec
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import embed, index, running
from facebatch.pipelines.index import IndexReport
from facebatch.pipelines.scanning import open_segment
from facebatch.storage.local import LocalStore
from facebatch.storage.parquet import embeddings, read_templates
from stored import digests, files
from worlds import QUIET, World

pytestmark = pytest.mark.integration


def run(world: World, **changes: object) -> IndexReport:
    report = index.run(world.index(**changes), QUIET)
    assert isinstance(report, IndexReport)
    return report


@pytest.mark.parametrize("kind", ["IDMap2,SQ8", "Flat"])
def test_segments_hold_exactly_the_templates_of_the_snapshot(searchable: World, kind: str) -> None:
    report = run(searchable, index=IndexSpec(kind=kind, segment_rows=3))
    store = LocalStore(searchable.root / "gallery")
    head = snapshots.require_head(store)
    assert (report.rows, report.segments) == (head.templates, len(head.segments))
    assert report.segments > 1
    tables = [read_templates(read_part(store, shard.templates), shard.shard_key) for shard in head.shards]
    stored = {
        template: vector.tobytes()
        for table in tables
        for template, vector in zip(table["template_id"].to_pylist(), embeddings(table), strict=True)
    }
    found = {}
    for number, entry in enumerate(head.segments):
        segment = open_segment(store, entry, searchable.root / f"scratch{number}", MatchSpec())
        ids = segment.members["template_id"].to_pylist()
        found.update(
            {template: np.asarray(row).tobytes() for template, row in zip(ids, segment.gallery.vectors, strict=True)}
        )
    assert found == stored


def test_a_second_run_builds_and_publishes_nothing(searchable: World) -> None:
    before = files(searchable.root / "gallery", "*")
    report = run(searchable)
    assert (report.published, report.segments_built) == (False, 0)
    assert files(searchable.root / "gallery", "*") == before


def test_new_templates_make_the_old_index_incomplete_until_it_is_built_again(searchable: World) -> None:
    embed.run(searchable.embed(source=searchable.match().probes), QUIET)
    head = snapshots.require_head(LocalStore(searchable.root / "gallery"))
    assert head.segments == ()
    report = run(searchable)
    assert report.published
    assert report.rows == head.templates


def test_the_index_is_the_same_bytes_when_built_anew(searchable: World) -> None:
    gallery = searchable.root / "gallery"
    want = digests(gallery)
    for path in files(gallery, "segments/*/*"):
        path.unlink()
    assert run(searchable).segments_built == 1
    assert digests(gallery) == want


def test_a_dry_run_tells_and_writes_nothing(searchable: World) -> None:
    before = files(searchable.root / "gallery", "*")
    plan = index.run(searchable.index(index=IndexSpec(kind="Flat")), QUIET, dry_run=True)
    assert isinstance(plan, dict)
    assert plan["segments_to_build"] == plan["segments"] == 1
    assert plan["memory_per_worker"] > plan["rows"] * 256 * 4
    assert files(searchable.root / "gallery", "*") == before


def test_an_index_of_nothing_is_refused_by_name(world: World) -> None:
    with pytest.raises(NotFoundError, match="facebatch embed"):
        run(world)


def test_a_flipped_byte_in_a_part_stops_the_build_and_names_it(world: World) -> None:
    embed.run(world.embed(), QUIET)
    part = files(world.root / "gallery", "templates/*.parquet")[0]
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(bytes(data))
    with pytest.raises(Exception, match=part.name):
        run(world)
    assert snapshots.require_head(LocalStore(world.root / "gallery")).segments == ()


def test_a_flipped_byte_in_a_segment_is_noticed_before_it_is_used(searchable: World) -> None:
    store = LocalStore(searchable.root / "gallery")
    entry = snapshots.require_head(store).segments[0]
    vectors = files(searchable.root / "gallery", "segments/*/vectors-*")[0]
    data = bytearray(vectors.read_bytes())
    data[7] ^= 0x40
    vectors.write_bytes(bytes(data))
    with pytest.raises(CorruptError, match="vectors"):
        open_segment(store, entry, searchable.root / "scratch", MatchSpec())


def test_a_plan_that_does_not_fit_in_memory_is_refused_before_it_runs(
    searchable: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "available_memory", lambda: 1 << 20)
    with pytest.raises(PlanError, match="GiB"):
        run(searchable, index=IndexSpec(kind="Flat"))


def test_members_name_the_subjects_of_the_folders(finished: World) -> None:
    store = LocalStore(finished.root / "gallery")
    manifest = read_manifest(store, snapshots.require_head(store).segments[0])
    members = read_members(finished.root / "gallery" / manifest.members.key, manifest)
    subjects = sorted(path.name for path in (finished.root / "gallery-photos").iterdir())
    assert pa.array(subjects).equals(members["subject_id"].combine_chunks())
