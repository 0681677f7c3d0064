"""The estimate of a search against a real one: its cells, its blocks, and every request that reaches the server."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from facebatch.config import IndexConfig, MatchConfig
from facebatch.errors import ForbiddenError
from facebatch.governance.facts import Facts
from facebatch.images.records import ImageShard, Member
from facebatch.images.source import SourceSpec
from facebatch.index.spec import IndexSpec
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import index, match
from facebatch.pipelines.match import MatchReport
from facebatch.pipelines.plan_match import IMAGE_BYTES, MatchPreview, expected_probes
from facebatch.runtime.executor import RunSpec
from facebatch.storage.open import open_store
from facebatch.storage.settings import S3Spec
from servers.moto import MotoServer
from worlds import FOLDER, QUIET, REQUEST, World

pytestmark = pytest.mark.integration


class CountingServer(MotoServer):
    """Counts requests as a store bills them."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        kind = {"HEAD": "get", "POST": "put"}.get(environ["REQUEST_METHOD"], environ["REQUEST_METHOD"].lower())
        with self._lock:
            self.counts["list" if "list-type" in environ["QUERY_STRING"] else kind] += 1
        return super()._serve(environ, start_response)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[CountingServer]:
    with CountingServer() as server:
        for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("DEFAULT_REGION", "us-east-1")):
            monkeypatch.setenv(f"AWS_{name}", value)
        client = boto3.client("s3", endpoint_url=server.endpoint)
        client.create_bucket(Bucket="bucket")
        client.close()
        yield server


@pytest.fixture
def remote(searchable: World, counting: CountingServer) -> MatchConfig:
    """A search whose gallery, of two segments, and probes lie on the server, embedded by a first run."""
    spec = IndexConfig(gallery=str(searchable.root / "gallery"), index=IndexSpec(segment_rows=4), run=searchable.run)
    index.run(spec, QUIET)
    root, s3 = f"s3://bucket/{uuid4().hex}", S3Spec(endpoint_url=counting.endpoint, addressing="path")
    for name in ("gallery", "probe-photos"):
        upload(searchable.root / name, f"{root}/{name}", s3)
    config = MatchConfig(
        gallery=f"{root}/gallery",
        results=f"{root}/results",
        request=REQUEST,
        probes=SourceSpec(uri=f"{root}/probe-photos", fields=FOLDER, images_per_shard=3),
        model=searchable.model,
        match=MatchSpec(probe_block=3, unevaluated=True),
        run=RunSpec(executor="local", workers=1),
        s3=s3,
    )
    report = match.run(config, QUIET)
    assert isinstance(report, MatchReport)
    forget(report, s3)
    return config


def upload(folder: Path, uri: str, s3: S3Spec) -> None:
    store = open_store(uri, s3)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        store.put(path.relative_to(folder).as_posix(), path.read_bytes())


def forget(report: MatchReport, s3: S3Spec) -> None:
    """Leave of a search nothing but its embedded probes."""
    store = open_store(report.results, s3)
    for info in [info for info in store.list() if not info.key.startswith("probes/")]:
        store.delete(info.key)


def previewed(config: MatchConfig) -> MatchPreview:
    preview = match.run(config, QUIET, dry_run=True)
    assert isinstance(preview, MatchPreview)
    return preview


def test_every_request_is_in_the_estimate(remote: MatchConfig, counting: CountingServer) -> None:
    estimate = previewed(remote).forecast.estimate
    assert (estimate.segments, estimate.probe_blocks, estimate.cells) == (2, 3, 6)
    counting.counts.clear()
    report = match.run(remote, QUIET)
    assert isinstance(report, MatchReport)
    assert report.cells == estimate.cells
    assert dict(counting.counts) == asdict(estimate.traffic.requests)


def test_more_workers_make_no_more_requests_than_estimated(remote: MatchConfig, counting: CountingServer) -> None:
    config = remote.model_copy(update={"run": RunSpec(executor="local", workers=3)})
    estimate = previewed(config).forecast.estimate
    counting.counts.clear()
    match.run(config, QUIET)
    for kind, most in asdict(estimate.traffic.requests).items():
        assert counting.counts[kind] <= most < 1.5 * counting.counts[kind]


def test_a_dry_run_tells_the_block_that_the_search_then_has(searchable: World) -> None:
    preview = previewed(searchable.match())
    assert (preview.probes, preview.gallery_templates) == (8, 8)
    report = match.run(searchable.match(), QUIET)
    assert isinstance(report, MatchReport)
    assert report.results.endswith(preview.search)
    assert report.cells == preview.forecast.estimate.cells == 1
    assert preview.forecast.estimate.probe_block == 12


def test_a_dry_run_reads_and_writes_nothing_and_needs_leave(searchable: World) -> None:
    previewed(searchable.match())
    assert not (searchable.root / "results").exists()
    with pytest.raises(ForbiddenError):
        match.run(searchable.match(request=Facts()), QUIET, dry_run=True)


def test_the_block_is_part_of_the_search_but_workers_are_not(searchable: World) -> None:
    ids = [
        previewed(searchable.match(match=spec, run=run)).search
        for spec, run in (
            (MatchSpec(), RunSpec(executor="local", workers=1)),
            (MatchSpec(), RunSpec(executor="local", workers=4)),
            (MatchSpec(probe_block=12), RunSpec(executor="local", workers=2)),
            (MatchSpec(probe_block=24), RunSpec(executor="local", workers=2)),
        )
    ]
    assert ids[0] == ids[1] == ids[2] != ids[3]


def test_probes_are_expected_by_the_listing_alone() -> None:
    members = tuple(Member(f"{name}.jpg", f"m://{name}.jpg", 9_000_000, "e") for name in "abc")
    loose = ImageShard("m://#a", "objects", 27_000_000, "e", members)
    tar = ImageShard("m://x.tar", "tar", 10 * IMAGE_BYTES + 1, "e")
    assert expected_probes([loose]) == 3
    assert expected_probes([loose, tar]) == 14
    assert expected_probes([]) == 0
