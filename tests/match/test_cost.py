"""The arithmetic of an estimate: what is twice as much costs twice as much, and no figure contradicts another."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.match import planning
from facebatch.match.cost import WORK_PER_SECOND, Cluster, Estimate, estimate
from facebatch.match.memory import cell_memory
from facebatch.match.planning import MERGED_AT_ONCE, Shape, probe_block, schedule
from facebatch.match.traffic import PROBE_BLOCK, SEARCH, WORKER, Requests, segment_bytes, traffic

MILLION = 1_000_000
EIGHT = Cluster(
    cores=8,
    cores_per_machine=4,
    processes_per_machine=4,
    work_per_second=WORK_PER_SECOND["integer"],
    bandwidth=300e6,
    request_seconds=0.03,
    start_seconds=8,
)
SHAPES = st.builds(
    Shape,
    probes=st.integers(1, 2 * MILLION),
    segments=st.lists(st.integers(1, 2 * MILLION), min_size=1, max_size=30).map(tuple),
    dim=st.sampled_from([128, 256, 512]),
    length=st.integers(1, 1_000),
)


def estimated(shape: Shape, cluster: Cluster = EIGHT, block: int | None = None) -> Estimate:
    plan = schedule(shape, block or probe_block(shape))
    memory = cell_memory(shape, plan.block, "integer")
    return estimate(plan, memory, cluster, traffic(plan, cluster.cores, cluster.machines, probe_shards=3))


@given(SHAPES)
def test_twice_the_probes_are_twice_the_comparisons_in_the_time_of_two(shape: Shape) -> None:
    once, twice = estimated(shape), estimated(replace(shape, probes=2 * shape.probes))
    assert twice.comparisons == 2 * once.comparisons == 2 * shape.probes * sum(shape.segments)
    assert twice.effort.scan == pytest.approx(2 * once.effort.scan)
    assert twice.candidates == 2 * once.candidates


@given(SHAPES)
def test_cells_are_blocks_times_segments_and_the_blocks_hold_the_probes(shape: Shape) -> None:
    found = estimated(shape)
    assert found.cells == found.probe_blocks * found.segments == found.probe_blocks * len(shape.segments)
    assert (found.probe_blocks - 1) * found.probe_block < shape.probes <= found.probe_blocks * found.probe_block


@given(SHAPES, st.integers(1, 500))
def test_more_cores_do_the_same_scan_in_no_less_than_their_share_of_the_time(shape: Shape, cores: int) -> None:
    found = estimated(shape, replace(EIGHT, cores=cores))
    assert found.effort.scan == estimated(shape).effort.scan
    shared = found.effort.workers / cores + found.effort.merge / max(1, found.effort.mergers)
    assert found.seconds >= (EIGHT.start_seconds + shared) * (1 - 1e-12)
    assert found.effort.mergers <= min(cores, found.probe_blocks)


@given(SHAPES)
def test_core_hours_are_the_sum_of_the_effort(shape: Shape) -> None:
    found = estimated(shape)
    effort = found.effort
    parts = effort.scan + effort.lists + effort.verify + effort.wait + effort.merge
    assert found.core_hours == pytest.approx(parts / 3600)
    assert min(effort.scan, effort.lists, effort.verify, effort.wait, effort.merge) > 0


@given(SHAPES)
def test_what_is_read_is_each_segment_at_least_once_and_at_most_once_a_machine(shape: Shape) -> None:
    found = estimated(shape).traffic
    once = sum(segment_bytes(rows, shape.dim).total for rows in shape.segments)
    assert once <= found.segments_read <= once * EIGHT.machines
    assert len(shape.segments) <= found.fetched <= found.opened <= len(shape.segments) * EIGHT.cores
    assert found.segments_read_per_machine * EIGHT.machines <= found.segments_read


@given(SHAPES, st.integers(12, 4_080))
def test_every_cell_and_block_makes_its_requests(shape: Shape, block: int) -> None:
    found = estimated(shape, block=block)
    requests = found.traffic.requests
    assert requests.put == SEARCH.put + PROBE_BLOCK.put * found.probe_blocks + 2 * found.cells
    assert requests.get > 3 * found.cells + 8 * found.traffic.fetched
    assert (requests.list, requests.delete) == (SEARCH.list + WORKER.list * EIGHT.cores, SEARCH.delete)


def test_larger_pieces_are_fewer_requests() -> None:
    plan = schedule(Shape(100, (MILLION,), 512, 50), 108)
    small, large = (traffic(plan, 1, 1, 1, piece).requests.get for piece in (8 << 20, 64 << 20))
    codes, vectors, ids = 512_750_000, 1_024_000_000, 32_500_000
    assert small - large == sum(-(-size // (8 << 20)) - -(-size // (64 << 20)) for size in (codes, vectors, ids, ids))


def test_requests_add_up() -> None:
    assert Requests(1, 2, 3, 4).plus(Requests(10, 20, 30, 40), 2) == Requests(21, 42, 63, 84)


def test_no_cluster_is_faster_than_its_longest_stretch() -> None:
    shape = Shape(1_000, (MILLION, MILLION), 512, 50)
    few, many = (estimated(shape, replace(EIGHT, cores=cores, bandwidth=float("inf"))) for cores in (2, 200))
    assert many.seconds == pytest.approx(few.seconds, rel=0.01)


def test_a_gallery_on_the_own_disk_is_not_waited_for() -> None:
    shape = Shape(10_000, (MILLION,), 512, 50)
    local = replace(EIGHT, bandwidth=float("inf"), request_seconds=0)
    assert estimated(shape, local).effort.wait == 0
    assert estimated(shape).effort.wait > 5


def test_the_memory_of_the_merge_is_that_of_the_blocks_the_driver_has_in_hand() -> None:
    two = estimated(Shape(10_000, (MILLION, MILLION), 512, 50), block=1_008)
    one = estimated(Shape(1_008, (MILLION, MILLION), 512, 50), block=1_008)
    assert two.merge_memory == MERGED_AT_ONCE * one.merge_memory


def test_a_large_merge_is_shared_by_the_workers_each_with_a_block_in_memory() -> None:
    small, large = (Shape(probes, (MILLION,) * 20, 512, 50) for probes in (4_000, 400_000))
    alone, shared = (estimated(shape, replace(EIGHT, cores=64), block=1_008) for shape in (small, large))
    assert (alone.effort.mergers, shared.effort.mergers) == (0, 64)
    assert alone.candidates <= planning.MERGED_BY_DRIVER < shared.candidates
    assert alone.merge_memory == 2 * shared.merge_memory
    slower = estimated(large, replace(EIGHT, cores=8), block=1_008)
    assert slower.effort.merge == shared.effort.merge
    assert slower.seconds - shared.seconds > slower.effort.merge * (1 / 8 - 1 / 64)


def test_nothing_to_compare_costs_the_start_and_the_certificate() -> None:
    found = estimated(Shape(0, (MILLION,), 512, 50))
    assert (found.cells, found.comparisons, found.traffic.opened) == (0, 0, 0)
    assert found.traffic.requests.put == SEARCH.put
