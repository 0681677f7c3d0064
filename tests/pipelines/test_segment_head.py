"""The beginning of a segment gives the lists of a gallery of just those rows, by every kernel."""

import numpy as np
import pytest

from benchmarks.drawn_shards import GalleryShape
from benchmarks.gallery_generator import build_segments, write_gallery
from facebatch.gallery import snapshots
from facebatch.index import node_cache
from facebatch.index.mapped import MappedSegment, map_segment
from facebatch.match.kernel_paths import available_paths
from facebatch.match.scan import Gallery, Hits, scan
from facebatch.match.settings import MatchSpec
from facebatch.pipelines.segment_head import first_rows, heads_of
from facebatch.storage.local import LocalStore
from worlds import QUIET

ROWS = 700


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> MappedSegment:
    store = LocalStore(tmp_path_factory.mktemp("drawn"))
    write_gallery(store, GalleryShape(templates=ROWS, shards=2, dim=32), QUIET)
    build_segments(store.uri, 10 * ROWS, QUIET)
    (entry,) = snapshots.require_head(store).segments
    return map_segment(store, entry, node_cache.default_folder())


def gallery_of(mapped: MappedSegment, dead: int) -> Gallery:
    live = np.ones(ROWS, dtype=bool)
    live[np.random.default_rng(1).permutation(ROWS)[:dead]] = False
    return Gallery(mapped.vectors, mapped.order.starts, mapped.order.template_rank, live if dead else None)


@pytest.mark.parametrize("dead", [0, 90])
@pytest.mark.parametrize("path", ["plain", *available_paths()])
@pytest.mark.parametrize("live_rows", [1, 31, 64, 450, 610])
def test_lists_are_those_of_the_rows_alone(mapped: MappedSegment, path: str, dead: int, live_rows: int) -> None:
    gallery = gallery_of(mapped, dead)
    spec = MatchSpec(length=7, path=path)
    heads = heads_of(mapped, gallery, spec, origin="it")
    probes = mapped.vectors[::41]
    part = first_rows(gallery, live_rows)
    assert part.live_rows == live_rows
    assert part.ends[-1] == len(part.vectors)
    assert same(heads.of(live_rows)(probes), scan(probes, part, spec))
    assert (heads.live_rows, heads.path) == (ROWS - dead, path)


def same(left: Hits, right: Hits) -> bool:
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in ("probe", "row", "similarity"))


def test_small_segments_are_scanned_by_kernels_too(mapped: MappedSegment) -> None:
    heads = heads_of(mapped, gallery_of(mapped, 0), MatchSpec(), origin="it")
    assert heads.path == (available_paths() or ("plain",))[0]
