"""What changed between two snapshots, template by template; parts that both list are not read."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from facebatch.gallery.commits import PartFile, read_part
from facebatch.gallery.history import ShardChanges, compare_shards
from facebatch.gallery.row_digests import digest_vectors
from facebatch.gallery.snapshots import Snapshot
from facebatch.schemas import TOMBSTONES
from facebatch.storage.parquet import embeddings, read_table
from facebatch.storage.store import ObjectStore

READ_AT_ONCE = 8
"""Parts read side by side."""
_NO_IDS = TOMBSTONES.empty_table().select(["template_id"])
_ROWS = pl.Schema({"template_id": pl.String, "image_id": pl.String, "face_index": pl.Int32, "vector": pl.UInt64})


@dataclass(frozen=True, slots=True)
class TemplateIds:
    """Which templates, each list sorted."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    re_embedded: tuple[str, ...]
    """As they are called in the newer snapshot."""


@dataclass(frozen=True, slots=True)
class Changes:
    """From an older to a newer snapshot."""

    older: int
    newer: int
    same_model: bool
    shards: ShardChanges
    added: int
    """Templates of faces that were not in the older snapshot."""
    removed: int
    """Templates of faces that are not in the newer one, erased ones among them."""
    erased: int
    """Of those removed: by a tombstone."""
    re_embedded: int
    """Templates of faces that are in both (by template_id, or by image_id and face_index) with another vector."""
    unchanged: int
    """Live templates with the same template_id and vector, also where these moved to another part."""
    parts_read: int
    parts: int
    """Template parts of both snapshots together, each once."""
    ids: TemplateIds


def compare(store: ObjectStore, older: Snapshot, newer: Snapshot) -> Changes:
    """Read the parts and tombstones that only one of the two lists, and compare their rows.

    Takes memory for the rows that are read, about 100 bytes each, and not for what both share.
    """
    before, after = _parts(older), _parts(newer)
    erased_before, erased_after = _erased(store, older), _erased(store, newer)
    old = _rows(store, [part for sha256, part in before.items() if sha256 not in after])
    new = _rows(store, [part for sha256, part in after.items() if sha256 not in before])
    gone = old.filter(~pl.col("template_id").is_in(erased_before.implode()))
    came = new.filter(~pl.col("template_id").is_in(erased_after.implode()))
    # Tombstones of templates in parts that both list, whose rows were not read.
    ended = erased_after.filter(~erased_after.is_in(erased_before) & ~erased_after.is_in(new["template_id"]))
    returned = erased_before.filter(~erased_before.is_in(erased_after) & ~erased_before.is_in(old["template_id"]))
    pairs = gone.join(came, on="template_id", suffix="_new")
    renamed = _others(gone, pairs).join(_others(came, pairs), on=["image_id", "face_index"], suffix="_new")
    re_embedded = pl.concat(
        [pairs.filter(pl.col("vector") != pl.col("vector_new"))["template_id"], renamed["template_id_new"]]
    )
    removed = pl.concat([_left(gone, pairs, renamed["template_id"]), ended])
    added = pl.concat([_left(came, pairs, renamed["template_id_new"]), returned])
    return Changes(
        older=older.seq,
        newer=newer.seq,
        same_model=older.model == newer.model,
        shards=compare_shards(older, newer),
        added=len(added),
        removed=len(removed),
        erased=int(removed.is_in(erased_after).sum()),
        re_embedded=len(re_embedded),
        unchanged=newer.templates - len(added) - len(re_embedded),
        parts_read=len(before.keys() ^ after.keys()),
        parts=len(before.keys() | after.keys()),
        ids=TemplateIds(_sorted(added), _sorted(removed), _sorted(re_embedded)),
    )


def _parts(snapshot: Snapshot) -> dict[str, PartFile]:
    return {shard.templates.sha256: shard.templates for shard in snapshot.shards}


def _rows(store: ObjectStore, parts: Iterable[PartFile]) -> pl.DataFrame:
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        frames = list(pool.map(lambda part: _read(store, part), parts))
    return pl.concat([_ROWS.to_frame(), *frames])


def _read(store: ObjectStore, part: PartFile) -> pl.DataFrame:
    table = read_table(read_part(store, part), kind="templates", origin=part.key)
    named = table.select(["template_id", "image_id", "face_index"])
    digests = digest_vectors(embeddings(table))
    return pl.DataFrame(named.append_column("vector", pa.array(digests, pa.uint64())), schema=_ROWS)


def _erased(store: ObjectStore, snapshot: Snapshot) -> pl.Series:
    """Template ids under the tombstones of a snapshot."""
    tables = [
        read_table(read_part(store, part), kind="tombstones", origin=part.key).select(["template_id"])
        for part in snapshot.tombstones
    ]
    return pl.DataFrame(pa.concat_tables([_NO_IDS, *tables]))["template_id"]


def _others(rows: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    return rows.join(pairs, on="template_id", how="anti")


def _left(rows: pl.DataFrame, pairs: pl.DataFrame, renamed: pl.Series) -> pl.Series:
    ids = _others(rows, pairs)["template_id"]
    return ids.filter(~ids.is_in(renamed))


def _sorted(ids: pl.Series) -> tuple[str, ...]:
    return tuple(ids.sort())
