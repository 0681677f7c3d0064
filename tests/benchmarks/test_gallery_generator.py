"""Generated galleries are galleries: verified and searched by the real parts, the same bytes each time."""

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from benchmarks.bench_gallery import Size, measure
from benchmarks.drawn_shards import DATED, EXPIRING, MODEL, GalleryShape, draw_shards, empty_pack, write_source
from benchmarks.gallery_generator import build_segments, write_gallery, write_shards
from benchmarks.hollow_gallery import write_hollow
from benchmarks.population import CHUNK, SESSIONS
from facebatch.config import ReindexConfig
from facebatch.gallery import snapshots
from facebatch.gallery.commits import read_part
from facebatch.images.source import SourceSpec
from facebatch.index import node_cache
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import gallery_verify
from facebatch.pipelines.reindex_plan import list_sources
from facebatch.pipelines.scanning import open_segment
from facebatch.storage.local import LocalStore
from facebatch.storage.memory import MemoryStore
from facebatch.storage.parquet import embeddings, read_templates
from facebatch.telemetry.progress import open_progress

QUIET = open_progress("none")
SMALL = GalleryShape(templates=700, shards=4, dim=32)
names = itertools.count()


def written(shape: GalleryShape) -> MemoryStore:
    store = MemoryStore(f"drawn-{next(names)}")
    write_gallery(store, shape, QUIET)
    return store


def objects(store: MemoryStore) -> dict[str, str]:
    return {info.key: info.etag for info in store.list()}


def test_the_same_arguments_give_the_same_bytes_and_another_seed_other_people() -> None:
    first, again = objects(written(SMALL)), objects(written(SMALL))
    assert first == again
    assert len(first) == 4 * SMALL.shards + 1
    other = snapshots.require_head(written(GalleryShape(templates=700, shards=4, dim=32, seed=1)))
    mine = {shard.templates.sha256 for shard in snapshots.require_head(written(SMALL)).shards}
    assert mine.isdisjoint(shard.templates.sha256 for shard in other.shards)


def test_rows_do_not_depend_on_how_they_are_drawn_or_cut_into_shards() -> None:
    rows = CHUNK + 1000
    stores = [written(GalleryShape(rows, shards, dim=4)) for shards in (1, 7)]
    heads = [snapshots.require_head(store) for store in stores]
    vectors = [
        np.concatenate([embeddings(table(store, number)) for number in range(len(head.shards))])
        for store, head in zip(stores, heads, strict=True)
    ]
    assert [head.templates for head in heads] == [rows, rows]
    assert np.array_equal(*vectors)


def table(store: MemoryStore, number: int) -> pa.Table:
    part = snapshots.require_head(store).shards[number].templates
    return read_templates(read_part(store, part), part.key)


def test_mates_are_alike_and_some_templates_have_dates() -> None:
    rows = table(written(GalleryShape(templates=3000, shards=1, dim=64)), 0)
    vectors, people = embeddings(rows).astype(np.float32), rows["subject_id"].to_numpy()
    likeness, is_mate = vectors @ vectors.T, people[:, None] == people[None, :]
    np.fill_diagonal(is_mate, val=False)
    assert 0.5 < likeness[is_mate].mean() < 0.8
    assert likeness[~is_mate & ~np.eye(len(people), dtype=bool)].mean() < 0.2
    assert len(np.unique(people)) == len(people) / SESSIONS
    for name, share in (("captured_at", DATED), ("expires_at", EXPIRING)):
        assert abs(len(rows[name].drop_null()) / len(rows) - share) < 0.05
    both = rows.filter(pc.and_(pc.is_valid(rows["captured_at"]), pc.is_valid(rows["expires_at"])))
    assert pc.all(pc.less(both["captured_at"], both["expires_at"])).as_py()


def test_a_listing_of_the_empty_files_finds_the_shards_of_the_gallery(tmp_path: Path) -> None:
    shape = GalleryShape(templates=700, shards=4, dim=32, source=str(tmp_path / "photos"))
    write_source(draw_shards(shape))
    pack = empty_pack(tmp_path / "pack")
    config = ReindexConfig(gallery="memory://none", sources=(SourceSpec(uri=shape.source),), model=pack)
    (listing,) = list_sources(config, MODEL)
    keys = [shard.shard_key for shard in snapshots.require_head(written(shape)).shards]
    assert list(listing.shards) == keys


def test_a_hollow_gallery_tells_what_the_written_one_does() -> None:
    whole, hollow = snapshots.require_head(written(SMALL)), MemoryStore(f"drawn-{next(names)}")
    found = write_hollow(hollow, SMALL, segment_rows=400)
    facts = [[(s.shard_key, s.images, s.outcomes, s.templates.rows) for s in head.shards] for head in (whole, found)]
    assert facts[0] == facts[1]
    assert found.indexed
    assert len(found.segments) == SMALL.shards // 2


@pytest.mark.integration
def test_every_stage_of_the_benchmark_runs() -> None:
    """On a gallery whose night it takes back: the head is the one before in each round."""
    common = {"dim": 16, "segment_rows": 1000, "nights": 2, "rounds": 2}
    hollow, whole = (
        measure(Size(templates=4000, shards=40, is_whole=is_whole, **common)) for is_whole in (False, True)
    )
    assert whole["seconds"].keys() - hollow["seconds"].keys() == {"generate", "index", "verify"}
    assert hollow["manifest_bytes"] > 40 * 600


@pytest.mark.integration
def test_a_gallery_of_1e5_templates_is_verified_and_searched(tmp_path: Path) -> None:
    shape = GalleryShape(templates=100_000, shards=100, dim=64)
    store = LocalStore(tmp_path)
    drawn = write_gallery(store, shape, QUIET)
    build_segments(store.uri, 40_000, QUIET)
    head = snapshots.require_head(store)
    verified = gallery_verify.run(store, (), QUIET)
    assert (verified.faults, verified.shards, verified.segments) == ((), 100, 3)
    assert head.templates == verified.templates == drawn.templates == 100_000
    part = head.shards[70].templates
    rows = read_templates(read_part(store, part), part.key).slice(0, 30)
    assert best(store, embeddings(rows)) == rows["template_id"].to_pylist()


def best(store: LocalStore, probes: np.ndarray) -> list[str]:
    """The template that is most like each probe, by the scan of `match` over all segments."""
    found: dict[int, tuple[float, str]] = {}
    for entry in snapshots.require_head(store).segments:
        segment = open_segment(store, entry, node_cache.default_folder(), MatchSpec(length=1))
        hits = segment.scan(probes)
        ids = segment.members["template_id"].take(hits.row).to_pylist()
        for probe, similarity, name in zip(hits.probe.tolist(), hits.similarity.tolist(), ids, strict=True):
            found[probe] = max(found.get(probe, (-1.0, "")), (similarity, name))
        segment.close()
    return [found[probe][1] for probe in range(len(probes))]


def test_shards_are_committed_one_by_one() -> None:
    store = MemoryStore(f"drawn-{next(names)}")
    first = next(write_shards(store, SMALL))
    assert sorted(key.partition("/")[0] for key in objects(store)) == ["commits", "ledger", "templates", "timings"]
    assert first.images == sum(first.outcomes.values()) > first.templates.rows == 175
