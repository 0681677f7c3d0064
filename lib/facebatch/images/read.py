"""From a listed shard to its images: fetched through the object store, one result per image, in the shard's order."""

import uuid
from collections.abc import Iterator
from pathlib import Path

from facebatch.errors import NotFoundError, StaleError
from facebatch.images.loose import read_loose
from facebatch.images.records import EncodedImage, ImageShard, Reject
from facebatch.images.source import SourceSpec
from facebatch.images.table import read_table
from facebatch.images.tar import read_tar
from facebatch.storage.open import open_store, split_object
from facebatch.storage.settings import S3Spec


def read_shard(shard: ImageShard, source: SourceSpec, s3: S3Spec, workdir: Path) -> Iterator[EncodedImage | Reject]:
    """Every image of the shard, or why it goes no further. A tar or Parquet shard is a file in `workdir` meanwhile.

    Never an exception because of one image. ShardError when the shard as a whole is cut, damaged or too long, after
    the images before the damage. StaleError when it has changed since it was listed.
    """
    if shard.kind == "objects":
        yield from read_loose(shard, source, s3)
        return
    workdir.mkdir(parents=True, exist_ok=True)
    path = workdir / f"{uuid.uuid4().hex}.{shard.kind}"
    try:
        _fetch(shard, s3, path)
        reader = read_tar if shard.kind == "tar" else read_table
        yield from reader(path, shard.uri, shard.name or shard.uri.rsplit("/", 1)[-1], source)
    finally:
        path.unlink(missing_ok=True)


def _fetch(shard: ImageShard, s3: S3Spec, path: Path) -> None:
    """The bytes that were listed, or StaleError. A swap between HEAD and GET shows in the next listing's etag."""
    root, key = split_object(shard.uri)
    store = open_store(root, s3)
    try:
        same = store.head(key).etag == shard.etag
        if same:
            store.get_file(key, path)
            same = path.stat().st_size == shard.size
    except NotFoundError:
        same = False
    if not same:
        raise StaleError(f"{shard.uri} has changed since it was listed; run the job again")
