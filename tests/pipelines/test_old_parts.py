"""A gallery begun by the release before quality columns: this one goes on with it, and embeds nothing anew for them."""

from datetime import date

import pyarrow as pa
import pytest

from facebatch import schemas
from facebatch.gallery import snapshots
from facebatch.gallery.changes import compare
from facebatch.gallery.commits import read_part
from facebatch.gallery.history import numbers
from facebatch.index.compact import CompactSpec
from facebatch.pipelines import gallery_verify, rephotograph
from facebatch.storage.parquet import read_templates
from reindexed import gallery, head, live_members, update
from searched import lists, search
from stored import files
from worlds import QUIET, World

pytestmark = pytest.mark.integration

DAY = date(2024, 3, 1)
ADDED = tuple(schemas.ADDED["templates"])


@pytest.fixture
def old(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Embedded and indexed with the columns of version 1, as that release did it."""
    whole = schemas.templates
    with monkeypatch.context() as patch:
        patch.setattr(schemas, "ADDED", {})
        patch.setattr(
            schemas, "templates", lambda dim: pa.schema([field for field in whole(dim) if field.name not in ADDED])
        )
        update(world, as_of=DAY)
    assert versions(world) == {b"1"}
    return world


def parts(world: World) -> list[pa.Table]:
    store = gallery(world)
    return [read_templates(read_part(store, shard.templates), shard.templates.key) for shard in head(world).shards]


def versions(world: World) -> set[bytes]:
    return {table.schema.metadata[b"facebatch.format_version"] for table in parts(world)}


def people(world: World) -> list[str]:
    return sorted(path.name for path in (world.root / "gallery-photos").iterdir())


def change(world: World, subject: str) -> None:
    photo = files(world.root / "gallery-photos" / subject, "*.jpg")[0]
    photo.write_bytes(photo.read_bytes() + b"\x00")


def test_a_new_release_does_not_embed_an_old_gallery_again(old: World) -> None:
    before = head(old)
    report = update(old, as_of=DAY)
    assert (report.shards_embedded, report.published) == (0, False)
    assert head(old) == before


def test_old_and_new_parts_are_indexed_compacted_purged_and_searched_together(old: World) -> None:
    first, second, *_ = people(old)
    before = head(old).seq
    change(old, first)
    report = update(old, as_of=DAY)
    assert report.shards_embedded == 1
    assert versions(old) == {b"1", b"2"}
    for table in parts(old):
        is_old = table.schema.metadata[b"facebatch.format_version"] == b"1"
        assert [table[name].null_count for name in ADDED if name != "quality_recognizability"] == [
            table.num_rows if is_old else 0
        ] * 3
    request = old.root / "deletions.csv"
    request.write_text(f"kind,id,reason,authority\nsubject,{people(old)[-1]},r,a\n")
    update(old, as_of=DAY, deletions=str(request))
    report = update(old, as_of=DAY, compaction=CompactSpec(rows=1000))
    assert report.templates_purged == 1
    kept = people(old)[:-1]
    assert sorted(str(row["subject_id"]) for row in live_members(old)) == kept
    assert versions(old) == {b"1", b"2"}
    store = gallery(old)
    assert gallery_verify.run(store, numbers(store), QUIET).faults == ()
    found = compare(store, snapshots.read(store, before), head(old))
    assert (found.added, found.removed, found.re_embedded, found.unchanged) == (0, 1, 1, len(kept) - 1)
    best = [row for row in lists(search(old)) if row["rank"] == 1]
    mates = {str(row["probe_id"]).split("/")[0]: row["subject_id"] for row in best}
    assert {probe for probe, subject in mates.items() if probe == subject} == set(kept)
    assert second in mates


def test_what_was_not_measured_is_not_called_poor(old: World) -> None:
    change(old, people(old)[0])
    update(old, as_of=DAY)
    found = rephotograph.run(gallery(old), 100)
    assert found.not_assessed == sum(table["quality"].null_count for table in parts(old))
    assert 0 < found.not_assessed == len(people(old)) - len({retake.image_id for retake in found.retakes}) < 8
