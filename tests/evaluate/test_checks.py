"""Checks: each fault has its name, its rows and its first ids; damage stops, peculiarities are carried on."""

import polars as pl
import pytest
from hypothesis import given, settings

from evaluate.small import EXAMPLES, VECTORS, searched, worlds
from facebatch.errors import CorruptError, StopError
from facebatch.evaluate.findings import Finding
from facebatch.evaluate.searches import collect
from labelled import World, candidates, gallery, inputs, truth


def refusal(error: type[Exception], world: World = VECTORS, **tables: pl.DataFrame) -> str:
    with pytest.raises(error) as refused:
        collect(inputs(world, **tables))
    assert type(refused.value) is error
    return str(refused.value)


def notes(world: World, **tables: pl.DataFrame) -> dict[str, Finding]:
    return {finding.name: finding for finding in collect(inputs(world, **tables)).findings}


def changed(rows: pl.Expr, **values: object) -> pl.DataFrame:
    """Candidates of the vectors with other values in some rows."""
    return candidates(VECTORS).with_columns(
        pl.when(rows).then(pl.lit(value)).otherwise(name).cast(candidates(VECTORS).schema[name]).alias(name)
        for name, value in values.items()
    )


SECOND_OF_P1 = (pl.col("probe_id") == "p0001") & (pl.col("rank") == 2)
DAMAGE = [
    ("candidates.not_a_number: 1 rows", changed(SECOND_OF_P1, similarity=float("nan"))),
    ("candidates.not_a_number: 1 rows", changed(SECOND_OF_P1, similarity=None)),
    ("candidates.out_of_order: 1 rows", changed(SECOND_OF_P1, similarity=0.9)),
    ("candidates.rank_gap: 1 rows", candidates(VECTORS).filter(~SECOND_OF_P1)),
    ("candidates.rank_gap: 1 rows", changed(SECOND_OF_P1, rank=1)),
    ("candidates.duplicate_subject: 1 rows", changed(SECOND_OF_P1, subject_id="s0002")),
]


@pytest.mark.parametrize(("words", "table"), DAMAGE)
def test_damaged_lists_are_refused_by_name_with_rows_and_probe(words: str, table: pl.DataFrame) -> None:
    message = refusal(CorruptError, candidates=table)
    assert words in message
    assert "(first: p0001)" in message


def test_all_faults_are_told_at_once() -> None:
    both = changed(SECOND_OF_P1, similarity=float("inf"), subject_id="s0002")
    assert len(refusal(CorruptError, candidates=both).splitlines()) == 3


def test_lists_longer_than_said_or_below_the_floor_are_refused() -> None:
    table = candidates(VECTORS)
    short = World(VECTORS.scores, VECTORS.mates, 2)
    assert "candidates.too_long: 5 rows lie beyond the list length 2" in refusal(CorruptError, short, candidates=table)
    cut = World(VECTORS.scores, VECTORS.mates, 3, floor=0.15)
    assert "candidates.below_floor: 3 rows" in refusal(CorruptError, cut, candidates=table)


@pytest.mark.parametrize("table", ["truth", "gallery"])
def test_an_id_twice_is_refused(table: str) -> None:
    made = {"truth": truth, "gallery": gallery}[table](VECTORS)
    message = refusal(CorruptError, **{table: pl.concat([made, made.head(1)])})
    assert f"{table}.duplicate_{'probe' if table == 'truth' else 'subject'}: 2 rows" in message
    assert "0000)" in message


def test_a_template_without_subject_needs_an_id_of_its_own() -> None:
    held = pl.DataFrame({"subject_id": [None, None, "s0000"], "template_id": ["t", "t", None]})
    assert "gallery.duplicate_template: 2 rows" in refusal(CorruptError, gallery=held)


def test_lists_of_another_gallery_are_refused() -> None:
    message = refusal(StopError, gallery=gallery(VECTORS).tail(2))
    assert "candidates.outside_gallery: 5 rows" in message
    lost = gallery(VECTORS).with_columns(enrolled=pl.Series([True, False, True]))
    assert "candidates.not_enrolled: 5 rows" in refusal(StopError, gallery=lost)


def test_a_probe_without_list_or_failure_is_refused_and_with_a_floor_told() -> None:
    table = candidates(VECTORS).filter(pl.col("probe_id") != "p0003")
    assert "truth.without_candidates: 1 probes" in refusal(StopError, candidates=table)
    cut = World([[0.5, 0.4], [0.1, 0.2]], [0, None], 2, floor=0.3)
    assert notes(cut)["truth.without_candidates"].examples == ("p0001",)


def test_a_failed_probe_with_candidates_is_a_contradiction() -> None:
    failed = World(VECTORS.scores, VECTORS.mates, 3, failed=frozenset({2}))
    assert "failed.with_candidates: 1 probes" in refusal(StopError, failed, candidates=candidates(VECTORS))


def test_what_has_no_truth_is_left_out_and_counted() -> None:
    world = World(VECTORS.scores, VECTORS.mates, 3, failed=frozenset({1}))
    found = notes(world, truth=truth(world).filter(~pl.col("probe_id").is_in(["p0001", "p0003"])))
    assert found["candidates.without_truth"].rows == 1
    assert "3 candidates" in found["candidates.without_truth"].words
    assert found["failed.without_truth"].examples == ("p0001",)


def test_a_subject_that_the_gallery_lacks_is_counted_and_its_searches_are_misses() -> None:
    world = World([[0.5, 0.4]] * 3, [0, 7, 7], 2)
    finding = notes(world)["truth.subject_not_in_gallery"]
    assert (finding.rows, finding.examples) == (2, ("s0007",))
    s = searched(world)
    assert s.mated.all()
    assert s.mate_enrolled.tolist() == [True, False, False]


def test_short_lists_are_told() -> None:
    table = candidates(VECTORS).filter((pl.col("probe_id") != "p0004") | (pl.col("rank") < 3))
    finding = notes(VECTORS, candidates=table)["lists.short"]
    assert (finding.rows, finding.examples) == (1, ("p0004",))
    assert "mates may be missing" in finding.words
    assert "lists.short" not in notes(VECTORS), "three candidates are all that a gallery of three can give"


def test_groups_of_one_person_are_told_and_counted_by_person() -> None:
    groups = [{"sex": "f"}, {"sex": "f", "tone": "5"}, {"sex": "f"}, {"sex": "m"}, {"sex": "m"}]
    found = notes(World(VECTORS.scores, [0, 1, 1, None, None], 3, groups=groups))
    assert found["truth.group_of_one"].examples == ("tone=5",)
    same = notes(World(VECTORS.scores, [0, 1, 1, None, None], 3, groups=groups, persons=[None] * 3 + ["x"] * 2))
    assert same["truth.group_of_one"].examples == ("sex=m", "tone=5")


@settings(EXAMPLES)
@given(worlds())
def test_a_sound_world_has_no_finding_but_those_it_is_built_with(world: World) -> None:
    expected = {"truth.subject_not_in_gallery"} if any(m == world.subjects for m in world.mates) else set()
    if world.floor is not None:
        expected |= {"lists.short", "truth.without_candidates"}
    assert set(notes(world)) <= expected
    assert ("truth.subject_not_in_gallery" in notes(world)) == ("truth.subject_not_in_gallery" in expected)
