"""The scan by codes equals the scan by definition, bit for bit, on every path this machine has."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.errors import CorruptError
from facebatch.match.codes import from_buffer, to_bytes
from facebatch.match.engine import scan_codes
from facebatch.match.kernel_paths import KernelPath, available_paths
from facebatch.match.quantise import pack
from facebatch.match.scan import Gallery, Hits, scan
from facebatch.match.settings import MatchSpec
from facebatch.match.similarity import similarities
from synthetic import unit

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
    codes = pack(vectors, outlier_share=0.02)
    probes = probes_for(vectors, dim)
    for spec in SPECS:
        wanted = brute_force(probes, gallery, spec, np.ones(rows, bool))
        assert listed(scan_codes(probes, gallery, codes, spec, path)) == wanted


@PATHS
@pytest.mark.parametrize("kind", list(kinds(3, 1)))
@pytest.mark.parametrize("dim", [5, 256])
def test_a_thousand_rows_give_what_the_scan_gives(path: KernelPath, kind: str, dim: int) -> None:
    vectors = kinds(dim, 1000)[kind]
    gallery = grouped(vectors, [3])
    codes = pack(vectors, outlier_share=0.02)
    probes = probes_for(vectors, dim)
    for spec in [*SPECS, MatchSpec(length=50), MatchSpec(length=50, floor=0.5)]:
        found, wanted = scan_codes(probes, gallery, codes, spec, path), scan(probes, gallery, spec)
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
    share=st.sampled_from([0.0, 0.05, 0.3]),
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
    share: float,
    dead: float,
) -> None:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((6, dim))
    noise = rng.choice([0.0, 1e-4, 0.5], (rows, 1)) * rng.standard_normal((rows, dim))
    vectors = unit(centres[rng.integers(0, 6, rows)] + noise)
    gallery, spec = grouped(vectors, sizes, seed), MatchSpec(length=length, floor=floor)
    queries = np.concatenate([vectors[:2], -vectors[:1], unit(rng.standard_normal((probes, dim)))])
    codes, live = pack(vectors, share), rng.random(rows) >= dead
    wanted = brute_force(queries, gallery, spec, live)
    for path in available_paths():
        assert listed(scan_codes(queries, gallery, codes, spec, path, live)) == wanted


@PATHS
def test_the_first_cut_from_a_sample_loses_nothing(path: KernelPath) -> None:
    rng = np.random.default_rng(8)
    vectors = unit(rng.standard_normal((36_000, 8)))
    gallery, codes, probes = grouped(vectors, [1]), pack(vectors), unit(rng.standard_normal((40, 8)))
    live = rng.random(len(vectors)) < 0.5
    spec = MatchSpec(length=10)
    standing = Gallery(vectors[live], np.arange(live.sum()), gallery.template_rank[live])
    wanted = scan(probes, standing, spec)
    found = scan_codes(probes, gallery, codes, spec, path, live)
    assert np.array_equal(found.row, np.flatnonzero(live)[wanted.row])
    assert np.array_equal(found.similarity, wanted.similarity)


@PATHS
def test_more_probes_than_a_block_and_full_lists_grow_the_pool(path: KernelPath) -> None:
    rng = np.random.default_rng(9)
    vectors, probes = unit(rng.standard_normal((700, 512))), unit(rng.standard_normal((1500, 512)))
    gallery, spec = grouped(vectors, [1, 2]), MatchSpec(length=300)
    found, wanted = scan_codes(probes, gallery, pack(vectors), spec, path), scan(probes, gallery, spec)
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
    found = scan_codes(probe, gallery, pack(vectors), MatchSpec(length=10), path)
    assert sorted(found.row[1:]) == list(range(500, 509))


@PATHS
def test_equal_scores_at_the_end_of_the_list_go_by_template_id(path: KernelPath) -> None:
    vectors = unit(np.ones((400, 8)))
    gallery = grouped(vectors, [1], seed=5)
    found = scan_codes(vectors[:1], gallery, pack(vectors), MatchSpec(length=5), path)
    assert np.array_equal(gallery.template_rank[found.row], np.arange(5))


@PATHS
def test_a_score_equal_to_the_floor_is_listed(path: KernelPath) -> None:
    vectors = unit(np.eye(4))
    gallery, codes = grouped(vectors, [1]), pack(unit(np.eye(4)))
    found = scan_codes(vectors[:1], gallery, codes, MatchSpec(length=4, floor=1.0), path)
    assert listed(found) == [(0, 0, np.float32(1))]
    assert len(scan_codes(vectors[:1], gallery, codes, MatchSpec(length=4, floor=0.0), path).row) == 4


@PATHS
def test_nothing_to_compare_gives_an_empty_list(path: KernelPath) -> None:
    vectors = unit(np.eye(4))
    gallery, none = grouped(vectors, [1]), grouped(vectors[:0], [1])
    assert len(scan_codes(vectors[:0], gallery, pack(vectors), MatchSpec(), path).row) == 0
    assert len(scan_codes(vectors, none, pack(vectors[:0]), MatchSpec(), path).row) == 0
    assert len(scan_codes(vectors, gallery, pack(vectors), MatchSpec(), path, np.zeros(4, bool)).row) == 0


@PATHS
def test_mapped_files_give_the_same(path: KernelPath, tmp_path) -> None:
    vectors = unit(np.random.default_rng(2).standard_normal((100, 24)))
    vectors.tofile(tmp_path / "vectors")
    (tmp_path / "codes").write_bytes(to_bytes(pack(vectors)))
    mapped = np.memmap(tmp_path / "vectors", dtype="<f2", mode="r", shape=(100, 24))
    codes = from_buffer(np.memmap(tmp_path / "codes", mode="r"), "codes")
    gallery = grouped(vectors, [2])
    found = scan_codes(vectors[:9], Gallery(mapped, gallery.starts, gallery.template_rank), codes, MatchSpec(), path)
    assert listed(found) == listed(scan(vectors[:9], gallery, MatchSpec()))


def test_codes_of_another_gallery_are_refused() -> None:
    vectors = unit(np.eye(4))
    with pytest.raises(CorruptError, match="codes of 3 x 4 do not belong to vectors of 4 x 4"):
        scan_codes(vectors, grouped(vectors, [1]), pack(vectors[:3]), MatchSpec(), KernelPath.PORTABLE)


def test_probes_and_masks_of_another_shape_are_refused() -> None:
    vectors = unit(np.eye(4))
    gallery, codes = grouped(vectors, [1]), pack(vectors)
    with pytest.raises(CorruptError, match="probes of 3 dimensions"):
        scan_codes(vectors[:, :3], gallery, codes, MatchSpec(), KernelPath.PORTABLE)
    with pytest.raises(CorruptError, match="mask of 5 rows"):
        scan_codes(vectors, gallery, codes, MatchSpec(), KernelPath.PORTABLE, np.ones(5, bool))
