"""Fixtures of S3 servers, to be imported by the conftest.py of the tests that need them."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from facebatch.storage.s3 import S3Store
from facebatch.storage.settings import S3Spec
from servers.moto import MotoServer

__all__ = ["Server", "ceph", "moto"]

_SCRIPT = Path(__file__).with_name("ceph.sh")
_START_S = 100.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server with one bucket, and the keys to it."""

    endpoint: str
    address: tuple[str, int]
    bucket: str
    access_key: str
    secret_key: str

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the keys, and nothing of the machine's own settings, where boto3 looks for them."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", self.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", self.secret_key)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            monkeypatch.delenv(name, raising=False)

    def spec(self, **changes: object) -> S3Spec:
        """Settings to reach it, with changes."""
        values = {"endpoint_url": self.endpoint, "addressing": "path", "multipart_bytes": 5 << 20, "deadline_s": 60.0}
        return S3Spec.model_validate(values | changes)

    def new_store(self, **changes: object) -> S3Store:
        """A store below a prefix of its own, empty."""
        return S3Store(self.bucket, f"tests/{uuid.uuid4().hex}", self.spec(**changes))


@pytest.fixture(scope="session")
def moto() -> Iterator[Server]:
    """moto with an empty bucket."""
    with MotoServer() as server:
        yield _with_bucket(server.endpoint, "AKIDMOTO", "not-checked-by-moto")


@pytest.fixture(scope="session")
def ceph() -> Iterator[Server]:
    """A real S3 server: the one that FACEBATCH_TEST_S3_ENDPOINT, _ACCESS_KEY and _SECRET_KEY name, else Ceph here."""
    if "FACEBATCH_TEST_S3_ENDPOINT" in os.environ:
        yield _with_bucket(
            *(os.environ[f"FACEBATCH_TEST_S3_{name}"] for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY"))
        )
    elif shutil.which("radosgw"):
        with _started() as facts:
            yield _with_bucket(*facts)
    else:
        message = "no S3 server: install radosgw ceph-mon ceph-osd ceph-common, or set FACEBATCH_TEST_S3_ENDPOINT"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@contextlib.contextmanager
def _started() -> Iterator[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory(prefix="facebatch-ceph-") as parent:
        folder = Path(parent, "ceph")
        try:
            subprocess.run(["bash", _SCRIPT, "start", folder, str(_free_port_pair())], check=True, timeout=_START_S)
            endpoint, access_key, secret_key = re.findall(r"=(\S+)", (folder / "env").read_text())
            yield endpoint, access_key, secret_key
        finally:
            subprocess.run(["bash", _SCRIPT, "stop", folder], check=True, timeout=_START_S)


def _free_port_pair() -> int:
    """A port that is free now and whose successor is too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                return port


def _with_bucket(endpoint: str, access_key: str, secret_key: str) -> Server:
    bucket = f"facebatch-{uuid.uuid4().hex[:12]}"
    session = boto3.session.Session(access_key, secret_key, region_name="us-east-1")
    client = session.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket=bucket)
    client.close()
    host, port = endpoint.removeprefix("http://").split(":")
    return Server(endpoint, (host, int(port)), bucket, access_key, secret_key)


@pytest.fixture(params=["moto", pytest.param("ceph", marks=pytest.mark.s3)])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Each of them, with its credentials in the environment."""
    found: Server = request.getfixturevalue(request.param)
    found.use(monkeypatch)
    return found
