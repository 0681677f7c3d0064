"""The three jobs with every root on S3, on moto and on a real server: same outcome, resumed, refused in one line."""

import json
import tempfile
from pathlib import Path
from uuid import uuid4

import pytest

from facebatch.cli import main
from facebatch.config import EmbedConfig, IndexConfig, MatchConfig
from facebatch.errors import NotFoundError
from facebatch.faces.settings import ModelSpec
from facebatch.images.source import FieldsSpec, SourceSpec
from facebatch.index import node_cache
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import embed, index, match
from facebatch.pipelines.embed import EmbedReport
from facebatch.pipelines.match import MatchReport
from facebatch.pipelines.search import find_search, read_candidates
from facebatch.runtime.executor import RunSpec
from facebatch.storage.open import open_store
from servers.s3 import Server
from worlds import LOCAL, QUIET, REQUEST, World

pytestmark = pytest.mark.integration


class Bucket:
    """A prefix of a real bucket with the photos in it, and the configs for the three jobs."""

    def __init__(self, server: Server, photos: Path, model: ModelSpec) -> None:
        self.root = f"s3://{server.bucket}/{uuid4().hex}"
        self.s3 = server.spec(deadline_s=20)
        store = open_store(self.root, self.s3)
        for path in sorted(photos.rglob("*.jpg")):
            store.put(str(path.relative_to(photos)), path.read_bytes())
        self.gallery = f"{self.root}/gallery"
        fields = FieldsSpec(subject_id="folder")
        self.common = {"model": model, "run": LOCAL, "s3": self.s3}
        self.source = SourceSpec(uri=f"{self.root}/gallery-photos", fields=fields, images_per_shard=3)
        self.probes = SourceSpec(uri=f"{self.root}/probe-photos", fields=fields, images_per_shard=3)

    def embed(self) -> EmbedReport:
        config = EmbedConfig(gallery=self.gallery, source=self.source, **self.common)
        report = embed.run(config, QUIET)
        assert isinstance(report, EmbedReport)
        return report

    def index(self) -> None:
        index.run(IndexConfig(gallery=self.gallery, run=LOCAL, s3=self.s3), QUIET)

    def match(self) -> MatchReport:
        results = f"{self.root}/results"
        spec = MatchSpec(unevaluated=True)
        config = MatchConfig(
            gallery=self.gallery, results=results, request=REQUEST, probes=self.probes, match=spec, **self.common
        )
        report = match.run(config, QUIET)
        assert isinstance(report, MatchReport)
        return report


def test_the_whole_way_on_s3(
    server: Server, world: World, model: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    bucket = Bucket(server, world.root, model)
    assert bucket.embed().outcomes == {"ok": 8}
    assert (bucket.embed().shards_embedded, bucket.embed().published) == (0, False)
    bucket.index()
    report = bucket.match()
    store = open_store(report.results, bucket.s3)
    manifest = find_search(store)
    assert manifest is not None
    firsts = [row for row in read_candidates(store, manifest).to_pylist() if row["rank"] == 1]
    assert len(firsts) == 8
    assert all(row["probe_id"].startswith(f"{row['subject_id']}/") for row in firsts)
    assert bucket.match() == report
    assert [*node_cache.default_folder().iterdir()] == []
    assert [*(tmp_path / "temporary").iterdir()] == [node_cache.default_folder()]


def test_a_missing_bucket_is_one_line(
    server: Server, world: World, model: ModelSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = Bucket(server, world.root, model)
    bucket.gallery = "s3://facebatch-no-such-bucket/gallery"
    with pytest.raises(NotFoundError, match="facebatch-no-such-bucket"):
        bucket.embed()
    with pytest.raises(SystemExit) as stop:
        main(["index", "--gallery", bucket.gallery, "--s3.endpoint-url", server.endpoint, "--s3.addressing", "path"])
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1)
    assert "facebatch-no-such-bucket" in err


@pytest.mark.s3
def test_wrong_credentials_are_one_line_and_told_apart_from_the_data(
    ceph: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ceph.use(monkeypatch)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    spec = ["--s3.endpoint-url", ceph.endpoint, "--s3.addressing", "path", "--s3.deadline-s", "19"]
    with pytest.raises(SystemExit) as stop:
        main(["index", "--gallery", f"s3://{ceph.bucket}/gallery", *spec])
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1)
    assert "not-the-secret" not in err
    assert "credentials" in err


def test_a_ray_worker_reaches_s3_with_the_drivers_credentials(server: Server, world: World, model: ModelSpec) -> None:
    bucket = Bucket(server, world.root, model)
    bucket.common["run"] = RunSpec(workers=2)
    assert bucket.embed().outcomes == {"ok": 8}
    snapshot = json.loads(open_store(bucket.gallery, bucket.s3).get("snapshots/000000000001.json"))
    assert sum(shard["images"] for shard in snapshot["shards"]) == 8
