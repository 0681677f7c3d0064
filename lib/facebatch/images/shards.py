"""What lies at a source, as shards: the units of embedding work. Nothing but names, sizes and footers is read."""

import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from facebatch.errors import ConfigError, NotFoundError
from facebatch.images.grouping import grouped
from facebatch.images.manifest import MAX_MANIFEST_BYTES, SUFFIXES, read_manifest
from facebatch.images.names import IMAGE_SUFFIXES, suffix
from facebatch.images.records import ImageShard, Member
from facebatch.images.source import SourceSpec
from facebatch.images.table import is_image_type
from facebatch.storage.open import open_store, split_object
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectInfo, ObjectStore

Kind = Literal["tar", "parquet", "manifest", "folder"]

_FOOTERS = 16
"""Parquet footers fetched at a time."""
_FOOTER_GUESS = 64 << 10
"""Bytes that hold most footers."""

_log = logging.getLogger(__name__)


def list_shards(source: SourceSpec, s3: S3Spec) -> list[ImageShard]:
    """All shards of the source, sorted by URI; no two share one.

    NotFoundError when nothing of the kind lies there. ConfigError when several kinds lie there and the source does
    not say which, or when a row of a manifest cannot be used.
    """
    single = _single(source.uri, s3)
    shards = _of_file(*single, source, s3) if single else _of_folder(open_store(source.uri, s3), source)
    if not shards:
        raise NotFoundError(f"{source.uri}: nothing found; looked for {_LOOKED_FOR[source.kind]}")
    return sorted(shards, key=lambda shard: shard.uri)


_LOOKED_FOR = {
    "auto": ".tar files, .parquet files with the image column, images, or one manifest file",
    "tar": ".tar files",
    "parquet": ".parquet files with the image column",
    "manifest": "a .csv, .jsonl or .parquet file with rows; give the file itself",
    "folder": f"images ({', '.join(sorted(IMAGE_SUFFIXES))})",
}


def _single(uri: str, s3: S3Spec) -> tuple[ObjectStore, ObjectInfo] | None:
    """The one object that the URI names, None where it names a folder or prefix."""
    try:
        folder, key = split_object(uri)
        store = open_store(folder, s3)
        return store, store.head(key)
    except (ConfigError, NotFoundError):
        return None


def _of_file(store: ObjectStore, info: ObjectInfo, source: SourceSpec, s3: S3Spec) -> list[ImageShard]:
    kind = source.kind if source.kind != "auto" else _kind_of_file(store, info, source)
    if kind == "folder":
        raise ConfigError(f"{source.uri} is a file; give the folder it is in, or a manifest")
    if kind == "manifest":
        uri = f"{store.uri}/{info.key}"
        data = store.get(info.key, max_bytes=MAX_MANIFEST_BYTES)
        return list(grouped(read_manifest(data, uri, source, s3), source.images_per_shard, uri))
    return [_whole(store, info, kind)]


def _kind_of_file(store: ObjectStore, info: ObjectInfo, source: SourceSpec) -> Kind:
    ending = suffix(info.key)
    if ending == ".tar":
        return "tar"
    if ending == ".parquet":
        schema = _schema(store, info)
        if schema is None or _has_images(schema, source):
            return "parquet"
        if source.uri_column in schema.names:
            return "manifest"
        columns = f"{source.image_column!r} with images, or {source.uri_column!r}"
        raise ConfigError(f"{source.uri}: no column {columns}; there are {', '.join(schema.names)}")
    if ending in SUFFIXES:
        return "manifest"
    raise ConfigError(
        f"{source.uri}: {ending or 'a file without suffix'} is no source; give an uncompressed .tar, "
        "a .parquet, a .csv or .jsonl manifest, or a folder"
    )


def _of_folder(store: ObjectStore, source: SourceSpec) -> list[ImageShard]:
    listed = [(info, _kind_of_name(info.key)) for info in store.list()]
    found = Counter(kind for _, kind in listed if kind)
    if source.kind == "manifest":
        return []
    if source.kind == "auto" and len(found) > 1:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(found.items()))
        raise ConfigError(f"{source.uri} holds files of several kinds ({counts}); set source.kind to one of them")
    kind = source.kind if source.kind != "auto" else next(iter(found), "folder")
    infos = [info for info, its in listed if its == kind]
    if kind == "tar":
        return [_whole(store, info, "tar") for info in infos]
    if kind == "parquet":
        return [_whole(store, info, "parquet") for info in _with_images(store, infos, source)]
    members = (_loose(store, info) for info in infos)
    return list(grouped(members, source.images_per_shard, store.uri))


def _kind_of_name(key: str) -> Literal["tar", "parquet", "folder"] | None:
    ending = suffix(key)
    if ending == ".tar":
        return "tar"
    if ending == ".parquet":
        return "parquet"
    return "folder" if ending in IMAGE_SUFFIXES else None


def _whole(store: ObjectStore, info: ObjectInfo, kind: Literal["tar", "parquet"]) -> ImageShard:
    return ImageShard(f"{store.uri}/{info.key}", kind, info.size, info.etag, name=info.key)


def _loose(store: ObjectStore, info: ObjectInfo) -> Member:
    """An image directly at the root lies in no folder of the source, so that strangers do not become one subject."""
    folder = info.key.rpartition("/")[0].rpartition("/")[2]
    fields = {"folder": folder} if folder else {}
    return Member(info.key, f"{store.uri}/{info.key}", info.size, info.etag, fields)


def _with_images(store: ObjectStore, infos: Sequence[ObjectInfo], source: SourceSpec) -> list[ObjectInfo]:
    """Files with the image column, and unreadable ones: their shard must fail rather than be left out in silence."""
    with ThreadPoolExecutor(_FOOTERS, thread_name_prefix="footer") as pool:
        schemas = list(pool.map(partial(_schema, store), infos))
    kept = [info for info, schema in zip(infos, schemas, strict=True) if schema is None or _has_images(schema, source)]
    if len(kept) < len(infos):
        _log.info("%s: %d .parquet files have no image column", source.uri, len(infos) - len(kept))
    return kept


def _has_images(schema: pa.Schema, source: SourceSpec) -> bool:
    return source.image_column in schema.names and is_image_type(schema.field(source.image_column).type)


def _schema(store: ObjectStore, info: ObjectInfo) -> pa.Schema | None:
    """The columns by the file's footer, which is at its end; None where there is no readable one."""
    tail = store.get_range(info.key, max(0, info.size - _FOOTER_GUESS), _FOOTER_GUESS)
    needed = int.from_bytes(tail[-8:-4], "little") + 8
    if len(tail) < needed <= info.size:
        tail = store.get_range(info.key, info.size - needed, needed)
    try:
        return pq.read_schema(pa.BufferReader(tail))
    except (pa.ArrowException, OSError, ValueError):
        return None
