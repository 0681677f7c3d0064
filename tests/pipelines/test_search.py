"""Probe blocks: the same bytes whatever is read or written first, and none from a damaged part."""

import uuid
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.drawn_shards import MODEL, GalleryShape, draw_shards, extract, put_shard
from facebatch.errors import CorruptError
from facebatch.gallery.commits import ShardCommit
from facebatch.pipelines.search import write_blocks
from facebatch.storage import layout
from facebatch.storage.memory import MemoryStore
from facebatch.storage.parquet import read_templates, write_table
from synthetic import unit

SHAPE = GalleryShape(templates=500, shards=5, dim=8)
BLOCK = 48


def store() -> MemoryStore:
    return MemoryStore(uuid.uuid4().hex)


def committed(probes: MemoryStore) -> tuple[list[ShardCommit], pa.Table]:
    """Real parts, and their templates in the order of blocks."""
    rng = np.random.default_rng(3)
    commits, tables = [], []
    for shard in draw_shards(SHAPE):
        extraction = extract(shard, unit(rng.standard_normal((shard.rows, SHAPE.dim))))
        commits.append(put_shard(probes, shard.key, shard.listed.uri, SHAPE.source, extraction))
        tables.append(extraction.templates)
    order = [("image_id", "ascending"), ("face_index", "ascending")]
    return commits, pa.concat_tables(tables).sort_by(order).combine_chunks()


def test_blocks_are_the_sorted_templates_whatever_the_order_of_the_parts() -> None:
    probes = store()
    commits, templates = committed(probes)
    wanted = [write_table(templates.slice(begin, BLOCK), kind="templates", model=MODEL) for begin in range(0, 500, 48)]
    for given in (commits, commits[::-1]):
        results = store()
        blocks = write_blocks(results, probes, given, BLOCK, MODEL)
        assert [block.key for block in blocks] == [layout.numbered(layout.BLOCKS, number) for number in range(11)]
        assert [block.rows for block in blocks] == [48] * 10 + [20]
        assert [results.get(block.key, sha256=block.sha256) for block in blocks] == wanted
    read = pa.concat_tables(read_templates(data, "block") for data in wanted)
    assert read.select(["image_id", "face_index"]).equals(templates.select(["image_id", "face_index"]))


def test_without_a_template_there_is_no_block() -> None:
    results, probes = store(), store()
    assert write_blocks(results, probes, [], BLOCK, MODEL) == []
    shard, *_ = draw_shards(SHAPE)
    extraction = extract(shard, unit(np.ones((shard.rows, SHAPE.dim))))
    nobody = replace(extraction, templates=extraction.templates.slice(0, 0))
    commit = put_shard(probes, "f" * 40, "memory://nobody", SHAPE.source, nobody)
    assert write_blocks(results, probes, [commit], BLOCK, MODEL) == []
    commits, _ = committed(probes)
    assert sum(block.rows for block in write_blocks(results, probes, [commit, *commits], BLOCK, MODEL)) == 500


@pytest.mark.parametrize("damaged", [0, 4])
def test_a_damaged_part_stops_it_by_name_before_any_block_is_written(damaged: int) -> None:
    results, probes = store(), store()
    commits, _ = committed(probes)
    part = commits[damaged].templates
    probes.put(part.key, probes.get(part.key)[:-1])
    with pytest.raises(CorruptError, match=f"{part.key}: sha256 is"):
        write_blocks(results, probes, commits, BLOCK, MODEL)
    assert list(results.list()) == []
