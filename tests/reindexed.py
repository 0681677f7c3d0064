"""What a search of a gallery's head compares, row by row."""

from typing import Any

import pyarrow as pa

from facebatch.gallery import snapshots
from facebatch.gallery.masks import read_live
from facebatch.pipelines.masking import read_members
from facebatch.storage.local import LocalStore
from worlds import World


def live_members(world: World) -> list[dict[str, Any]]:
    """`schemas.ROWS` of the live rows of all segments of the head, by template."""
    store = LocalStore(world.root / "gallery")
    found: list[dict[str, Any]] = []
    for segment in snapshots.require_head(store).segments:
        members, live = read_members(store, segment), read_live(store, segment)
        found += (members if live is None else members.filter(pa.array(live))).to_pylist()
    return sorted(found, key=lambda row: str(row["template_id"]))
