"""A gallery written by an earlier version of this code is committed beside this file, and must stay readable.

`python tests/golden/test_can_read_old.py FOLDER` writes one as the code writes it today. A change of the stored formats
raises a version, adds a folder, and leaves the old ones as they are. The vectors are random: no face is in here.
"""

import hashlib
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import faiss
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from facebatch.gallery import snapshots
from facebatch.gallery.commits import ShardCommit, find_commit, put_first, put_part, read_part
from facebatch.gallery.snapshots import SegmentEntry, Snapshot
from facebatch.index.segment import plan_segments, read_manifest
from facebatch.index.spec import IndexSpec
from facebatch.match.candidates import to_table
from facebatch.match.scan import scan
from facebatch.match.settings import MatchSpec
from facebatch.pipelines.index import build_segment
from facebatch.pipelines.scanning import open_segment, probe_ids
from facebatch.schemas import ADDED, LEDGER, STORED, TIMINGS, version_of
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.documents import dump
from facebatch.storage.local import LocalStore
from facebatch.storage.parquet import embeddings, read_table, read_templates, write_table
from synthetic import template_table, unit

HERE = Path(__file__).parent
VERSIONS = sorted(path.name for path in HERE.glob("v*"))
DIM = 8
SHARDS = 2
ROWS = 6
MODEL = "0" * 64


def vectors(shard: int) -> np.ndarray:
    """Unit float16 that need no random generator, whose streams may change."""
    bytes_ = b"".join(hashlib.sha256(f"{shard}/{row}".encode()).digest()[:DIM] for row in range(ROWS))
    return unit(np.frombuffer(bytes_, np.uint8).reshape(ROWS, DIM).astype(np.float64) - 127.5)


def write(root: Path) -> None:
    """A gallery of two shards, with index."""
    store = LocalStore(root)
    commits = [_commit(store, number) for number in range(SHARDS)]
    shards = snapshots.replace_source(None, "s3://in", commits)
    facts = {"model": MODEL, "model_name": "golden", "dim": DIM, "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
    first = Snapshot(seq=1, parent=None, run_id="run-1", shards=shards, **facts)
    snapshots.publish(store, first)
    segments = []
    for plan in plan_segments(shards, IndexSpec(), model=MODEL, dim=DIM):
        manifest = build_segment(store, plan)
        segments.append(
            SegmentEntry(
                segment_id=plan.segment_id,
                kind=manifest.kind,
                rows=manifest.rows,
                manifest_sha256=digest(dump(manifest)),
            )
        )
    snapshots.publish(store, first.model_copy(update={"seq": 2, "parent": 1, "segments": tuple(segments)}))


def _commit(store: LocalStore, number: int) -> ShardCommit:
    key = f"{number:040x}"
    table = template_table(vectors(number), [f"s{row // 2}" for row in range(ROWS)], prefix=f"{number}-")
    row = {"outcome": "ok", "faces_found": 1, "faces_kept": 1, "rejected": [], "image_sha256": "0" * 64}
    images = table["image_id"].to_pylist()
    ledger = LEDGER.empty_table().from_pylist([{"image_id": i, "member": i, **row} for i in images], LEDGER)
    zeros = {"decode_ms": 0.0, "detect_ms": 0.0, "embed_ms": 0.0}
    timings = TIMINGS.empty_table().from_pylist([{"image_id": i, **zeros} for i in images], TIMINGS)
    tables = {"templates": table, "ledger": ledger, "timings": timings}
    parts = {
        kind: put_part(store, f"{kind}/{key}-golden.parquet", write_table(content, kind=kind, model=MODEL), ROWS)
        for kind, content in tables.items()
    }
    facts = {"source": "s3://in", "attempt": "golden", "model": MODEL, "outcomes": {"ok": ROWS}, "seconds": {}}
    commit = ShardCommit(shard_key=key, shard_uri=f"s3://in/{number}.tar", images=ROWS, **facts, **parts)
    return put_first(store, layout.commit(key), commit)[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_old_gallery_is_read_verified_and_searched(version: str, tmp_path: Path) -> None:
    store = LocalStore(Path(shutil.copytree(HERE / version, tmp_path / version)))
    head = snapshots.require_head(store)
    assert (head.seq, head.parent, head.templates, head.images) == (2, 1, 12, 12)
    for number, shard in enumerate(head.shards):
        assert find_commit(store, shard.shard_key) is not None
        templates = read_templates(read_part(store, shard.templates), shard.templates.key)
        np.testing.assert_array_equal(embeddings(templates), vectors(number))
        for column, since in ADDED["templates"].items():
            absent = since > int(version[1:]) or column == "quality_recognizability"
            assert templates[column].null_count == (ROWS if absent else 0)
        ledger = read_table(read_part(store, shard.ledger), kind="ledger", origin=shard.ledger.key)
        assert ledger["outcome"].to_pylist() == ["ok"] * ROWS
    segment = open_segment(store, head.segments[0], tmp_path / "scratch", MatchSpec())
    manifest = read_manifest(store, head.segments[0])
    index = faiss.deserialize_index(np.frombuffer(read_part(store, manifest.index), np.uint8))
    assert index.ntotal == 12
    hits = scan(vectors(1)[:1], segment.gallery, MatchSpec(length=1))
    first = to_table(hits, probe_ids(templates.slice(0, 1)), segment.members, head.seq).to_pylist()[0]
    assert (first["template_id"], first["subject_id"]) == ("1-000000", "s0")


def test_the_current_format_has_its_gallery() -> None:
    assert f"v{max(map(version_of, ('templates', *STORED)))}" == VERSIONS[-1]


if __name__ == "__main__":
    write(Path(sys.argv[1]))
