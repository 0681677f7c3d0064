"""Listing: what counts as a shard, in which order, under which name."""

import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebatch.errors import ConfigError, NotFoundError
from facebatch.images.shards import list_shards
from facebatch.images.source import SourceSpec
from facebatch.storage.memory import MemoryStore
from facebatch.storage.settings import S3Spec
from images.makers import jpeg, tar

A = jpeg(20, 20)
S3 = S3Spec()


def parquet(columns) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


@pytest.fixture(params=["folder", "memory"])
def place(request, tmp_path):
    """Put objects below a fresh root; gives its URI."""

    def fill(objects):
        if request.param == "folder":
            for key, data in objects.items():
                path = tmp_path / "root" / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            return str(tmp_path / "root")
        name = tmp_path.name
        for key, data in objects.items():
            MemoryStore(name, "root").put(key, data)
        return f"memory://{name}/root"

    return fill


def listed(uri, **source):
    return list_shards(SourceSpec(uri=uri, **source), S3)


def test_tars(place):
    root = place({"b.tar": tar([("1.jpg", A)]), "a/x.TAR": b"", "note.txt": b"", "c.tar.gz": b"x"})
    shards = listed(root)
    assert [(s.uri, s.kind, s.name) for s in shards] == [
        (f"{root}/a/x.TAR", "tar", "a/x.TAR"), (f"{root}/b.tar", "tar", "b.tar"),
    ]  # fmt: skip
    assert shards[0].size == 0
    assert all(s.etag for s in shards)
    assert listed(root + "/") == shards
    assert pickle.loads(pickle.dumps(shards)) == shards


def test_one_tar(place):
    root = place({"deep/b.tar": tar([])})
    (shard,) = listed(f"{root}/deep/b.tar")
    assert (shard.uri, shard.kind, shard.name) == (f"{root}/deep/b.tar", "tar", "b.tar")
    odd = place({"deep/shard": tar([])})
    assert [s.kind for s in listed(f"{odd}/deep/shard", kind="tar")] == ["tar"]


def test_parquet_shards_are_those_with_images(place):
    wide = {f"column_{i:04d}_{'x' * 40}": [i] for i in range(2000)}  # a footer above the first guess
    root = place({
        "a.parquet": parquet({"image": [A], **wide}), "b.parquet": parquet({"subject_id": ["s"]}),
        "c.parquet": parquet({"image": pa.array([{"bytes": A, "path": ""}])}), "d.parquet": b"damaged",
        "e.parquet": parquet({"image": [1]}),
    })  # fmt: skip
    assert [s.name for s in listed(root)] == ["a.parquet", "c.parquet", "d.parquet"]
    assert {s.kind for s in listed(root)} == {"parquet"}
    with pytest.raises(NotFoundError, match="image column"):
        listed(root + "/b.parquet/x", kind="parquet")


def test_a_single_parquet_file_is_told_by_its_columns(place):
    root = place({"i.parquet": parquet({"image": [A]}), "m.parquet": parquet({"uri": ["x.jpg"]}),
                  "n.parquet": parquet({"other": [1]}), "x.jpg": A})  # fmt: skip
    assert [s.kind for s in listed(f"{root}/i.parquet")] == ["parquet"]
    assert [s.kind for s in listed(f"{root}/m.parquet")] == ["objects"]
    with pytest.raises(ConfigError, match=r"n.parquet.*'image'.*'uri'.*other"):
        listed(f"{root}/n.parquet")


def test_folder_of_images(place):
    objects = {"s1/1.jpg": A, "s1/2.PNG": A, "deep/s2/3.jpeg": A, "4.webp": b"text", "labels.csv": b"x",
               ".DS_Store": b"", "s1/5.gif": A, "s1/readme": b""}  # fmt: skip
    root = place(objects)
    members = [member for shard in listed(root) for member in shard.members]
    assert {m.image_id: m.fields for m in members} == {
        "s1/1.jpg": {"folder": "s1"}, "s1/2.PNG": {"folder": "s1"}, "deep/s2/3.jpeg": {"folder": "s2"}, "4.webp": {},
    }  # fmt: skip
    assert all(m.uri == f"{root}/{m.image_id}" and m.size == len(objects[m.image_id]) and m.etag for m in members)


def test_folder_in_several_shards(place):
    root = place({f"{i:03d}.jpg": A for i in range(40)})
    shards = listed(root, images_per_shard=4)
    assert len(shards) > 5
    assert shards == sorted(shards, key=lambda shard: shard.uri)
    assert {m.image_id for s in shards for m in s.members} == {f"{i:03d}.jpg" for i in range(40)}
    assert all(s.uri == f"{root}#{s.members[0].image_id}" and s.kind == "objects" for s in shards)


def test_kinds_are_not_mixed_in_silence(place):
    root = place({"a.tar": tar([]), "b.jpg": A})
    with pytest.raises(ConfigError, match=r"several kinds \(1 folder, 1 tar\); set source.kind"):
        listed(root)
    assert [s.kind for s in listed(root, kind="tar")] == ["tar"]
    assert [s.kind for s in listed(root, kind="folder")] == ["objects"]


@pytest.mark.parametrize("kind", ["auto", "tar", "parquet", "folder", "manifest"])
def test_nothing_there_says_what_was_looked_for(place, kind):
    root = place({"readme.txt": b"x"})
    with pytest.raises(NotFoundError, match="nothing found; looked for"):
        listed(root, kind=kind)
    with pytest.raises(NotFoundError, match="absent"):
        listed(f"{root}/absent", kind=kind)


@pytest.mark.parametrize(("name", "told"), [("a.tar.gz", "uncompressed"), ("a.jpg", "folder"), ("a", "without suffix")])
def test_files_that_are_no_source(place, name, told):
    root = place({name: A})
    with pytest.raises(ConfigError, match=told):
        listed(f"{root}/{name}")
    with pytest.raises(ConfigError, match="give the folder"):
        listed(f"{root}/{name}", kind="folder")


def test_a_changed_image_changes_its_shard_only(place):
    objects = {f"{i:03d}.jpg": A for i in range(40)}
    before = listed(place(objects), images_per_shard=4)
    after = listed(place({"020.jpg": jpeg(30, 30)}), images_per_shard=4)
    assert [s.uri for s in before] == [s.uri for s in after]
    assert sum(old.etag != new.etag for old, new in zip(before, after, strict=True)) == 1
