"""Search of a gallery in itself: every pair of subjects once, none missed, on every path."""

import numpy as np
import pytest

from facebatch.match.kernel_paths import available_paths
from facebatch.match.scan import Gallery, Hits
from facebatch.match.scanner import open_scanner
from facebatch.match.settings import MatchSpec
from facebatch.match.similarity import similarities
from facebatch.match.within import search_within
from synthetic import unit

PATHS = pytest.mark.parametrize("path", ["plain", *available_paths()])


def gallery_of(rows: int, size: int, live: np.ndarray | None = None) -> Gallery:
    """Subjects of `size` templates; the last subject is the first one again."""
    rng = np.random.default_rng(rows)
    vectors = unit(rng.standard_normal((rows, 24)))
    vectors[-size:] = unit(vectors[:size].astype(float) + 0.02 * rng.standard_normal((size, 24)))
    return Gallery(vectors, np.arange(0, rows, size, dtype=np.int64), rng.permutation(rows), live)


def together(parts: list[Hits]) -> list[tuple[int, int, float]]:
    return sorted(
        (int(probe), int(row), float(score))
        for hits in parts
        for probe, row, score in zip(hits.probe, hits.row, hits.similarity, strict=True)
    )


def by_definition(gallery: Gallery, floor: float) -> list[tuple[int, int, float]]:
    """Best row of every later subject, for every live row."""
    subject = np.searchsorted(gallery.starts, np.arange(len(gallery.vectors)), side="right")
    live = np.ones(len(subject), bool) if gallery.live is None else gallery.live
    best: dict[tuple[int, int], tuple[float, int, int]] = {}
    for probe in np.flatnonzero(live):
        rows = np.flatnonzero(live & (subject > subject[probe]))
        pairs = np.stack([np.full(len(rows), probe), rows], axis=1)
        for row, score in zip(rows, similarities(gallery.vectors, gallery.vectors, pairs), strict=True):
            found = (float(score), -int(gallery.template_rank[row]), int(row))
            key = (int(probe), int(subject[row]))
            best[key] = max(best.get(key, found), found)
    return sorted((probe, row, score) for (probe, _), (score, _, row) in best.items() if score >= np.float32(floor))


@PATHS
@pytest.mark.parametrize("block", [7, 64, 1000])
@pytest.mark.parametrize("dead", [False, True])
def test_every_pair_of_subjects_is_compared_once(path: str, block: int, dead: bool) -> None:
    live = np.random.default_rng(2).random(150) < 0.7 if dead else None
    gallery, spec = gallery_of(150, 3, live), MatchSpec(length=10_000, floor=0.3, path=path)
    found = together(list(search_within(gallery, open_scanner(gallery, None, spec, origin="x"), block)))
    assert found == by_definition(gallery, 0.3)
    assert all(row // 3 > probe // 3 for probe, row, _ in found)


@PATHS
def test_a_person_enrolled_twice_is_found(path: str) -> None:
    gallery, spec = gallery_of(300, 2), MatchSpec(length=10, floor=0.8, path=path)
    found = together(list(search_within(gallery, open_scanner(gallery, None, spec, origin="x"), 50)))
    assert {(probe, row // 2) for probe, row, _ in found} == {(0, 149), (1, 149)}


def test_an_empty_gallery_has_no_pairs() -> None:
    none = Gallery(np.empty((0, 8), np.float16), np.empty(0, np.int64), np.empty(0, np.int64))
    assert list(search_within(none, open_scanner(none, None, MatchSpec(floor=0.0), origin="x"), 10)) == []
