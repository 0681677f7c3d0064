"""A reindex of a world, and what a search of its gallery compares afterwards, row by row."""

from typing import Any

import pyarrow as pa

from facebatch.gallery import snapshots
from facebatch.gallery.masks import read_live
from facebatch.gallery.snapshots import Snapshot
from facebatch.pipelines import reindex
from facebatch.pipelines.masking import read_members
from facebatch.pipelines.reindex import ReindexReport
from facebatch.storage.local import LocalStore
from worlds import QUIET, World


def update(world: World, **changes: object) -> ReindexReport:
    report = reindex.run(world.reindex(**changes), QUIET)
    assert isinstance(report, ReindexReport)
    return report


def gallery(world: World) -> LocalStore:
    return LocalStore(world.root / "gallery")


def head(world: World) -> Snapshot:
    return snapshots.require_head(gallery(world))


def live_members(world: World) -> list[dict[str, Any]]:
    """`schemas.ROWS` of the live rows of all segments of the head, by template."""
    store = gallery(world)
    found: list[dict[str, Any]] = []
    for segment in snapshots.require_head(store).segments:
        members, live = read_members(store, segment), read_live(store, segment)
        found += (members if live is None else members.filter(pa.array(live))).to_pylist()
    return sorted(found, key=lambda row: str(row["template_id"]))
