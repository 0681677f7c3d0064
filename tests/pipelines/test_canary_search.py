"""The search of canaries: however segments are shared out, the lists are those of all live templates together."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pytest

from facebatch.config import ReindexConfig
from facebatch.errors import CorruptError, PlanError
from facebatch.gallery.snapshots import SegmentEntry, Snapshot
from facebatch.images.source import SourceSpec
from facebatch.index.build import sort_members
from facebatch.match.candidates import merge, open_gallery, to_table
from facebatch.match.scan import scan
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import canary_search
from facebatch.pipelines.canary_search import SearchTask, check_listed, deal, search
from facebatch.pipelines.reindex_segments import Builder
from facebatch.runtime.open import open_executor
from facebatch.storage.parquet import embeddings
from facebatch.storage.settings import S3Spec
from facebatch.telemetry.stopwatch import Stopwatch
from gallery.small import QUIET, Shard, SmallGallery
from worlds import LOCAL

SHARDS = tuple(Shard(name, rows=5) for name in "abcd")
PROBES = pa.concat_tables([Shard(name, rows=4, version=1).table() for name in "ax"]).combine_chunks()
ERASED = ("b000000", "b000001", "c000003")
SPEC = MatchSpec(length=4)


@pytest.fixture(scope="module")
def small() -> SmallGallery:
    made = SmallGallery()
    made.embed(*SHARDS)
    made.erase(*ERASED)
    assert len(made.head.segments) > 2
    return made


@contextmanager
def builder(small: SmallGallery, workers: int) -> Iterator[Builder]:
    run = LOCAL.model_copy(update={"workers": workers})
    config = ReindexConfig(gallery=small.store.uri, sources=(SourceSpec(uri="s"),), run=run)
    with open_executor(config.run) as executor:
        yield Builder(config, small.store, executor, QUIET, Stopwatch())


def by_definition(snapshot: Snapshot) -> pa.Table:
    """All live templates in one segment, without any storage."""
    live = pa.concat_tables([shard.table() for shard in SHARDS])
    live = live.filter(pa.array([name not in ERASED for name in live["template_id"].to_pylist()]))
    members, vectors = sort_members([live.combine_chunks()])
    hits = scan(embeddings(PROBES), open_gallery(members, vectors), SPEC)
    return merge([to_table(hits, PROBES["template_id"], members, snapshot.seq)], SPEC.length)


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("block", [None, 3])
def test_lists_are_those_of_all_live_templates(small: SmallGallery, workers: int, block: int | None) -> None:
    with builder(small, workers) as built:
        found = search(PROBES, small.head, SPEC.model_copy(update={"probe_block": block}), built)
    assert found.equals(by_definition(small.head))


def test_few_lists_fit_into_memory_at_a_time(small: SmallGallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary_search, "MOST_LISTED", len(PROBES) * SPEC.length)
    with builder(small, 5) as built:
        assert search(PROBES, small.head, SPEC, built).equals(by_definition(small.head))
    with pytest.raises(PlanError, match="9 canaries with lists of 4 are more than the 32"):
        check_listed(9, 4)


def test_segments_that_lack_a_live_template_are_refused(small: SmallGallery) -> None:
    fewer = small.head.model_copy(update={"segments": small.head.segments[1:]})
    with builder(small, 1) as built, pytest.raises(CorruptError, match="compared with 12 templates of 17; index again"):
        search(PROBES, fewer, SPEC, built)


def test_an_empty_gallery_gives_no_candidates(small: SmallGallery) -> None:
    empty = small.head.model_copy(update={"segments": (), "shards": (), "tombstones": ()})
    with builder(small, 1) as built:
        assert search(PROBES, empty, SPEC, built).num_rows == 0


def test_segments_are_dealt_once_each_and_evenly() -> None:
    segments = [SegmentEntry(segment_id=str(n), kind="Flat", rows=n, manifest_sha256="0") for n in range(1, 8)]
    for shares in (1, 3, 9):
        dealt = deal(segments, shares)
        assert sorted(segment.rows for share in dealt for segment in share) == list(range(1, 8))
        assert len(dealt) == min(shares, 7)
    assert [sum(segment.rows for segment in share) for share in deal(segments, 3)] == [12, 9, 7]


def test_a_task_survives_the_way_to_a_worker(small: SmallGallery) -> None:
    task = SearchTask(small.store.uri, S3Spec(), PROBES.select(["template_id", "embedding"]), SPEC, 1, 1)
    again = pickle.loads(pickle.dumps(task))
    found = [one.setup()(small.head.segments) for one in (task, again)]
    assert found[0].candidates.equals(found[1].candidates)
    assert found[0].rows_scanned == found[1].rows_scanned == small.head.templates
