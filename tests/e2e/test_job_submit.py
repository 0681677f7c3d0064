"""The jobs on a cluster that was there before: `ray job submit`, with token authentication, as the README says."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.jobs import REPOSITORY, run
from stored import digests
from worlds import copy_photos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RAY = str(Path(sys.executable).parent / "ray")


def free_ports(count: int) -> list[int]:
    """Distinct ports that are free now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


class Cluster:
    """One node, started by hand, with a dashboard to submit to."""

    def __init__(self, scratch: Path) -> None:
        self.port, gcs, client, agent = free_ports(4)
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.environment = {**os.environ, **token, "RAY_USAGE_STATS_ENABLED": "0", "RAY_task_oom_retries": "1"}
        ports = [f"--port={gcs}", f"--dashboard-port={self.port}", f"--ray-client-server-port={client}"]
        ports.append(f"--dashboard-agent-listen-port={agent}")  # of all Rays of a machine one gets the default
        sizes = ["--num-cpus=2", "--object-store-memory=100000000", f"--temp-dir={scratch}", "--disable-usage-stats"]
        self.log = (scratch / "head.log").open("w")
        self.process = subprocess.Popen(
            [RAY, "start", "--head", "--block", "--node-ip-address=127.0.0.1", *ports, *sizes],
            env=self.environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def submit(self, *entrypoint: str, **changes: str) -> "subprocess.CompletedProcess[str]":
        address = ["--address", f"http://127.0.0.1:{self.port}"]
        return subprocess.run(
            [RAY, "job", "submit", *address, "--", *entrypoint],
            env={**self.environment, **changes},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def wait(self) -> None:
        deadline = time.monotonic() + 180
        said = "nothing listens"
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "the head ended"
            with socket.socket() as probe:
                listens = probe.connect_ex(("127.0.0.1", self.port)) == 0
            if listens:
                done = self.submit("true")
                if done.returncode == 0:
                    return
                said = done.stdout + done.stderr
            time.sleep(1)
        pytest.fail(f"the head did not answer: {said}")

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        self.log.close()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    # Ray's socket paths must stay under 108 bytes, which pytest's folders do not leave room for.
    with tempfile.TemporaryDirectory(prefix="fb-", ignore_cleanup_errors=True) as scratch:
        head = Cluster(Path(scratch))
        try:
            head.wait()
            yield head
        finally:
            head.stop()


def test_embed_and_index_submitted_to_a_cluster_store_what_a_local_run_stores(
    cluster: Cluster, tmp_path: Path, data_dir: Path, models_dir: Path
) -> None:
    copy_photos(data_dir, tmp_path, people=6)
    source = ["--source.uri", str(tmp_path / "gallery-photos"), "--source.fields.subject-id", "folder"]
    model = ["--model.pack", "open_yunet_omz", "--model.packs", str(models_dir), "--run.workers", "2"]

    def jobs(gallery: str) -> dict[str, list[str]]:
        where = ["--gallery", str(tmp_path / gallery)]
        return {"embed": [*where, *source, *model], "index": [*where, "--run.workers", "1"]}

    for job, arguments in jobs("submitted").items():
        path = str(REPOSITORY / "jobs" / f"{job}.py")
        done = cluster.submit(sys.executable, path, *arguments, "--run.address", "auto", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        report = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
        assert report["snapshot"] in {1, 2}
    for job, arguments in jobs("local").items():
        run(job, *arguments)
    assert digests(tmp_path / "submitted") == digests(tmp_path / "local")

    refused = cluster.submit(sys.executable, str(REPOSITORY / "jobs" / "match.py"), "--json", "--run.address", "auto")
    assert refused.returncode != 0
    assert "gallery: this setting is required" in refused.stdout + refused.stderr
    stranger = cluster.submit("true", RAY_AUTH_TOKEN=secrets.token_hex(32))
    assert stranger.returncode != 0
