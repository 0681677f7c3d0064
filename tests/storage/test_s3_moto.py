import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import boto3
import pytest

from contracts.object_store import ObjectStoreContract, pattern
from facebatch.errors import StopError
from facebatch.storage.s3 import S3Store


class TestS3StoreOnMoto(ObjectStoreContract):
    @pytest.fixture
    def store(self, moto, monkeypatch):
        moto.use(monkeypatch)
        return moto.new_store()


@pytest.fixture
def client(moto, monkeypatch):
    """boto3 itself, to make and see what S3Store does not."""
    moto.use(monkeypatch)
    client = boto3.client("s3", endpoint_url=moto.endpoint)
    yield client
    client.close()


def full_key(store, key):
    return f"{store.uri.split('/', 3)[3]}/{key}"


def test_folder_markers_are_not_listed_and_impossible_keys_stop_the_listing(moto, client):
    store = moto.new_store()
    for key in ("", "a/", "a/x"):
        client.put_object(Bucket=moto.bucket, Key=full_key(store, key), Body=b"")
    assert [info.key for info in store.list()] == ["a/x"]
    client.put_object(Bucket=moto.bucket, Key=full_key(store, "a//y"), Body=b"data")
    with pytest.raises(StopError, match=f"{store.uri}: 'a//y' cannot be a key"):
        [*store.list()]


def test_prefixes_of_one_bucket_do_not_see_each_other(moto, client):
    one = moto.new_store()
    longer = S3Store(moto.bucket, one.uri.split("/", 3)[3] + "0", moto.spec())
    one.put("a", b"one")
    longer.put("a", b"longer")
    assert [info.key for info in one.list()] == [info.key for info in longer.list()] == ["a"]
    assert (one.get("a"), longer.get("a")) == (b"one", b"longer")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (None, None)),
        ({"encryption": "AES256"}, ("AES256", None)),
        ({"encryption": "aws:kms"}, ("aws:kms", None)),
        ({"encryption": "aws:kms", "kms_key_id": "key-1"}, ("aws:kms", "key-1")),
    ],
)
def test_encryption_is_asked_for_on_every_write(moto, client, tmp_path, changes, expected):
    store, data = moto.new_store(**changes), pattern(6 << 20)
    (tmp_path / "big").write_bytes(data)
    store.put("put", b"x")
    store.put_if_absent("first", b"x")
    store.put_file("big", tmp_path / "big")
    for key in ("put", "first", "big"):
        head = client.head_object(Bucket=moto.bucket, Key=full_key(store, key))
        assert (head.get("ServerSideEncryption"), head.get("SSEKMSKeyId")) == expected, key
    assert store.get("put") == b"x"
    assert store.get("big") == data


def test_a_browser_is_told_what_an_object_is(moto, client, tmp_path):
    store = moto.new_store()
    (tmp_path / "big").write_bytes(pattern(6 << 20))
    store.put("run/index.html", b"x")
    store.put_if_absent("case.json", b"{}")
    store.put_file("candidates.parquet", tmp_path / "big")
    store.put("segments/vectors", b"x")
    kinds = {
        "run/index.html": "text/html; charset=utf-8",
        "case.json": "application/json",
        "candidates.parquet": "application/vnd.apache.parquet",
        "segments/vectors": "application/octet-stream",
    }
    for key, kind in kinds.items():
        assert client.head_object(Bucket=moto.bucket, Key=full_key(store, key))["ContentType"] == kind


def test_another_process_makes_its_own_client(moto, monkeypatch):
    moto.use(monkeypatch)
    store = moto.new_store()
    store.put("parent", b"1")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(store.get, "parent").result() == b"1"
        pool.submit(store.put, "child", b"2").result()
    assert store.get("child") == b"2"


def test_a_store_that_lists_out_of_order_is_refused(moto):
    """S3 Express does so; no server at hand can be made to."""

    class Unordered(S3Store):
        def _send(self, origin, operation, params):
            item = {"Size": 1, "ETag": '"e"'}
            return {"Contents": [{"Key": "p/b", **item}, {"Key": "p/a", **item}], "IsTruncated": False}

    with pytest.raises(StopError, match="s3://b/p: the store does not list in order of key"):
        [*Unordered("b", "p", moto.spec()).list()]


@pytest.mark.parametrize(("endpoint", "bucket"), [("not a url", "bucket"), ("http://127.0.0.1:1", "No Such Name!")])
def test_settings_that_cannot_work_are_named_at_once(moto, monkeypatch, endpoint, bucket):
    moto.use(monkeypatch)
    with pytest.raises(StopError, match=r"^s3://.*/p/a: get_object cannot be sent to"):
        S3Store(bucket, "p", moto.spec(endpoint_url=endpoint)).get("a")
