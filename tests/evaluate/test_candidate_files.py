"""Files of candidate lists: what is read from them, and what is refused by name of the file with its rows."""

from collections.abc import Mapping

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from evaluate.small import EXAMPLES, VECTORS, searched, worlds
from evaluate.test_searches import assert_same
from facebatch import schemas
from facebatch.errors import CorruptError, StopError
from facebatch.evaluate.candidate_files import CandidateFile, join_files, read_candidate_file
from facebatch.evaluate.searches import collect
from facebatch.storage.parquet import write_table
from labelled import World, candidates, inputs

ORIGIN = "s3://lists/part-0.parquet"
LISTS = candidates(VECTORS)
NAMED = {"facebatch.model": "f" * 64, "facebatch.snapshot_sha256": "a" * 64}


def parquet(table: pl.DataFrame | pa.Table, facts: Mapping[str, str] | None = None) -> bytes:
    arrow = table if isinstance(table, pa.Table) else table.to_arrow()
    sink = pa.BufferOutputStream()
    pq.write_table(arrow.replace_schema_metadata(facts), sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def read(table: pl.DataFrame | pa.Table, facts: Mapping[str, str] | None = None, origin: str = ORIGIN) -> CandidateFile:
    return read_candidate_file(parquet(table, facts), origin)


@given(worlds())
@EXAMPLES
def test_lists_from_a_file_are_the_lists(world: World) -> None:
    file = read(candidates(world).sample(fraction=1.0, shuffle=True, seed=3))
    assert_same(collect(inputs(world, candidates=file.rows)), searched(world))


def test_a_stored_part_of_a_search_names_model_and_snapshot() -> None:
    stored = write_table(LISTS.to_arrow().cast(schemas.CANDIDATES), kind="candidates", model="f" * 64)
    file = read_candidate_file(stored, ORIGIN)
    assert (file.snapshot, file.model, file.snapshot_sha256) == (1, "f" * 64, None)
    assert file.rows.equals(LISTS.drop("snapshot"))
    assert read(LISTS, NAMED).snapshot_sha256 == "a" * 64


def test_the_least_that_a_file_may_hold_says_nothing_of_its_origin() -> None:
    for column in ("subject_id", "template_id"):
        file = read(LISTS.select("probe_id", "rank", column, pl.col("similarity").cast(pl.Float64), pl.lit("x")))
        assert file.rows[column].equals(LISTS[column])
        assert file.rows.columns == ["probe_id", "rank", "subject_id", "template_id", "similarity"]
        assert (file.snapshot, file.model, file.snapshot_sha256) == (None, None, None)


def test_texts_may_be_dictionaries_and_ranks_any_integers() -> None:
    file = read(
        LISTS.with_columns(pl.col("probe_id", "subject_id").cast(pl.Categorical), pl.col("rank").cast(pl.UInt8))
    )
    assert file.rows.equals(LISTS.drop("snapshot"))


def test_a_similarity_may_leave_its_range_by_the_rounding_of_templates_and_no_more() -> None:
    assert read(LISTS.with_columns(similarity=pl.lit(1.004, pl.Float32))).rows["similarity"].max() == pytest.approx(
        1.004
    )
    scaled = LISTS.with_columns(pl.col("similarity") * 100)
    with pytest.raises(CorruptError, match=rf"^{ORIGIN}: 15 rows have a similarity outside -1 to 1 \(first: p0000\)"):
        read(scaled)


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        (
            LISTS.drop("similarity", "rank"),
            StopError,
            "has no column rank, similarity; its columns are probe_id, subject",
        ),
        (LISTS.drop("subject_id", "template_id"), StopError, "has no column subject_id or template_id; "),
        (LISTS.with_columns(probe_id=pl.lit(7)), StopError, "column 'probe_id' is Int32, expected String"),
        (LISTS.with_columns(rank=pl.lit(1.5)), StopError, "column 'rank' is Float64, expected Int32"),
        (LISTS.with_columns(snapshot=pl.lit("one")), StopError, "column 'snapshot' is .*string.*, expected the number"),
        (LISTS.with_columns(rank=pl.lit(2**40)), CorruptError, "not an intact Parquet file of candidates"),
        (
            LISTS.with_columns(rank=pl.when(pl.col("rank") < 3).then("rank")),
            CorruptError,
            "column 'rank' has 5 empty values; none are allowed",
        ),
        (
            LISTS.with_columns(probe_id=pl.when(pl.col("probe_id") != "p0001").then("probe_id")),
            CorruptError,
            "column 'probe_id' has 3 empty values; none are allowed",
        ),
    ],
)
def test_what_is_no_file_of_candidates_is_refused_by_name(
    table: pl.DataFrame, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=f"^{ORIGIN}: {words}") as refused:
        read(table)
    assert type(refused.value) is error


def test_a_column_twice_and_damaged_bytes_are_refused_by_name() -> None:
    arrow = LISTS.to_arrow()
    with pytest.raises(StopError, match=f"^{ORIGIN}: has several columns rank; keep one"):
        read(arrow.append_column("rank", arrow["rank"]))
    for damaged in (b"", b"PAR1", parquet(LISTS)[:-9]):
        with pytest.raises(CorruptError, match=f"^{ORIGIN}: not an intact Parquet file of candidates"):
            read_candidate_file(damaged, ORIGIN)


def test_parts_are_one_table_whatever_they_hold() -> None:
    parts = [read(LISTS.head(6), NAMED, "a"), read(LISTS.head(0), NAMED, "b"), read(LISTS.tail(9), NAMED, "c")]
    whole = join_files(parts, "s3://lists")
    assert whole.rows.equals(read(LISTS).rows)
    assert (whole.origin, whole.snapshot, whole.model) == ("s3://lists", 1, "f" * 64)
    assert join_files(parts[1:2], "b").snapshot is None


def test_parts_of_different_searches_are_not_one() -> None:
    two = LISTS.head(6).with_columns(snapshot=pl.lit(4, pl.Int64))
    mixed = join_files([read(two), read(LISTS.head(3)), read(LISTS.tail(2).drop("snapshot"))], "s3://lists")
    with pytest.raises(StopError, match=r"^s3://lists: rows are of several snapshots \(3 of 1, 6 of 4, 2 of none\)"):
        _ = mixed.snapshot
    for name in NAMED:
        other = NAMED | {name: "b" * 64}
        with pytest.raises(StopError, match=f"^s3://lists: the metadata {name} of a and c differ, .* and b+; give"):
            join_files([read(LISTS, NAMED, "a"), read(LISTS, other, "c")], "s3://lists")
        with pytest.raises(StopError, match=r"differ, .* and None; give the lists of one search"):
            join_files([read(LISTS, NAMED, "a"), read(LISTS, None, "c")], "s3://lists")
