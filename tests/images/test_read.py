"""From a listed shard to its images, through real stores."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebatch.errors import ShardError, StaleError
from facebatch.images.loose import READERS
from facebatch.images.read import read_shard
from facebatch.images.records import EncodedImage
from facebatch.images.shards import list_shards
from facebatch.images.source import FieldsSpec, SourceSpec
from facebatch.schemas import Outcome
from facebatch.storage.settings import S3Spec
from images.makers import jpeg, tar

A, B = jpeg(20, 20), jpeg(21, 20)
S3 = S3Spec()


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def read(source, tmp_path):
    return [list(read_shard(shard, source, S3, tmp_path / "work")) for shard in list_shards(source, S3)]


def test_tar_and_parquet_files_leave_nothing_behind(root, tmp_path):
    (root / "x").mkdir()
    (root / "x" / "a.tar").write_bytes(tar([("1.jpg", A), ("2.jpg", B)]))
    source = SourceSpec(uri=str(root))
    ((one, two),) = read(source, tmp_path)
    assert (one.image_id, one.data, two.data) == ("x/a.tar/1.jpg", A, B)
    assert list((tmp_path / "work").iterdir()) == []
    pq.write_table(pa.table({"image": [A]}), root / "b.parquet")
    (((row,)),) = read(SourceSpec(uri=str(root / "b.parquet")), tmp_path)
    assert (row.image_id, row.data) == ("b.parquet/00000000", A)
    assert list((tmp_path / "work").iterdir()) == []


def test_a_reader_that_is_left_early_cleans_up(root, tmp_path):
    (root / "a.tar").write_bytes(tar([("1.jpg", A), ("2.jpg", B)]))
    source = SourceSpec(uri=str(root))
    (shard,) = list_shards(source, S3)
    results = read_shard(shard, source, S3, tmp_path / "work")
    next(results)
    assert len(list((tmp_path / "work").iterdir())) == 1
    results.close()
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("change", [lambda p: p.write_bytes(tar([("3.jpg", A)])), lambda p: p.unlink()])
def test_a_changed_shard_is_stale(root, tmp_path, change):
    path = root / "a.tar"
    path.write_bytes(tar([("1.jpg", A)]))
    source = SourceSpec(uri=str(root))
    (shard,) = list_shards(source, S3)
    change(path)
    os.utime(root, ns=(1, 1))
    with pytest.raises(StaleError, match=r"a.tar has changed since it was listed"):
        list(read_shard(shard, source, S3, tmp_path / "work"))
    assert list((tmp_path / "work").iterdir()) == []


def test_a_damaged_shard_names_itself(root, tmp_path):
    (root / "a.tar").write_bytes(b"")
    with pytest.raises(ShardError, match=r"root/a.tar is empty: 0 bytes"):
        read(SourceSpec(uri=str(root)), tmp_path)


def test_loose_images_in_order(root, tmp_path):
    for i in range(3 * READERS):
        folder = root / f"s{i % 3}"
        folder.mkdir(exist_ok=True)
        (folder / f"{i:03d}.jpg").write_bytes(jpeg(20 + i, 20))
    source = SourceSpec(uri=str(root), images_per_shard=100, fields=FieldsSpec(subject_id="folder"))
    results = [result for shard in read(source, tmp_path) for result in shard]
    assert [r.image_id for r in results] == sorted(f"s{i % 3}/{i:03d}.jpg" for i in range(3 * READERS))
    assert all(r.subject_id == r.image_id[:2] and r.data == (root / r.image_id).read_bytes() for r in results)


def test_loose_images_that_go_no_further(root, tmp_path):
    for name, data in {"1.jpg": A, "2.jpg": B + b"\0" * 5000, "3.jpg": b"a text"}.items():
        (root / name).write_bytes(data)
    rows = ["uri,expires_at", "1.jpg,", "2.jpg,", "3.jpg,", "gone.jpg,", "1.jpg?,tomorrow"]
    (root / "list.csv").write_text("\n".join(rows))
    source = SourceSpec(uri=str(root / "list.csv"), max_image_bytes=len(B) + 100)
    ((one, two, three, gone, bad),) = read(source, tmp_path)
    assert (one.data, three.data) == (A, b"a text")
    assert [r.outcome for r in (two, gone, bad)] == [Outcome.TOO_LARGE, Outcome.MISSING, Outcome.METADATA_ERROR]
    assert all(r.reason for r in (two, gone, bad))


def test_loose_images_changed_or_gone_since_listing(root, tmp_path):
    for name in ("1.jpg", "2.jpg"):
        (root / name).write_bytes(A)
    source = SourceSpec(uri=str(root))
    (shard,) = list_shards(source, S3)
    (root / "1.jpg").unlink()
    gone, two = read_shard(shard, source, S3, tmp_path)
    assert gone.outcome == Outcome.MISSING
    assert isinstance(two, EncodedImage)
    (root / "2.jpg").write_bytes(B)
    with pytest.raises(StaleError, match=r"root/2.jpg has changed"):
        list(read_shard(shard, source, S3, tmp_path))


def test_loose_reading_can_be_left_early(root, tmp_path):
    for i in range(20):
        (root / f"{i}.jpg").write_bytes(A)
    source = SourceSpec(uri=str(root), images_per_shard=100)
    shard = max(list_shards(source, S3), key=lambda s: len(s.members))
    results = read_shard(shard, source, S3, tmp_path)
    assert next(results).data == A
    results.close()
    with pytest.raises(StopIteration):
        next(results)


def test_links_inside_the_source_are_followed(root, tmp_path):
    (root / "a").mkdir()
    (root / "b").mkdir()
    (root / "a" / "1.jpg").write_bytes(A)
    (root / "b" / "2.jpg").symlink_to(root / "a" / "1.jpg")
    results = [result for shard in read(SourceSpec(uri=str(root)), tmp_path) for result in shard]
    assert [(r.image_id, r.data) for r in results] == [("a/1.jpg", A), ("b/2.jpg", A)]
