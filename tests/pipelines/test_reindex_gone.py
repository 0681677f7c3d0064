"""What a plan expects to leave with its images, by names and counts alone."""

from datetime import UTC, datetime

import pytest

from facebatch.config import ReindexConfig
from facebatch.gallery.commits import PartFile
from facebatch.gallery.gates import GateSpec
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.images.records import ImageShard, Member
from facebatch.images.source import SourceSpec
from facebatch.pipelines.embedding import RowsSpec
from facebatch.pipelines.reindex_gone import describe_gone
from facebatch.pipelines.reindex_plan import Listing, SourcePlan, plan_source

SOURCE, MODEL = "s3://in", "m"
FACES = 0.8
"""Templates per image."""


def part(rows: int) -> PartFile:
    return PartFile(key="k", sha256="0" * 64, size=1, rows=rows)


def gallery(shards: dict[str, int], erased: int = 0) -> Snapshot:
    """Of shards with so many images each, FACES templates per image."""
    entries = [
        ShardEntry(
            shard_key=f"{name} as it was",
            shard_uri=name,
            source=SOURCE,
            images=images,
            outcomes={},
            templates=part(round(FACES * images)),
            ledger=part(images),
        )
        for name, images in shards.items()
    ]
    facts = {"seq": 1, "parent": None, "run_id": "r", "created_at": datetime(2026, 1, 1, tzinfo=UTC), "model": MODEL}
    tombstones = (part(erased),) if erased else ()
    return Snapshot(**facts, model_name="m", dim=8, shards=tuple(entries), tombstones=tombstones)


def plan(head: Snapshot, listed: dict[str, int | None]) -> SourcePlan:
    """Listed now: the same shard (0), a file of another content (None), or so many loose images."""
    shards = {}
    for name, images in listed.items():
        members = tuple(Member(f"{name}/{row}.jpg", "", 1, "e") for row in range(images or 0))
        key = f"{name} as it was" if images == 0 else f"{name} as it is"
        shards[key] = ImageShard(name, "objects" if members else "tar", 1, "etag", members)
    settings = ReindexConfig(gallery="memory://g", sources=())
    rows = RowsSpec(
        source=SourceSpec(uri=SOURCE), decode=settings.decode, model=settings.model, faces=settings.faces, centroid=None
    )
    return plan_source(Listing(rows, shards), head, frozenset(), MODEL)


THREE = {"a": 1000, "b": 1000, "c": 1000}


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ({"a": 0, "b": 0, "c": 0}, 0),
        ({"a": 0}, 1600),
        ({"a": 0, "b": None, "c": 0}, 0),
        ({"a": 0, "b": None, "d": None}, 0),
        ({"a": 0, "b": None}, 800),
        ({"a": 30, "b": 30, "c": 30}, 2328),
        ({"d": 90}, 2328),
        ({"d": 1000, "e": 1000, "f": 1001}, 0),
        ({"a": 0, "b": 999, "c": 1}, 800),
    ],
)
def test_shards_that_leave_are_set_against_those_that_come(listed: dict[str, int | None], expected: int) -> None:
    head = gallery(THREE)
    said = describe_gone([plan(head, listed)], head, GateSpec())
    assert said["templates_gone_expected"] == expected
    failing = [line.split(":")[0] for line in said["gates_expected_to_fail"]]
    assert failing == ["rate.gone.whole"] * (expected > 500) + ["rate.gone.source"] * (expected > 1300)


def test_no_more_is_expected_to_leave_than_is_live() -> None:
    head = gallery(THREE, erased=2000)
    said = describe_gone([plan(head, {"a": 0})], head, GateSpec())
    assert said["templates_gone_expected"] == head.templates == 400


def test_before_the_first_snapshot_nothing_can_leave() -> None:
    assert describe_gone([], None, GateSpec()) == {"templates_gone_expected": 0, "gates_expected_to_fail": ()}
