import os

import pytest

from facebatch.errors import ConfigError
from facebatch.storage.local import LocalStore
from facebatch.storage.memory import MemoryStore
from facebatch.storage.open import open_store, split_object
from facebatch.storage.s3 import S3Store
from facebatch.storage.settings import S3Spec


@pytest.mark.parametrize(
    ("uri", "kind", "found"),
    [
        ("/a/b", LocalStore, "/a/b"),
        ("/a/b/", LocalStore, "/a/b"),
        ("/a b/c:d", LocalStore, "/a b/c:d"),
        ("file:///a%20b/c", LocalStore, "/a b/c"),
        ("file://localhost/a", LocalStore, "/a"),
        ("s3://bucket", S3Store, "s3://bucket"),
        ("s3://bucket/", S3Store, "s3://bucket"),
        ("s3://bucket/p/q/", S3Store, "s3://bucket/p/q"),
        ("S3://bucket/p%20q", S3Store, "s3://bucket/p%20q"),
        ("memory://name", MemoryStore, "memory://name"),
        ("memory://name/p", MemoryStore, "memory://name/p"),
    ],
)
def test_a_uri_opens_the_store_that_holds_it(uri, kind, found):
    store = open_store(uri)
    assert type(store) is kind
    assert store.uri == found
    assert open_store(store.uri).uri == found


def test_relative_and_home_paths_are_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/x")
    assert open_store("p/q").uri == os.path.join(tmp_path, "p/q")
    assert open_store("~/p").uri == "/home/x/p"


def test_s3_settings_reach_the_store(moto, monkeypatch):
    moto.use(monkeypatch)
    store = open_store(f"s3://{moto.bucket}/settings", S3Spec(endpoint_url=moto.endpoint, addressing="path"))
    store.put("a", b"x")
    assert [info.key for info in open_store(f"s3://{moto.bucket}", moto.spec()).list("settings/")] == ["settings/a"]


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        ("gs://bucket/p", "'gs'"),
        ("s3a://bucket/p", "'s3a'"),
        ("https://host/x", "'https'"),
        ("s3://", "s3://name/prefix"),
        ("s3:///p", "s3://name/prefix"),
        ("s3://bucket//p", "s3://name/prefix"),
        ("s3://bucket/a/../b", "s3://name/prefix"),
        ("memory://", "memory://name/prefix"),
        ("file://host/a", "no host"),
        ("file://", "absolute path"),
        ("", "empty URI"),
    ],
)
def test_what_cannot_be_opened_is_a_config_error(uri, named):
    with pytest.raises(ConfigError, match=named) as caught:
        open_store(uri)
    assert repr(uri) in str(caught.value) or not uri


@pytest.mark.parametrize(
    ("uri", "root", "key"),
    [
        ("s3://b/p/x.tar", "s3://b/p", "x.tar"),
        ("s3://b/x.tar", "s3://b", "x.tar"),
        ("memory://n/x", "memory://n", "x"),
        ("/a/b/x.jpg", "/a/b", "x.jpg"),
        ("/x.jpg", "/", "x.jpg"),
        ("x.jpg", ".", "x.jpg"),
        ("a/x.jpg", "a", "x.jpg"),
        ("file:///a%20b/x%20y.jpg", "/a b", "x y.jpg"),
    ],
)
def test_an_object_is_split_into_its_folder_and_its_name(uri, root, key):
    assert split_object(uri) == (root, key)
    assert open_store(root).uri


@pytest.mark.parametrize("uri", ["s3://b", "s3://b/", "s3://b/p/", "/a/b/", "/a/..", ".", "", "gs://b/x"])
def test_what_is_no_single_object_is_refused(uri):
    with pytest.raises(ConfigError):
        split_object(uri)


def test_the_parts_lead_back_to_the_object(tmp_path):
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "x%20y.jpg").write_bytes(b"photo")
    root, key = split_object(f"{tmp_path}/a b/x%20y.jpg")
    assert open_store(root).get(key) == b"photo"
    root, key = split_object((tmp_path / "a b" / "x%20y.jpg").as_uri())
    assert open_store(root).get(key) == b"photo"
