"""The conformance suite on a real server, and what only that shows: signatures, and races it decides itself."""

import uuid

import pytest

from contracts.object_store import ObjectStoreContract, pattern
from facebatch.errors import AccessDeniedError, NotFoundError
from facebatch.storage import s3
from facebatch.storage.s3 import S3Store
from servers.fault_proxy import FaultProxy

pytestmark = pytest.mark.s3


class TestS3StoreOnCeph(ObjectStoreContract):
    @pytest.fixture
    def store(self, ceph, monkeypatch):
        ceph.use(monkeypatch)
        return ceph.new_store()


def test_an_upload_whose_last_reply_is_lost_is_whole(ceph, monkeypatch, tmp_path):
    ceph.use(monkeypatch)
    data, lost = pattern(6 << 20), []

    def decide(seen):
        if seen.method == "POST" and "uploadId=" in seen.path and not lost:
            lost.append(seen)
            return "lost_reply"
        return None

    (tmp_path / "big").write_bytes(data)
    with FaultProxy(ceph.address, decide) as proxy:
        store = ceph.new_store(endpoint_url=proxy.endpoint)
        store.put_file("a", tmp_path / "big")
        assert store.get("a") == data
    assert len(lost) == 1


@pytest.fixture
def fresh_clients():
    """A client keeps the keys it was made with; these tests change them."""
    s3._client.cache_clear()
    yield
    s3._client.cache_clear()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIDUNKNOWN"}, "InvalidAccessKeyId"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong-secret"}, "SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "NoCredentialsError"),
        ({"AWS_SECRET_ACCESS_KEY": None}, "PartialCredentialsError"),
    ],
)
@pytest.mark.usefixtures("fresh_clients")
def test_refused_credentials_are_one_line_without_them(ceph, monkeypatch, changes, code):
    ceph.use(monkeypatch)
    for name, value in changes.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    store = ceph.new_store(deadline_s=5.0)
    for call in (lambda: store.get("a"), lambda: store.put("a", b""), lambda: [*store.list()]):
        with pytest.raises(AccessDeniedError, match=code) as caught:
            call()
        message = str(caught.value)
        assert store.uri in message
        assert "\n" not in message
        for secret in (ceph.access_key, ceph.secret_key, "AKIDUNKNOWN", "wrong-secret"):
            assert secret not in message
    with pytest.raises(AccessDeniedError, match="credentials"):
        store.head("a")


def test_a_missing_bucket_is_named_by_every_call(ceph, monkeypatch, tmp_path):
    ceph.use(monkeypatch)
    bucket = f"missing-{uuid.uuid4().hex}"
    store = S3Store(bucket, "p", ceph.spec())
    for call in (
        lambda: store.get("a"),
        lambda: store.head("a"),
        lambda: store.get_range("a", 0, 1),
        lambda: store.get_file("a", tmp_path / "a"),
        lambda: store.put("a", b""),
        lambda: store.put_if_absent("a", b""),
        lambda: store.delete("a"),
        lambda: [*store.list()],
    ):
        with pytest.raises(NotFoundError, match=f"no bucket '{bucket}' at {ceph.endpoint}; create it"):
            call()
