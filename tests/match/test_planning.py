"""The cut of a bulk match: everything compared once, cells of seconds, lists within memory, no word of the machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.match import planning
from facebatch.match.planning import Schedule, Shape, probe_block, schedule

SHAPES = st.builds(
    Shape,
    probes=st.integers(0, 3_000_000),
    segments=st.lists(st.integers(0, 5_000_000), max_size=40).map(tuple),
    dim=st.integers(1, 2_048),
    length=st.integers(1, 10_000),
)
MILLION = 1_000_000


def planned(probes: int, segments: tuple[int, ...], dim: int = 512, length: int = 50) -> Schedule:
    shape = Shape(probes, segments, dim, length)
    return schedule(shape, probe_block(shape))


@given(SHAPES)
def test_a_block_is_whole_groups_within_the_bounds(shape: Shape) -> None:
    block = probe_block(shape)
    assert block % planning.GROUP == 0
    assert planning.GROUP <= block <= planning.MOST_PROBES
    assert block - planning.GROUP < max(shape.probes, 1)


@given(SHAPES)
def test_the_candidates_of_a_block_fit_into_the_memory_set_aside(shape: Shape) -> None:
    block = probe_block(shape)
    if block > planning.GROUP:
        assert shape.listed(block) * planning.CANDIDATE_BYTES <= planning.LISTED_BYTES
        assert shape.merged(block) * planning.MERGED_CANDIDATE_BYTES <= planning.MERGED_BYTES


@given(SHAPES, st.integers(500, 5_000))
def test_every_cell_is_in_one_stretch_whatever_the_block(shape: Shape, block: int) -> None:
    plan = schedule(shape, block)
    assert plan.blocks == -(-shape.probes // block)
    assert sum(plan.stretches) == plan.cells == plan.blocks * len(shape.segments)
    assert all(cells > 0 for cells in plan.stretches)


@given(SHAPES, st.integers(1, 64))
def test_more_workers_open_no_fewer_segments_and_each_is_opened(shape: Shape, workers: int) -> None:
    plan = schedule(shape, probe_block(shape))
    few, many = plan.opened(workers), plan.opened(workers + 1)
    assert len(few) == len(shape.segments)
    assert all(1 <= a <= b <= a + 1 for a, b in zip(few, many, strict=True)) or plan.cells == 0
    assert sum(plan.opened(1)) == (len(shape.segments) if plan.cells else 0)


@pytest.mark.parametrize(
    ("probes", "segments"),
    [
        (10_000, (MILLION,)),
        (10_000, (MILLION // 2, MILLION // 2)),
        (100_000, (MILLION,) * 10),
        (MILLION, (MILLION,) * 100),
        (MILLION, (MILLION,)),
        (5_000, (10 * MILLION,)),
    ],
)
def test_a_cell_lasts_seconds(probes: int, segments: tuple[int, ...]) -> None:
    plan = planned(probes, segments)
    work = plan.block * plan.shape.largest * plan.shape.dim
    assert planning.LEAST_WORK / 1.6 <= work <= planning.MOST_WORK  # less only where the merge would not fit


def test_a_large_search_has_larger_cells_and_a_small_one_enough_of_them() -> None:
    assert planned(10_000, (MILLION,)).cells == 10
    assert planned(100_000, (MILLION,) * 10).cells > 256
    assert planned(100_000, (MILLION,) * 10).block > planned(10_000, (MILLION,)).block


def test_long_lists_make_blocks_small() -> None:
    assert planned(100_000, (MILLION,), length=10_000).block == 348
    assert planned(100_000, (MILLION,) * 100, length=10_000).block == planning.GROUP


def test_few_probes_are_one_block() -> None:
    plan = planned(7, (MILLION, 3))
    assert (plan.block, plan.blocks, plan.cells) == (12, 1, 2)
    assert planned(1_020, (100_000,)).blocks == 1


def test_blocks_are_about_equal() -> None:
    """A last block of a few probes would cost as much time as one of some hundred."""
    for probes in (1_021, 4_100, 8_161, 99_999):
        plan = planned(probes, (200_000, 200_000))
        last = probes - (plan.blocks - 1) * plan.block
        assert last > plan.block - planning.GROUP * plan.blocks


def test_a_stretch_is_worth_opening_its_segment_and_not_too_long() -> None:
    plan = planned(100_000, (MILLION,) * 10)
    assert planning.STRETCHES / 1.2 <= len(plan.stretches) <= 2 * planning.STRETCHES
    assert min(plan.stretches) * plan.block > 0.9 * planning.STRETCH_PROBES  # a stretch is whole blocks
    large = planned(MILLION, (MILLION,) * 100)
    work = max(large.stretches) * large.block * MILLION * 512
    assert planning.STRETCH_WORK / 2 < work <= 1.05 * planning.STRETCH_WORK


def test_workers_share_a_lone_segment_cell_by_cell() -> None:
    assert set(planned(10_000, (MILLION,)).stretches) == {1}


def test_probes_too_few_to_open_a_segment_twice_leave_it_to_one_worker() -> None:
    plan = planned(3_000, (MILLION,) * 4)
    assert plan.blocks > 1
    assert plan.stretches == (plan.blocks,) * 4


def test_tiny_segments_are_joined_but_not_without_end() -> None:
    plan = planned(2_000, (MILLION, *(2_000,) * 100, 0, 0))
    assert plan.blocks == 3
    assert plan.stretches == (3, *(30,) * 10, 6)
    larger = planned(2_000, (MILLION, *(50_000,) * 30))
    joined = max(larger.stretches[1:])
    assert 1 < joined // larger.blocks <= planning.LEAST_WORK / (2_000 * 50_000 * 512)


def test_nothing_to_compare_is_nothing_to_do() -> None:
    assert planned(0, (MILLION,)).stretches == ()
    assert planned(100, ()).stretches == ()
    assert planned(100, (0,)).cells == 1
