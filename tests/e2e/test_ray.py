"""Whole runs on Ray: same bytes for any number of workers, and after any kill; nothing that was finished is redone."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from e2e.jobs import descendants, kill, run, start, wait_for
from stored import digests, files
from worlds import copy_photos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Site:
    """A folder with photos, and the commands that work on it."""

    def __init__(self, root: Path, models: Path) -> None:
        self.root = root
        self.gallery = root / "gallery"
        self.model = ["--model.pack", "open_yunet_omz", "--model.packs", str(models)]

    def source(self, name: str, flag: str) -> list[str]:
        folder = str(self.root / name)
        return [f"--{flag}.uri", folder, f"--{flag}.fields.subject-id", "folder", f"--{flag}.images-per-shard", "4"]

    def embed(self, workers: int) -> list[str]:
        where = ["--gallery", str(self.gallery), *self.source("gallery-photos", "source")]
        return [*where, *self.model, "--run.workers", str(workers)]

    def index(self, workers: int) -> list[str]:
        return ["--gallery", str(self.gallery), "--run.workers", str(workers), "--index.segment-rows", "20"]

    def match(self, workers: int) -> list[str]:
        request = [
            "--request.purpose",
            "system_test",
            "--request.case-id",
            "e2e",
            "--request.requester.agency",
            "tests",
        ]
        where = ["--gallery", str(self.gallery), "--results", str(self.root / "results")]
        blocks = ["--match.probe-block", "10", "--match.unevaluated", "--run.workers", str(workers)]
        return [*where, *request, *self.source("probe-photos", "probes"), *self.model, *blocks]

    def all(self, workers: int) -> dict[str, str]:
        """Embed, index, match; what is stored afterwards."""
        for job in ("embed", "index", "match"):
            run(job, *getattr(self, job)(workers))
        return digests(self.root)

    def clear(self) -> None:
        for name in ("gallery", "results"):
            shutil.rmtree(self.root / name)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, data_dir: Path, models_dir: Path) -> Site:
    root = tmp_path_factory.mktemp("site")
    copy_photos(data_dir, root, people=40)
    return Site(root, models_dir)


@pytest.fixture(scope="module")
def want(site: Site) -> dict[str, str]:
    """What an undisturbed run with one worker stores."""
    found = site.all(1)
    site.clear()
    return found


@pytest.mark.parametrize("workers", [2, 4])
def test_one_two_and_four_workers_store_the_same_bytes(site: Site, want: dict[str, str], workers: int) -> None:
    assert site.all(workers) == want
    assert sum(name.startswith("templates") for name in want) > 10
    assert sum(name.startswith("candidates") for name in want) > 4
    site.clear()


def test_a_killed_worker_is_replaced_and_changes_nothing(site: Site, want: dict[str, str]) -> None:
    process = start("embed", *site.embed(2))
    wait_for(lambda: bool(files(site.gallery, "commits/*.json")), process)
    workers = [pid for pid, line in descendants(process.pid).items() if line.startswith("ray::Worker")]
    assert workers
    os.kill(workers[0], signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    report = json.loads(out)
    assert report["images"] == report["templates"] == 40
    stored = digests(site.gallery)
    assert stored == {name: digest for name, digest in want.items() if name in stored}
    site.root.joinpath("results").mkdir(exist_ok=True)
    site.clear()


def test_a_ray_that_dies_as_a_whole_ends_the_run_in_one_line_and_the_rerun_resumes(
    site: Site, want: dict[str, str]
) -> None:
    process = start("embed", *site.embed(2))
    wait_for(lambda: bool(files(site.gallery, "commits/*.json")), process)
    agents = [pid for pid, line in descendants(process.pid).items() if line.startswith("ray::DashboardAgent")]
    assert len(agents) == 1
    os.kill(agents[0], signal.SIGKILL)  # Ray's node ends itself when its agent is gone
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (75, ""), err
    assert "run the same command again" in err
    assert "Traceback" not in err
    run("embed", *site.embed(2))
    stored = digests(site.gallery)
    assert stored
    assert stored == {name: digest for name, digest in want.items() if name in stored}
    site.root.joinpath("results").mkdir(exist_ok=True)
    site.clear()


@pytest.mark.parametrize("job", ["embed", "match"])
def test_a_killed_driver_resumes_where_it_was(site: Site, want: dict[str, str], job: str) -> None:
    if job == "match":
        run("embed", *site.embed(2))
        run("index", *site.index(2))
    arguments = getattr(site, job)(2)
    below = site.gallery if job == "embed" else site.root / "results"
    process = start(job, *arguments)
    wait_for(lambda: len(files(below, "commits/*.json")) >= 3, process)
    kill(process)
    finished = {path.stem for path in files(below, "commits/*.json")}
    before = {path.name for path in files(below, "templates/*.parquet")}
    report = json.loads(run(job, *arguments))
    after = {path.name for path in files(below, "templates/*.parquet")}
    assert not {name for name in after - before if name.rpartition("-")[0] in finished}, "a finished shard was redone"
    if job == "embed":
        assert report["shards_embedded"] <= report["shards"] - 3
        run("index", *site.index(2))
        run("match", *site.match(2))
    assert digests(site.root) == want
    site.clear()
