"""Nights with photos, deletions and gallery on S3, on moto and on a real server, come to what a local disk comes to."""

from pathlib import Path
from uuid import uuid4

import pytest

from facebatch.faces.settings import ModelSpec
from facebatch.gallery import snapshots
from facebatch.gallery.history import numbers
from facebatch.gallery.template_ids import TemplateIds
from facebatch.pipelines import gallery_verify
from facebatch.runtime.executor import RunSpec
from facebatch.storage.open import open_store
from season import ADDED, DELETED, ENROLLED, EXPIRING, GONE, Season
from servers.s3 import Server
from worlds import LOCAL, QUIET

pytestmark = pytest.mark.integration

LEFT = (GONE, DELETED, *EXPIRING)
SEVERAL = RunSpec(executor="local", workers=4, backoff_s=0.01)


@pytest.fixture(params=["moto", pytest.param("ceph", marks=pytest.mark.s3)])
def season(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, model: ModelSpec, data_dir: Path) -> Season:
    server: Server = request.getfixturevalue(request.param)
    server.use(monkeypatch)
    season = Season(f"s3://{server.bucket}/{uuid4().hex}", model, server.spec(deadline_s=20))
    season.put_photos(data_dir)
    return season


def test_nights_on_s3_hold_what_they_hold_on_a_local_disk(season: Season, tmp_path: Path) -> None:
    there, here = f"{season.root}/gallery", str(tmp_path / "gallery")
    assert season.play(there, SEVERAL) == season.play(here, LOCAL)
    store = open_store(there, season.s3)
    again = season.reindex(there, LOCAL, 2)
    assert (again.shards_embedded, again.deleted, again.expired, again.tombstones) == (0, 0, 0, 0)
    last = snapshots.require_head(store)
    held = TemplateIds(store)
    subjects = {name for shard in last.shards for name in held.of(shard.templates)["subject_id"].to_pylist()}
    assert subjects == {f"s{number}" for number in range(ENROLLED + ADDED)} - {f"s{number}" for number in LEFT}
    assert again.dates.clock_skew_s is not None
    assert abs(again.dates.clock_skew_s) < 60
    assert gallery_verify.run(store, numbers(store), QUIET).faults == ()
    assert not list(store.list("preflight/"))
    assert not list(store.list("leases/"))
