"""Cells over real segments: opened where they lie, older ones too, and never from bytes that were not recorded."""

import shutil
import tempfile
from pathlib import Path

import pytest

from facebatch.errors import FacebatchError
from facebatch.gallery import snapshots
from facebatch.index import node_cache
from facebatch.index.segment import read_manifest
from facebatch.match.cells import CellCommit
from facebatch.match.kernel_paths import available_paths
from facebatch.match.settings import MatchSpec
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.documents import dump
from facebatch.storage.local import LocalStore
from searched import lists
from searched import search as run
from stored import files
from worlds import World

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("absent", [("codes",), ("order",), ("codes", "order")])
def test_a_segment_built_before_a_file_was_stored_is_searched_all_the_same(
    searchable: World, absent: tuple[str, ...]
) -> None:
    want = lists(run(searchable))
    shutil.rmtree(searchable.root / "results")
    store = LocalStore(searchable.root / "gallery")
    head = snapshots.require_head(store)
    manifest = read_manifest(store, head.segments[0]).model_copy(update=dict.fromkeys(absent))
    key = layout.segment_manifest(manifest.segment_id)
    store.put(key, dump(manifest))
    entry = head.segments[0].model_copy(update={"manifest_sha256": digest(dump(manifest))})
    snapshots.publish(store, head.model_copy(update={"seq": head.seq + 1, "segments": (entry,)}))
    found = lists(run(searchable, match=MatchSpec(path=available_paths()[0])))
    assert [{**row, "snapshot": head.seq} for row in found] == want


@pytest.mark.parametrize("name", ["codes", "order", "members", "vectors"])
def test_a_damaged_file_of_a_segment_stops_the_search_by_name(searchable: World, name: str) -> None:
    path = files(searchable.root / "gallery", f"segments/*/{name}-*")[0]
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(FacebatchError, match=rf"segments/.*/{name}-.*: sha256 is"):
        run(searchable)
    assert not files(searchable.root / "results", "manifest.json")


def test_a_segment_on_local_disk_is_searched_where_it_lies(
    searchable: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    run(searchable)
    assert not node_cache.default_folder().exists()


def test_cells_say_where_their_time_went(searchable: World) -> None:
    run(searchable)
    (path,) = files(searchable.root / "results", "cells/commits/*.json")
    seconds = CellCommit.model_validate_json(path.read_bytes()).seconds
    assert list(seconds) == ["open", "read", "scan", "write"]
    assert 0 <= sum(seconds.values()) < 60
