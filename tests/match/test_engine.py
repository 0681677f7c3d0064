"""The scan by codes equals the scan by definition, bit for bit, on every path this machine has."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.errors import CorruptError
from facebatch.match.codes import from_buffer, to_bytes
from facebatch.match.engine import prepare, scan_codes
from facebatch.match.guess import LEAST_TILES, SHARE, guess_rank
from facebatch.match.kernel_paths import KernelPath, available_paths
from facebatch.match.quantise import pack
from facebatch.match.scan import NO_LIMITS, Gallery, Hits, Limits, scan
from facebatch.match.settings import MatchSpec
from facebatch.match.similarity import similarities
from synthetic import unit


def by_codes(
    probes: np.ndarray, gallery: Gallery, spec: MatchSpec, path: KernelPath, limits: Limits = NO_LIMITS
) -> Hits:
    return scan_codes(probes, prepare(gallery, pack(gallery.vectors), path), spec, limits)


PATHS = pytest.mark.parametrize("path", available_paths())


def brute_force(probes: np.ndarray, gallery: Gallery, spec: MatchSpec, live: np.ndarray) -> list[tuple]:
    """(probe, row, similarity) by the definition, in plain Python."""
    subject = np.searchsorted(gallery.starts, np.arange(len(gallery.vectors)), side="right")
    out = []
    for probe in range(len(probes)):
        rows = np.flatnonzero(live)
        scores = similarities(probes, gallery.vectors, np.stack([np.full(len(rows), probe), rows], axis=1))
        seen: set[int] = set()
        for negative, _, row in sorted(zip(-scores, gallery.template_rank[rows], rows, strict=True)):
            if subject[row] in seen or -negative < np.float32(spec.lowest) or len(seen) == spec.length:
                continue
            seen.add(subject[row])
            out.append((probe, row, -negative))
    return out


def listed(hits: Hits) -> list[tuple]:
    assert (hits.probe.dtype, hits.row.dtype, hits.similarity.dtype) == (np.int64, np.int64, np.float32)
    return list(zip(hits.probe, hits.row, hits.similarity, strict=True))


def grouped(vectors: np.ndarray, sizes: list[int], seed: int = 0) -> Gallery:
    """A gallery whose subjects have these numbers of rows in turn, over and over."""
    rows = len(vectors)
    starts = np.concatenate([[0], np.cumsum(np.resize(sizes, max(rows, 1)))])
    rank = np.random.default_rng(seed).permutation(rows)
    return Gallery(vectors, starts[starts < rows].astype(np.int64), rank.astype(np.int64))


def kinds(dim: int, rows: int) -> dict[str, np.ndarray]:
    """Adversarial galleries by name."""
    rng = np.random.default_rng(rows * 1000 + dim)
    dense = rng.standard_normal((rows, dim))
    hot = np.eye(dim)[rng.integers(0, dim, rows)]
    outlying = np.where(np.arange(rows)[:, None] % 97 == 5, hot, dense)
    return {
        "dense": unit(dense),
        "sparse": unit(dense * (rng.random((rows, dim)) < 0.05) + np.eye(1, dim)),
        "one-hot": unit(hot * rng.choice([-1, 1], (rows, 1))),
        "constant": unit(np.ones((rows, dim))),
        "duplicates": unit(dense[rng.integers(0, max(1, rows // 10), rows)]),
        "near-duplicates": unit(dense[:1] + 1e-3 * dense),
        "negative": unit(-np.abs(dense) - 0.1),
        "outlying": unit(outlying),
        "subnormal": unit(hot + 3e-6 * dense),
    }


def probes_for(vectors: np.ndarray, dim: int) -> np.ndarray:
    rng = np.random.default_rng(dim)
    return np.concatenate([vectors[:5], unit(np.ones((1, dim))), unit(rng.standard_normal((8, dim)))])


SPECS = [MatchSpec(length=1), MatchSpec(length=7), MatchSpec(length=7, floor=0.0), MatchSpec(length=10_000, floor=-1)]


@PATHS
@pytest.mark.parametrize("kind", list(kinds(3, 1)))
@pytest.mark.parametrize(("dim", "rows"), [(1, 33), (3, 1), (4, 31), (5, 32), (128, 300), (511, 65), (512, 200)])
def test_every_path_equals_the_definition(path: KernelPath, kind: str, dim: int, rows: int) -> None:
    vectors = kinds(dim, rows)[kind]
    gallery = grouped(vectors, [1, 3, 40, 2])
    probes = probes_for(vectors, dim)
    for spec in SPECS:
        wanted = brute_force(probes, gallery, spec, np.ones(rows, bool))
        assert listed(by_codes(probes, gallery, spec, path)) == wanted


@PATHS
@pytest.mark.parametrize("kind", list(kinds(3, 1)))
@pytest.mark.parametrize("dim", [5, 256])
def test_a_thousand_rows_give_what_the_scan_gives(path: KernelPath, kind: str, dim: int) -> None:
    vectors = kinds(dim, 1000)[kind]
    gallery = grouped(vectors, [3])
    probes = probes_for(vectors, dim)
    for spec in [*SPECS, MatchSpec(length=50), MatchSpec(length=50, floor=0.5)]:
        found, wanted = by_codes(probes, gallery, spec, path), scan(probes, gallery, spec)
        for field in fields(Hits):
            assert np.array_equal(getattr(found, field.name), getattr(wanted, field.name))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    dim=st.integers(1, 40),
    rows=st.integers(1, 150),
    probes=st.integers(1, 30),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    length=st.sampled_from([1, 2, 5, 40]),
    floor=st.sampled_from([None, -0.5, 0.0, 0.7]),
    dead=st.sampled_from([0.0, 0.3, 0.95]),
)
def test_any_gallery_with_any_dead_rows_gives_the_definition(
    seed: int,
    dim: int,
    rows: int,
    probes: int,
    sizes: list[int],
    length: int,
    floor: float | None,
    dead: float,
) -> None:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((6, dim))
    noise = rng.choice([0.0, 1e-4, 0.5], (rows, 1)) * rng.standard_normal((rows, dim))
    vectors = unit(centres[rng.integers(0, 6, rows)] + noise)
    gallery, spec = grouped(vectors, sizes, seed), MatchSpec(length=length, floor=floor)
    queries = np.concatenate([vectors[:2], -vectors[:1], unit(rng.standard_normal((probes, dim)))])
    live = rng.random(rows) >= dead
    wanted = brute_force(queries, gallery, spec, live)
    for path in available_paths():
        assert listed(by_codes(queries, replace(gallery, live=live), spec, path)) == wanted
    assert listed(scan(queries, replace(gallery, live=live), spec)) == wanted


@PATHS
def test_the_first_cut_from_a_sample_loses_nothing(path: KernelPath) -> None:
    rng = np.random.default_rng(8)
    vectors = unit(rng.standard_normal((36_000, 8)))
    gallery, probes = grouped(vectors, [1]), unit(rng.standard_normal((40, 8)))
    live = rng.random(len(vectors)) < 0.5
    spec = MatchSpec(length=10)
    standing = Gallery(vectors[live], np.arange(live.sum()), gallery.template_rank[live])
    wanted = scan(probes, standing, spec)
    found = by_codes(probes, replace(gallery, live=live), spec, path)
    assert np.array_equal(found.row, np.flatnonzero(live)[wanted.row])
    assert np.array_equal(found.similarity, wanted.similarity)


@PATHS
def test_more_probes_than_a_block_and_full_lists_grow_the_pool(path: KernelPath) -> None:
    rng = np.random.default_rng(9)
    vectors, probes = unit(rng.standard_normal((700, 512))), unit(rng.standard_normal((1500, 512)))
    gallery, spec = grouped(vectors, [1, 2]), MatchSpec(length=300)
    found, wanted = by_codes(probes, gallery, spec, path), scan(probes, gallery, spec)
    assert len(found.row) == 1500 * 300
    assert np.array_equal(found.row, wanted.row)
    assert np.array_equal(found.similarity, wanted.similarity)


@PATHS
def test_many_templates_of_one_subject_do_not_push_others_out(path: KernelPath) -> None:
    rng = np.random.default_rng(3)
    probe = unit(rng.standard_normal((1, 32)))
    crowd = unit(probe.astype(float) + 0.01 * rng.standard_normal((500, 32)))
    vectors = np.concatenate([crowd, unit(rng.standard_normal((9, 32)))])
    gallery = Gallery(vectors, np.concatenate([[0], np.arange(500, 509)]), np.arange(509))
    found = by_codes(probe, gallery, MatchSpec(length=10), path)
    assert sorted(found.row[1:]) == list(range(500, 509))


@PATHS
def test_equal_scores_at_the_end_of_the_list_go_by_template_id(path: KernelPath) -> None:
    vectors = unit(np.ones((400, 8)))
    gallery = grouped(vectors, [1], seed=5)
    found = by_codes(vectors[:1], gallery, MatchSpec(length=5), path)
    assert np.array_equal(gallery.template_rank[found.row], np.arange(5))


@PATHS
def test_a_score_equal_to_the_floor_is_listed(path: KernelPath) -> None:
    vectors = unit(np.eye(4))
    gallery = grouped(vectors, [1])
    found = by_codes(vectors[:1], gallery, MatchSpec(length=4, floor=1.0), path)
    assert listed(found) == [(0, 0, np.float32(1))]
    assert len(by_codes(vectors[:1], gallery, MatchSpec(length=4, floor=0.0), path).row) == 4


@PATHS
def test_nothing_to_compare_gives_an_empty_list(path: KernelPath) -> None:
    vectors = unit(np.eye(4))
    gallery, none = grouped(vectors, [1]), grouped(vectors[:0], [1])
    assert len(by_codes(vectors[:0], gallery, MatchSpec(), path).row) == 0
    assert len(by_codes(vectors, none, MatchSpec(), path).row) == 0
    assert len(by_codes(vectors, replace(gallery, live=np.zeros(4, bool)), MatchSpec(), path).row) == 0


@PATHS
def test_mapped_files_give_the_same(path: KernelPath, tmp_path) -> None:
    vectors = unit(np.random.default_rng(2).standard_normal((100, 24)))
    vectors.tofile(tmp_path / "vectors")
    (tmp_path / "codes").write_bytes(to_bytes(pack(vectors)))
    mapped = np.memmap(tmp_path / "vectors", dtype="<f2", mode="r", shape=(100, 24))
    codes = from_buffer(np.memmap(tmp_path / "codes", mode="r"), "codes")
    gallery = grouped(vectors, [2])
    assert codes is not None
    segment = prepare(Gallery(mapped, gallery.starts, gallery.template_rank), codes, path)
    found = scan_codes(vectors[:9], segment, MatchSpec())
    assert listed(found) == listed(scan(vectors[:9], gallery, MatchSpec()))


def test_codes_probes_and_masks_of_another_shape_are_refused() -> None:
    vectors = unit(np.eye(4))
    gallery = grouped(vectors, [1])
    with pytest.raises(CorruptError, match=r"codes of 3 x 4 .* do not belong to vectors of 4 x 4"):
        prepare(gallery, pack(vectors[:3]), KernelPath.PORTABLE)
    with pytest.raises(CorruptError, match="mask of 5 rows"):
        prepare(replace(gallery, live=np.ones(5, bool)), pack(vectors), KernelPath.PORTABLE)
    with pytest.raises(CorruptError, match="probes of 3 dimensions"):
        by_codes(vectors[:, :3], gallery, MatchSpec(), KernelPath.PORTABLE)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 150),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    length=st.sampled_from([1, 3, 40]),
    floor=st.sampled_from([None, 0.1]),
)
def test_what_is_known_beforehand_limits_the_lists_on_every_path(
    seed: int, rows: int, sizes: list[int], length: int, floor: float | None
) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(rng.standard_normal((rows, 6)))
    gallery, spec = grouped(vectors, sizes, seed), MatchSpec(length=length, floor=floor)
    probes = np.concatenate([vectors[:3], unit(rng.standard_normal((5, 6)))])
    borders = np.append(gallery.starts, rows)
    limits = Limits(
        cut=rng.choice(np.array([-np.inf, -0.2, 0.4], np.float32), len(probes)),
        first=borders[rng.integers(0, len(borders), len(probes))],
    )
    wanted = []
    for probe in range(len(probes)):
        behind = np.arange(rows) >= limits.first[probe]
        listed_all = brute_force(probes[probe : probe + 1], gallery, spec, behind)
        wanted += [(probe, row, score) for _, row, score in listed_all if score >= limits.cut[probe]]
    assert listed(scan(probes, gallery, spec, limits)) == wanted
    for path in available_paths():
        assert listed(by_codes(probes, gallery, spec, path, limits)) == wanted


@PATHS
def test_a_gallery_in_an_order_that_misleads_the_sample_is_scanned_again(path: KernelPath) -> None:
    rng = np.random.default_rng(1)
    rows = 32 * SHARE * (LEAST_TILES + 1)
    vectors, probe = unit(rng.standard_normal((rows, 8))), unit(np.ones((1, 8)))
    sampled = np.arange(rows) // 32 % SHARE == 0
    vectors[sampled] = unit(np.ones((1, 8)) + 0.05 * rng.standard_normal((sampled.sum(), 8)))
    vectors[np.flatnonzero(sampled)[guess_rank(10) + 1 :]] = -vectors[0]
    gallery, spec = grouped(vectors, [1]), MatchSpec(length=10)
    probes = np.concatenate([probe, vectors[-3:]])
    assert listed(by_codes(probes, gallery, spec, path)) == listed(scan(probes, gallery, spec))


def test_a_guess_is_missed_about_once_in_ten_thousand() -> None:
    assert guess_rank(1) == 1
    for length in (10, 50, 1000):
        rank = guess_rank(length)
        drawn = np.random.default_rng(length).binomial(length, 1 / SHARE, 400_000)
        assert np.mean(drawn >= rank) < 1.3e-4
        assert np.mean(drawn >= rank - 1) > 0.7e-4
