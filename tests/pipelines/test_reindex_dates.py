"""Dates and clocks that cannot be right are told by shard, and change nothing."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from facebatch.errors import StopError
from facebatch.gallery import snapshots
from facebatch.gallery.snapshots import ShardEntry
from facebatch.images.source import SourceSpec
from facebatch.index.compact import CompactSpec
from facebatch.pipelines import embed, reindex, reindex_dates
from facebatch.pipelines.reindex_dates import Dates, examine, in_future
from facebatch.storage.clock import TRUSTED
from facebatch.storage.local import LocalStore
from facebatch.storage.store import ObjectInfo
from reindexed import gallery, head, update
from stored import files
from worlds import QUIET, World

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)
PHOTOS = 4
NEVER = "1970-01-01T00:00:00+00:00"


def listed(world: World, *times: tuple[str, str]) -> tuple[SourceSpec, ...]:
    """PHOTOS of the photos by a manifest, the first ones with these capture and expiry times."""
    lines = ["uri,subject_id,captured_at,expires_at"]
    for number, path in enumerate(files(world.root / "gallery-photos", "*.jpg")[:PHOTOS]):
        captured, expires = times[number] if number < len(times) else ("2020-05-01T12:00:00+02:00", "")
        lines.append(f"{path},{path.parent.name},{captured},{expires}")
    (world.root / "list.csv").write_text("\n".join(lines) + "\n")
    return (SourceSpec(uri=str(world.root / "list.csv"), images_per_shard=2),)


def after(days: float) -> str:
    return (NOW + timedelta(days=days)).isoformat()


def test_dates_that_cannot_be_are_counted_by_shard_and_nothing_else_happens(world: World) -> None:
    sources = listed(world, (after(400), ""), (NEVER, ""), ("1899-12-30T00:00:00+00:00", ""), (after(3), NEVER))
    assert reindex.run(world.reindex(sources=sources), QUIET, dry_run=True)["shards_in_future"] == 0  # type: ignore[index]
    report = update(world, sources=sources, as_of=date(1969, 1, 1))
    assert (report.published, report.templates, report.expired) == (True, PHOTOS, 0)
    found = report.dates
    assert (found.clock_skew_s, found.images_too_early, found.images_after_expiry, found.shards_unknown) == (0, 2, 1, 0)
    future = in_future(head(world).shards, datetime.now(UTC))
    assert found.shards_in_future == len(future)
    told = sum(int(line.partition(": ")[2].split()[0]) for line in found.lines if line.endswith("after tomorrow"))
    assert told == 2
    assert any(line.startswith(f"{future[0].shard_uri}: ") for line in found.lines)
    assert sum("before 1900 or by a clock that was never set" in line for line in found.lines) >= 1
    assert sum(line.endswith("1 image captured after expiry") for line in found.lines) == 1
    plan = reindex.run(world.reindex(sources=sources), QUIET, dry_run=True)
    assert isinstance(plan, dict)
    assert plan["shards_in_future"] == len(future)
    again = update(world, sources=sources, as_of=date(1969, 1, 1))
    assert (again.published, again.dates) == (False, found)


def test_today_and_tomorrow_are_no_fault(world: World) -> None:
    report = update(world, sources=listed(world, (after(0), ""), (after(0.9), after(1))))
    assert report.dates == Dates(0.0, 0, 0, 0, 0, ())


def test_a_purged_image_is_counted_no_more(world: World) -> None:
    sources = listed(world, (after(400), "2024-03-01T00:00:00+00:00"))
    assert update(world, sources=sources, as_of=date(2024, 2, 1)).dates.shards_in_future == 1
    gone = update(world, sources=sources, as_of=date(2024, 3, 1), compaction=CompactSpec(rows=1000))
    assert (gone.expired, gone.templates_purged, gone.dates.lines) == (1, 1, ())


def test_shards_from_before_times_were_recorded_are_counted_and_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    update(world, sources=listed(world, (after(400), "")))
    seen = head(world)
    old = tuple(shard.model_copy(update={"captured": None}) for shard in seen.shards)
    later = {"seq": 2, "shards": old, "run_id": "old", "created_at": NOW + timedelta(days=2), "reason": "older"}
    snapshots.publish(gallery(world), seen.model_copy(update=later))
    monkeypatch.setattr(reindex_dates, "read_part", lambda *_: pytest.fail("a part was read"))
    found = update(world, sources=listed(world, (after(400), ""))).dates
    assert (found.shards_unknown, found.shards_in_future) == (len(old), 0)
    assert [line.partition(" UTC, ")[2] for line in found.lines] == ["which is still to come here"]
    assert found.lines[0].startswith("snapshot 2 was made at ")


def test_of_many_shards_some_are_named_and_the_rest_counted(world: World) -> None:
    update(world, sources=listed(world, *[(after(400), "")] * PHOTOS))
    (shard, *_) = head(world).shards
    many = [shard.model_copy(update={"shard_uri": f"s{number:02d}"}) for number in range(reindex_dates.SHOWN + 3)]
    found = examine(gallery(world), None, many, None)
    assert (found.shards_in_future, found.clock_skew_s) == (len(many), None)
    assert len(found.lines) == reindex_dates.SHOWN + 1
    assert found.lines[-1] == "3 more shards have images captured after tomorrow"
    assert in_future(many, NOW + timedelta(days=500)) == []


@pytest.fixture
def set_store_back(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Let the disk's clock be behind that of this machine."""
    look = LocalStore.head

    def set_back(shift: timedelta) -> None:
        def behind(store: LocalStore, key: str) -> ObjectInfo:
            path = store.local_path(key)
            if key.startswith("preflight/"):
                os.utime(path, (path.stat().st_mtime - shift.total_seconds(),) * 2)
            return look(store, key)

        monkeypatch.setattr(LocalStore, "head", behind)

    return set_back


def test_a_clock_minutes_ahead_is_told_and_one_a_day_ahead_erases_nothing(
    world: World, set_store_back: Callable[[timedelta], None]
) -> None:
    sources = listed(world, ("2020-05-01T12:00:00+02:00", "2024-03-02T10:00:00+00:00"))
    first = update(world, sources=sources, as_of=date(2024, 3, 1))
    set_store_back(timedelta(minutes=20))
    told = update(world, sources=sources, as_of=date(2024, 3, 1)).dates
    assert 1190 < (told.clock_skew_s or 0) <= 1200
    assert told.lines[0].endswith(" s ahead of that of the store; set it by NTP")
    set_store_back(TRUSTED + timedelta(minutes=5))
    assert not update(world, sources=sources, as_of=date(2024, 3, 1)).published
    words = r"1 templates would expire, but the clock of this machine is 43\d{3} s ahead"
    with pytest.raises(StopError, match=words):
        update(world, sources=sources, as_of=date(2024, 3, 2))
    assert (head(world).seq, head(world).templates) == (first.snapshot, PHOTOS)


def test_embed_records_them_too(world: World) -> None:
    (source,) = listed(world, (after(400), ""))
    embed.run(world.embed(source=source), QUIET)
    (shard,) = in_future(head(world).shards, NOW)
    assert isinstance(shard, ShardEntry)
    assert shard.captured is not None
    assert shard.captured.latest == datetime.fromisoformat(after(400))
