"""Templates erased since an older snapshot: a rollback to it must not bring them back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl
import pyarrow as pa

from facebatch.errors import CorruptError
from facebatch.gallery import snapshots
from facebatch.gallery.commits import PartFile, read_part
from facebatch.gallery.contents import FACE, IMAGE
from facebatch.gallery.earlier_ids import models_before
from facebatch.gallery.history import numbers
from facebatch.gallery.leases import SKEW
from facebatch.gallery.orders import Orders, read_orders
from facebatch.gallery.snapshots import Snapshot
from facebatch.gallery.tombstones import end_of, expired, joined, ordered, read_tables
from facebatch.schemas import TOMBSTONES
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.parquet import read_table
from facebatch.storage.store import ObjectStore

READ_AT_ONCE = 8
_ERASURE = ("reason", "authority", "erased_at")


@dataclass(frozen=True, slots=True)
class Erasures:
    """What was erased after a snapshot."""

    tombstones: pl.DataFrame
    """Columns of `schemas.TOMBSTONES`, each template once."""
    orders: Orders
    """Who must not be enrolled again."""
    models: tuple[str, ...] = ()
    """Fingerprints of other models than the snapshot's, whose templates the orders may name."""


def later_erasures(store: ObjectStore, older: Snapshot, head: Snapshot) -> Erasures:
    """Erasures that came after a snapshot, and the standing orders.

    From the tables that later snapshots list, and from those stored since, whose snapshots may have been collected.
    """
    newer = (snapshots.read(store, seq) for seq in numbers(store) if seq > older.seq)
    keys = {part.key for snapshot in newer for part in snapshot.tombstones}
    since = older.created_at - SKEW
    for info in store.list(layout.TOMBSTONES):
        if info.modified is None or info.modified.astimezone(UTC) >= since:
            keys.add(info.key)
    keys -= {part.key for part in older.tombstones}
    table = pl.DataFrame(joined([read_erased(store, key) for key in sorted(keys)]))
    once = table.unique("template_id", keep="first", maintain_order=True) if keys else table
    return Erasures(once, read_orders(store, head.orders), models_before(head, older.model))


def returning(store: ObjectStore, older: Snapshot, erasures: Erasures) -> pa.Table:
    """`schemas.TOMBSTONES` of the live templates of a snapshot that were erased later, sorted by template_id.

    A template counts when a tombstone or an order names it, an order its subject, or a tombstone its image, which gets
    other template ids when it is embedded anew; or when it expires by the end of today, since one that was purged in
    the run that it expired in left no tombstone. Reads the template parts in which something expired, and all of them
    where anything was erased.
    """
    today = datetime.now(UTC).date()
    shards = older.shards
    if erasures.tombstones.is_empty() and not erasures.orders.orders:
        shards = tuple(shard for shard in shards if shard.next_expiry and shard.next_expiry < end_of(today))
    if not shards:
        return TOMBSTONES.empty_table()
    own = pl.DataFrame(joined(read_tables(store, older.tombstones)).select(["template_id"]))
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        found = list(pool.map(lambda shard: _match(store, shard.templates, erasures, own, today), shards))
    rows = pl.concat([pl.DataFrame(TOMBSTONES.empty_table()), *found]).sort("template_id")
    return rows.to_arrow().cast(TOMBSTONES)


def read_erased(store: ObjectStore, key: str) -> pa.Table:
    """`schemas.TOMBSTONES` by key, whether a snapshot lists them or not. CorruptError when they are not what the key
    says.
    """
    data = store.get(key)
    if layout.tombstones(digest(data)) != key:
        raise CorruptError(f"{store.uri}/{key}: its content is not what its name says; restore it from a replica")
    return read_table(data, kind="tombstones", origin=key)


def _match(store: ObjectStore, part: PartFile, erasures: Erasures, own: pl.DataFrame, today: date) -> pl.DataFrame:
    table = read_table(read_part(store, part), kind="templates", origin=part.key)
    named = table.select(["template_id", "subject_id", "image_id", IMAGE, FACE])
    live = pl.DataFrame(named).join(own, on="template_id", how="anti")
    erased = erasures.tombstones
    images = erased.select("image_id", *_ERASURE).unique("image_id", keep="first", maintain_order=True)
    found = [
        live.join(erased.select("template_id", *_ERASURE), on="template_id"),
        pl.DataFrame(ordered(named, erasures.orders, erasures.models)).join(live, on="template_id", how="semi"),
        live.join(images, on="image_id"),
        pl.DataFrame(expired(table, today)).join(live, on="template_id", how="semi"),
    ]
    rows = pl.concat([rows.select(TOMBSTONES.names) for rows in found])
    return rows.unique("template_id", keep="first", maintain_order=True)
