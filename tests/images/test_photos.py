"""Every real photo decodes."""

import csv

import numpy as np
import pytest
from PIL import Image

from facebatch.images.decode import decode
from facebatch.images.read import read_shard
from facebatch.images.records import DecodedImage
from facebatch.images.shards import list_shards
from facebatch.images.source import DecodeSpec, SourceSpec
from facebatch.storage.settings import S3Spec

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("folder", "count", "longest"), [("london", 252, 512), ("orl", 400, 112)])
def test_every_photo_decodes(data_dir, tmp_path, folder, count, longest):
    source = SourceSpec(uri=str(data_dir / folder))
    images = [
        image for shard in list_shards(source, S3Spec()) for image in read_shard(shard, source, S3Spec(), tmp_path)
    ]
    assert len(images) == count
    for image in images:
        decoded = decode(image, DecodeSpec())
        assert isinstance(decoded, DecodedImage), (image.image_id, decoded)
        assert max(decoded.pixels.shape) == longest
        assert decoded.pixels.std() > 10
        assert decoded.note is None


def test_digests_are_those_recorded_with_the_photos(data_dir, tmp_path):
    with (data_dir / "london" / "labels.csv").open(newline="") as file:
        recorded = {row["sha256"] for row in csv.DictReader(file)}
    source = SourceSpec(uri=str(data_dir / "london"))
    read = {
        image.sha256
        for shard in list_shards(source, S3Spec())
        for image in read_shard(shard, source, S3Spec(), tmp_path)
    }
    assert read == recorded


def test_stripping_metadata_changes_no_photo(data_dir, tmp_path):
    source = SourceSpec(uri=str(data_dir / "london"))
    shard = list_shards(source, S3Spec())[0]
    for image in list(read_shard(shard, source, S3Spec(), tmp_path))[:20]:
        with Image.open(data_dir / "london" / image.image_id) as plain:
            expected = np.asarray(plain.convert("RGB"))[:, :, ::-1]
        assert np.array_equal(decode(image, DecodeSpec()).pixels, expected)
