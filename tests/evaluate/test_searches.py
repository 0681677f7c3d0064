"""Searches: the same from rows in any order, right where lists are empty, and cut by mask without loss."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings

from evaluate.small import EXAMPLES, VECTORS, searched, worlds
from facebatch import schemas
from facebatch.errors import StopError
from facebatch.evaluate.inputs import Inputs, lazy
from facebatch.evaluate.searches import Searches, collect
from facebatch.storage.parquet import read_table, write_table
from labelled import World, candidates, gallery, inputs, truth

ARRAYS = ("person", "mated", "mate", "mate_enrolled", "failed", "mate_rank", "mate_similarity", "best_nonmate")
LISTS = ("list_size", "list_end")


def assert_same(one: Searches, other: Searches) -> None:
    assert one.probe_ids.to_list() == other.probe_ids.to_list()
    for name in (*ARRAYS[1:], *LISTS):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in ("starts", "similarity", "subject"):
        np.testing.assert_array_equal(getattr(one.nonmates, name), getattr(other.nonmates, name), err_msg=name)


def test_a_world_becomes_arrays() -> None:
    s = searched(VECTORS)
    assert s.mate.tolist() == [0, 1, 1, -1, -1]
    assert s.mate_rank.tolist() == [1, 2, 2, 0, 0]
    assert s.mate_similarity[:3] == pytest.approx([0.9, 0.4, 0.6])
    assert np.isnan(s.mate_similarity[3:]).all()
    assert s.best_nonmate == pytest.approx([0.2, 0.5, 0.6, 0.7, 0.55])
    assert s.nonmates.starts.tolist() == [0, 2, 4, 6, 9, 12]
    assert s.nonmates.subject[6:9].tolist() == [1, 2, 0]
    assert s.nonmates.probe.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4]
    assert s.nonmates.count(0.3).tolist() == [0, 2, 1, 2, 1]
    assert (s.gallery.size, s.length, s.floor) == (3, 3, None)


@settings(EXAMPLES)
@given(worlds())
def test_the_order_of_rows_changes_nothing(world: World) -> None:
    tables = {"candidates": candidates(world), "truth": truth(world), "gallery": gallery(world)}
    shuffled = {name: table.sample(fraction=1.0, shuffle=True, seed=7) for name, table in tables.items()}
    one, other = collect(inputs(world)), collect(inputs(world, **shuffled))
    assert_same(one, other)
    assert one.person.tolist() == other.person.tolist()
    assert one.findings == other.findings


@settings(EXAMPLES)
@given(worlds())
def test_probes_chosen_by_mask_are_those_of_a_world_of_them(world: World) -> None:
    s = searched(world)
    chosen = np.arange(len(s.mated)) % 2 == 0
    part = s.select(chosen)
    few = truth(world).filter(pl.Series(chosen))
    listed = candidates(world).filter(pl.col("probe_id").is_in(few["probe_id"].implode()))
    assert_same(part, collect(inputs(world, truth=few, candidates=listed)))


def test_empty_and_failed_lists_have_ends_that_no_threshold_meets() -> None:
    s = searched(World([[0.5, 0.1], [0.1, 0.2], [0.3, 0.4]], [0, None, None], 2, floor=0.3, failed=frozenset({2})))
    assert s.list_size.tolist() == [1, 0, 0]
    assert s.list_end.tolist() == [0.5, np.inf, np.inf]
    assert s.best_nonmate.tolist() == [-np.inf] * 3
    assert s.failed.tolist() == [False, False, True]


def test_people_are_subjects_then_persons_then_probes() -> None:
    s = searched(
        World([[0.5, 0.1]] * 6, [0, 0, None, None, None, None], 2, persons=["x", None, "x", "x", "s0000", None])
    )
    same = s.person[:, None] == s.person[None]
    assert same.sum(axis=1).tolist() == [2, 2, 2, 2, 1, 1]
    assert same[0, 1]
    assert same[2, 3]
    assert sorted(set(s.person.tolist())) == list(range(4))


def test_group_labels_are_codes_by_variable() -> None:
    s = searched(
        World(
            [[0.5, 0.1]] * 3,
            [0, None, None],
            2,
            groups=[{"sex": "m", "age": "old"}, {"sex": "f"}, {}],
            gallery_groups=[{"sex": "f"}, {}],
        )
    )
    assert s.groups["sex"].names == ("f", "m")
    assert s.groups["sex"].codes.tolist() == [1, 0, -1]
    assert s.groups["age"].codes.tolist() == [0, -1, -1]
    assert s.gallery.groups["sex"].codes.tolist() == [0, -1]
    assert s.select(np.array([False, True, True])).groups["sex"].codes.tolist() == [0, -1]


def test_an_unlabelled_template_is_a_subject_and_never_a_mate() -> None:
    world = World([[0.9, 0.5]], [1], 2)
    found = candidates(world).with_columns(
        pl.when(pl.col("rank") == 1).then(None).otherwise("subject_id").alias("subject_id")
    )
    held = gallery(world).with_columns(template_id=pl.Series(["t0000", None]), subject_id=pl.Series([None, "s0001"]))
    s = collect(inputs(world, candidates=found, gallery=held))
    assert s.gallery.subject_ids.to_list() == ["s0001", None]
    assert s.nonmates.subject.tolist() == [1]
    assert s.mate_rank.tolist() == [2]
    assert [(finding.name, finding.rows) for finding in s.findings] == [("candidates.unlabelled", 1)]


def test_stored_tables_are_read_as_they_are() -> None:
    world = World([[0.5, 0.1], [0.2, 0.4]], [0, None], 2, groups=[{"sex": "m"}, {"sex": "f"}], quality=[50.0, 20.0])
    rows = truth(world).to_dicts()
    pairs = [[(pair["key"], pair["value"]) for pair in row["groups"]] for row in rows]
    written = pa.Table.from_pylist([row | {"groups": own} for row, own in zip(rows, pairs, strict=True)], schemas.TRUTH)
    stored = {
        "truth": write_table(written, kind="truth", model=None),
        "candidates": write_table(candidates(world).to_arrow().cast(schemas.CANDIDATES), kind="candidates", model="m"),
    }
    tables = {kind: lazy(read_table(data, kind=kind, origin=kind)) for kind, data in stored.items()}
    s = collect(Inputs(**tables, gallery=gallery(world).lazy(), length=2))
    assert_same(s, searched(world))
    assert s.groups["sex"].codes.tolist() == [1, 0]
    assert s.quality.tolist() == [50.0, 20.0]


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        ("candidates", lambda t: t.drop("similarity"), "candidates: has no column 'similarity'"),
        ("truth", lambda t: t.drop("subject_id"), "truth: has no column 'subject_id'"),
        ("gallery", lambda t: t.with_columns(subject_id=pl.lit(3)), "gallery: column 'subject_id' is Int32"),
        ("candidates", lambda t: t.with_columns(rank=pl.lit(1.5)), "candidates: column 'rank' is Float64"),
    ],
)
def test_tables_of_another_shape_are_refused(table: str, change, words: str) -> None:
    made = {"candidates": candidates, "truth": truth, "gallery": gallery}[table](VECTORS)
    with pytest.raises(StopError, match=words):
        collect(inputs(VECTORS, **{table: change(made)}))
