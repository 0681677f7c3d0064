"""Segments: every template in exactly one row, the index agrees with the vectors, same input gives same bytes."""

from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import CorruptError
from facebatch.gallery.commits import PartFile
from facebatch.gallery.snapshots import ShardEntry
from facebatch.index.build import build, sort_members
from facebatch.index.segment import plan_segments
from facebatch.index.spec import IndexSpec
from synthetic import template_table, unit

KINDS = ("Flat", "IDMap2,SQ8")


def entry(name: str, rows: int) -> ShardEntry:
    part = PartFile(key=f"templates/{name}.parquet", sha256=name, size=1, rows=rows)
    return ShardEntry(shard_key=name, shard_uri=name, source="s", images=rows, outcomes={}, templates=part, ledger=part)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [5, 128, 256])
def test_index_ids_are_rows_of_vectors_and_members(kind: str, dim: int) -> None:
    vectors = unit(np.random.default_rng(1).standard_normal((60, dim)))
    tables = [
        template_table(vectors[:25], [f"s{row % 7}" for row in range(25)], prefix="a"),
        template_table(vectors[25:], [None if row % 2 else "s3" for row in range(35)], prefix="b"),
    ]
    built = build(tables, IndexSpec(kind=kind), dim)
    index = faiss.deserialize_index(np.frombuffer(built.index, np.uint8))
    assert (index.ntotal, index.d, index.metric_type) == (60, dim, faiss.METRIC_INNER_PRODUCT)
    _, ids = index.search(built.vectors.astype(np.float32), 1)
    np.testing.assert_array_equal(ids[:, 0], np.arange(60))
    source = {f"a{row:06d}": vectors[row] for row in range(25)} | {
        f"b{row:06d}": vectors[25 + row] for row in range(35)
    }
    for row, template in enumerate(built.members["template_id"].to_pylist()):
        np.testing.assert_array_equal(built.vectors[row], source[template])


def test_a_subjects_templates_lie_side_by_side() -> None:
    vectors = unit(np.random.default_rng(2).standard_normal((30, 4)))
    members, _ = sort_members([template_table(vectors, [f"s{row % 5}" if row % 3 else None for row in range(30)])])
    subjects = members["subject_id"].to_pylist()
    runs = [name for row, name in enumerate(subjects) if row == 0 or subjects[row - 1] != name]
    labelled = [name for name in runs if name is not None]
    assert len(labelled) == len(set(labelled)) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_same_templates_same_bytes(kind: str) -> None:
    vectors = unit(np.random.default_rng(3).standard_normal((50, 16)))
    table = template_table(vectors, [f"s{row}" for row in range(50)])
    one = build([table], IndexSpec(kind=kind), 16)
    two = build([table.slice(30), table.slice(0, 30)], IndexSpec(kind=kind), 16)
    assert one.index == two.index
    np.testing.assert_array_equal(one.vectors, two.vectors)
    assert one.members.equals(two.members)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_segment_is_a_segment(kind: str) -> None:
    built = build([], IndexSpec(kind=kind), 12)
    assert built.vectors.shape == (0, 12)
    assert built.members.num_rows == 0
    assert faiss.deserialize_index(np.frombuffer(built.index, np.uint8)).ntotal == 0


def test_one_template_id_in_two_parts_is_refused() -> None:
    table = template_table(unit(np.eye(4)), ["a", "b", "c", "d"])
    with pytest.raises(CorruptError, match="4 template ids occur twice"):
        sort_members([table, table])


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 20))
def test_every_part_is_in_one_segment_and_none_is_too_large(rows: list[int], limit: int) -> None:
    shards = [entry(f"p{number}", count) for number, count in enumerate(rows)]
    plans = plan_segments(shards, IndexSpec(segment_rows=limit), model="m", dim=4)
    covered = [part.sha256 for plan in plans for part in plan.parts]
    assert covered == [shard.templates.sha256 for shard in shards if shard.templates.rows]
    assert all(plan.rows <= limit or len(plan.parts) == 1 for plan in plans)
    assert len({plan.segment_id for plan in plans}) == len(plans)
    again = plan_segments(shards, IndexSpec(segment_rows=limit), model="m", dim=4)
    assert [plan.segment_id for plan in again] == [plan.segment_id for plan in plans]


def test_the_id_of_a_segment_follows_from_content_and_kind(tmp_path: Path) -> None:
    shards = [entry("p", 3)]
    ids = {
        plan_segments(shards, spec, model=model, dim=4)[0].segment_id
        for spec in (IndexSpec(kind="Flat"), IndexSpec(kind="IDMap2,SQ8"))
        for model in ("m", "n")
    }
    assert len(ids) == 4
