"""index on a real gallery: what the snapshot holds is what the segments hold, once, and reruns add nothing."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from facebatch.config import IndexConfig
from facebatch.errors import CorruptError, NotFoundError, PlanError, RunFailedError
from facebatch.gallery import snapshots
from facebatch.gallery.commits import put_part, read_part
from facebatch.gallery.figures import GateFigure
from facebatch.index.segment import members_of, read_manifest
from facebatch.index.spec import IndexSpec
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import embed, index, running
from facebatch.pipelines.index import IndexReport
from facebatch.pipelines.scanning import open_segment
from facebatch.storage.local import LocalStore
from facebatch.storage.parquet import embeddings, read_templates, write_table
from stored import digests, files
from worlds import LOCAL, QUIET, World

pytestmark = pytest.mark.integration

GOLDEN = Path(__file__).parent.parent / "golden" / "v1"


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
    for entry in head.segments:
        segment = open_segment(store, entry, searchable.root / "cache", MatchSpec())
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


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 1.5])
def test_a_template_that_is_not_of_unit_norm_never_gets_into_a_segment(searchable: World, value: float) -> None:
    """Whoever opens a verified segment does not look again."""
    store = LocalStore(searchable.root / "gallery")
    head = snapshots.require_head(store)
    shard = head.shards[1]
    table = read_templates(read_part(store, shard.templates), shard.templates.key)
    vectors = embeddings(table).copy()
    vectors[2] *= np.float16(value)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), head.dim)
    table = table.set_column(table.schema.get_field_index("embedding"), table.schema.field("embedding"), column)
    part = put_part(store, shard.templates.key, write_table(table, kind="templates", model=head.model), len(table))
    bad = shard.model_copy(update={"templates": part})
    update = {"seq": head.seq + 1, "shards": (head.shards[0], bad, *head.shards[2:])}
    snapshots.publish(store, head.model_copy(update=update))
    before = files(searchable.root / "gallery", "segments/*/*")
    with pytest.raises(RunFailedError, match=rf"{part.key}: the embedding in row 2 has norm"):
        run(searchable)
    assert files(searchable.root / "gallery", "segments/*/*") == before


def test_an_older_index_is_complete_as_it_is(tmp_path: Path) -> None:
    """Its manifest lacks fields that one of today has; it is not built again, and its digest is that of its bytes."""
    shutil.copytree(GOLDEN, tmp_path / "gallery")
    before = files(tmp_path / "gallery", "*")
    report = index.run(IndexConfig(gallery=str(tmp_path / "gallery"), run=LOCAL), QUIET)
    assert isinstance(report, IndexReport)
    assert (report.published, report.segments_built, report.segments) == (False, 0, 1)
    assert files(tmp_path / "gallery", "*") == before


def test_a_flipped_byte_in_a_segment_is_noticed_before_it_is_used(searchable: World) -> None:
    store = LocalStore(searchable.root / "gallery")
    entry = snapshots.require_head(store).segments[0]
    vectors = files(searchable.root / "gallery", "segments/*/vectors-*")[0]
    data = bytearray(vectors.read_bytes())
    data[7] ^= 0x40
    vectors.write_bytes(bytes(data))
    with pytest.raises(CorruptError, match="vectors"):
        open_segment(store, entry, searchable.root / "cache", MatchSpec())


def test_a_plan_that_does_not_fit_in_memory_is_refused_before_it_runs(
    searchable: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "available_memory", lambda: 1 << 20)
    with pytest.raises(PlanError, match="GiB"):
        run(searchable, index=IndexSpec(kind="Flat"))


def test_members_name_the_subjects_of_the_folders(finished: World) -> None:
    store = LocalStore(finished.root / "gallery")
    manifest = read_manifest(store, snapshots.require_head(store).segments[0])
    members = members_of(np.fromfile(finished.root / "gallery" / manifest.members.key, np.uint8), manifest)
    subjects = sorted(path.name for path in (finished.root / "gallery-photos").iterdir())
    assert pa.array(subjects).equals(members["subject_id"].combine_chunks())


def test_what_was_said_of_the_head_is_not_said_of_the_snapshot_after_it(searchable: World) -> None:
    gallery = LocalStore(searchable.root / "gallery")
    head = snapshots.require_head(gallery)
    figure = GateFigure(name="counts.ledger", passed=True, words="all agree", n=3)
    said = {"segments": (), "restates": 1, "reason": "a bad batch", "gates": (figure,)}
    snapshots.publish(gallery, head.model_copy(update={**snapshots.next_number(head), **said}))
    run(searchable)
    after = snapshots.require_head(gallery)
    assert (after.seq, after.parent) == (head.seq + 2, head.seq + 1)
    assert after.segments == head.segments
    assert (after.restates, after.reason, after.gates) == (None, None, ())
