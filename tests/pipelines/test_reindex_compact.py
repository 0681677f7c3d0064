"""Compaction: rows are rewritten within the budget, erased templates are in no live file, a delta costs its share."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from facebatch.config import ReindexConfig
from facebatch.faces.packs import find_pack, load_card
from facebatch.gallery.commits import put_part, read_part
from facebatch.gallery.orders import Orders
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.gallery.template_ids import TemplateIds
from facebatch.images.source import SourceSpec
from facebatch.index.compact import CompactSpec
from facebatch.index.spec import IndexSpec
from facebatch.pipelines import embed, index, reindex
from facebatch.pipelines.reindex import ReindexReport
from facebatch.pipelines.reindex_erase import Erasure
from facebatch.pipelines.reindex_segments import Builder, build, keep
from facebatch.runtime.open import open_executor
from facebatch.storage.local import LocalStore
from facebatch.storage.parquet import read_table, write_table
from reindexed import head, live_members, update
from stored import files
from synthetic import template_table, unit
from worlds import LOCAL, QUIET, World

pytestmark = pytest.mark.integration

DAY = date(2024, 3, 1)
AMPLE = CompactSpec(rows=1000)


@pytest.fixture
def indexed(world: World) -> World:
    run(world)
    return world


def run(world: World, **changes: object) -> ReindexReport:
    return update(world, as_of=DAY, **changes)


def delete(world: World, subject: str) -> str:
    path = world.root / "deletions.csv"
    path.write_text(f"kind,id,reason,authority\nsubject,{subject},r,a\n")
    return str(path)


def people(world: World) -> list[str]:
    return sorted(path.name for path in (world.root / "gallery-photos").iterdir())


def subjects(world: World) -> list[str]:
    return sorted(str(row["subject_id"]) for row in live_members(world))


def change(world: World, subject: str) -> None:
    photo = files(world.root / "gallery-photos" / subject, "*.jpg")[0]
    photo.write_bytes(photo.read_bytes() + b"\x00")


def test_what_was_deleted_is_in_no_live_file_afterwards(indexed: World) -> None:
    first, *others = people(indexed)
    run(indexed, deletions=delete(indexed, first))
    report = run(indexed, compaction=AMPLE)
    assert (report.segments_merged, report.templates_purged, report.tombstones) == (1, 1, 0)
    assert (report.rows_rewritten, report.dead_rows) == (len(others), 0)
    assert subjects(indexed) == others
    store, ids = LocalStore(indexed.root / "gallery"), TemplateIds(LocalStore(indexed.root / "gallery"))
    held = [name for shard in head(indexed).shards for name in ids.of(shard.templates)["subject_id"].to_pylist()]
    assert sorted(held) == others
    ledgers = [read_table(read_part(store, s.ledger), kind="ledger", origin="l") for s in head(indexed).shards]
    rows = pa.concat_tables(ledgers)
    assert sorted(rows["image_id"].to_pylist()) == sorted(
        ["", *[f"{path.parent.name}/{path.name}" for path in photos(indexed) if path.parent.name != first]]
    )
    assert head(indexed).images == rows.num_rows
    assert not run(indexed, compaction=AMPLE).published


def photos(world: World) -> list[Path]:
    return files(world.root / "gallery-photos", "*.jpg")


def test_deleted_and_purged_in_one_run(indexed: World) -> None:
    first, *others = people(indexed)
    report = run(indexed, deletions=delete(indexed, first), compaction=AMPLE)
    assert (report.deleted, report.templates_purged, report.tombstones) == (1, 1, 0)
    assert subjects(indexed) == others
    assert head(indexed).indexed


def test_a_purged_template_does_not_come_back(indexed: World) -> None:
    first, *others = people(indexed)
    run(indexed, deletions=delete(indexed, first), compaction=AMPLE)
    for subject in others:
        change(indexed, subject)
    run(indexed)
    assert subjects(indexed) == others
    embed.run(indexed.embed(source=indexed.reindex().sources[0]), QUIET)
    index.run(indexed.index(), QUIET)
    assert subjects(indexed) == others
    for subject in people(indexed):
        change(indexed, subject)
    run(indexed, compaction=AMPLE)
    assert subjects(indexed) == others
    assert head(indexed).tombstones == ()


def test_nights_are_merged_into_one_segment(indexed: World) -> None:
    want = people(indexed)
    for subject in want[:3]:
        change(indexed, subject)
        run(indexed)
    assert len(head(indexed).segments) > 1
    report = run(indexed, compaction=AMPLE)
    assert report.segments == 1
    assert report.segments_merged > 1
    assert subjects(indexed) == want
    segment = head(indexed).segments[0]
    index.run(indexed.index(), QUIET)
    assert head(indexed).segments == (segment,)


def test_what_does_not_fit_into_the_budget_waits_and_is_told(indexed: World) -> None:
    report = run(indexed, deletions=delete(indexed, people(indexed)[0]), compaction=CompactSpec(rows=2))
    assert (report.segments_merged, report.templates_purged, report.tombstones) == (0, 0, 1)
    assert report.dead_rows == 1
    plan = reindex.run(indexed.reindex(compaction=AMPLE), QUIET, dry_run=True)
    assert isinstance(plan, dict)
    assert (plan["segments_to_merge"], plan["rows_to_rewrite"]) == (1, len(people(indexed)) - 1)


def test_dead_rows_of_a_segment_built_in_the_same_run_are_told(world: World) -> None:
    report = run(world, deletions=delete(world, people(world)[0]))
    assert (report.segments_built, report.deleted, report.dead_rows) == (1, 1, 1)
    again = run(world)
    assert (again.published, again.dead_rows) == (False, 1)


def test_a_shard_of_which_all_is_erased_needs_no_segment(indexed: World) -> None:
    for subject in people(indexed):
        run(indexed, deletions=delete(indexed, subject))
    assert (head(indexed).segments, head(indexed).templates, head(indexed).indexed) == ((), 0, True)
    again = run(indexed)
    assert (again.published, again.segments_built) == (False, 0)
    assert run(indexed, compaction=AMPLE).templates_purged == len(people(indexed))
    assert not run(indexed, compaction=AMPLE).published


SHARDS, ROWS = 100, 50


class World100:
    """A gallery of SHARDS synthetic shards of ROWS templates, and what is read and built in it."""

    def __init__(self, root: Path, world: World) -> None:
        self.store = LocalStore(root)
        self.card = load_card(find_pack(world.model))
        self.config = ReindexConfig(
            gallery=str(root), sources=(SourceSpec(uri="s"),), run=LOCAL, index=IndexSpec(kind="Flat")
        )
        self.shards = tuple(self.shard(number, 0) for number in range(SHARDS))

    def shard(self, number: int, version: int) -> ShardEntry:
        name = f"{number:03d}v{version}"
        vectors = unit(np.random.default_rng([number, version]).normal(size=(ROWS, self.card.dim)))
        table = template_table(vectors, [None] * ROWS, prefix=name)
        data = write_table(table, kind="templates", model=self.card.fingerprint)
        part = put_part(self.store, f"templates/{name}.parquet", data, ROWS)
        return ShardEntry(
            shard_key=name, shard_uri=str(number), source="s", images=ROWS, outcomes={}, templates=part, ledger=part
        )

    def night(self, before: Snapshot | None, shards: tuple[ShardEntry, ...]) -> Snapshot:
        """The segments of the next snapshot."""
        ids = TemplateIds(self.store)
        erasure = Erasure(shards, (), Orders(), self.card.fingerprint, frozenset(), 0, 0, ())
        with open_executor(self.config.run) as executor:
            standing = keep(self.store, before, shards, erasure, ids)
            bare = [shard for shard in shards if shard.templates.sha256 in standing.uncovered]
            new, _ = build(
                bare, Builder(self.config, self.store, executor, QUIET), self.card, pa.array([], pa.string())
            )
        fields = {"seq": 1, "parent": None, "run_id": "r", "created_at": "2026-01-01T00:00:00Z", "model": "m"}
        segments = (*(kept.entry for kept in standing.kept), *new)
        return Snapshot.model_validate(
            {**fields, "model_name": "m", "dim": self.card.dim, "shards": shards, "segments": segments}
        )


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each template part that is read."""
    read: list[int] = []
    get = LocalStore.get

    def counted(store: LocalStore, key: str, **options: object) -> object:
        read.extend([ROWS] if key.startswith("templates/") else [])
        return get(store, key, **options)

    monkeypatch.setattr(LocalStore, "get", counted)
    return read


def test_a_delta_of_one_percent_costs_about_one_percent(world: World, rows_read: list[int], tmp_path: Path) -> None:
    made = World100(tmp_path / "synthetic", world)
    first = made.night(None, made.shards)
    full_read, full_built = sum(rows_read), sum(segment.rows for segment in first.segments)
    assert full_read == full_built == SHARDS * ROWS
    rows_read.clear()
    second = made.night(first, (made.shard(0, 1), *made.shards[1:]))
    built = [segment for segment in second.segments if segment.segment_id not in {s.segment_id for s in first.segments}]
    assert second.indexed
    assert sum(segment.rows for segment in built) == full_built // 100
    assert sum(rows_read) == 2 * full_read // 100  # the part that came, and the ids of the one that left
