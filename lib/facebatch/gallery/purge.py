"""A shard without its erased templates: its parts written anew, and no detail of an erased image in its ledger."""

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.gallery.capture_times import capture_times
from facebatch.gallery.commits import PartFile, read_part
from facebatch.gallery.snapshots import ShardEntry
from facebatch.schemas import LEDGER
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.parquet import read_table, read_templates, write_table
from facebatch.storage.store import ObjectStore

ERASED = "erased"
"""Reason in the ledger row of an image all of whose templates were purged."""
DETAIL = ("image_sha256", "width", "height")
"""Columns of the ledger that are empty in such a row; image_id and member are empty texts."""


def purge(store: ObjectStore, shard: ShardEntry, template_ids: pa.Array, model: str) -> ShardEntry:
    """The shard without these templates; the same one where it has none of them.

    The ledger keeps a row for each image, with its outcome and counts. The commit still names the old parts, which
    garbage collection settles when no snapshot refers to them any more.
    """
    table = read_templates(read_part(store, shard.templates), shard.templates.key)
    erased = pc.is_in(table["template_id"], value_set=template_ids)
    kept, gone = table.filter(pc.invert(erased)), table.filter(erased)
    if gone.num_rows == 0:
        return shard
    images = gone["image_id"].filter(pc.invert(pc.is_in(gone["image_id"], value_set=kept["image_id"].combine_chunks())))
    ledger = read_table(read_part(store, shard.ledger), kind="ledger", origin=shard.ledger.key)
    blank = _blanked(ledger, images.combine_chunks())
    return shard.model_copy(
        update={
            "templates": _put(store, layout.TEMPLATES, shard.shard_key, kept, model),
            "ledger": _put(store, layout.LEDGER, shard.shard_key, blank, model),
            "captured": capture_times(kept),
            "next_expiry": pc.min(kept["expires_at"]).as_py(),
        }
    )


def is_purged(shard: ShardEntry) -> bool:
    """Whether its parts were written by `purge`: no other parts are named by what they hold. Pure."""
    return shard.templates.key == _key(layout.TEMPLATES, shard.shard_key, shard.templates.sha256)


def _key(folder: str, shard_key: str, sha256: str) -> str:
    return layout.part(folder, shard_key, sha256[:12])


def _blanked(ledger: pa.Table, image_ids: pa.Array) -> pa.Table:
    """The ledger with nothing but outcome and counts in the rows of these images. Pure."""
    is_erased = pc.is_in(ledger["image_id"], value_set=image_ids)
    values: dict[str, object] = {
        "image_id": "",
        "member": "",
        "reason": ERASED,
        "rejected": [],
        **dict.fromkeys(DETAIL),
    }
    columns = {}
    for field in LEDGER:
        column = ledger[field.name]
        if field.name in values:
            column = pc.if_else(is_erased, pa.scalar(values[field.name], field.type), column)
        columns[field.name] = column
    return pa.table(columns, schema=LEDGER)


def _put(store: ObjectStore, folder: str, shard_key: str, table: pa.Table, model: str) -> PartFile:
    """Named by its content in place of an attempt, so that a repeated run writes the same object."""
    kind = "templates" if folder == layout.TEMPLATES else "ledger"
    data = write_table(table, kind=kind, model=model)
    key = _key(folder, shard_key, digest(data))
    store.put_if_absent(key, data)
    return PartFile(key=key, sha256=digest(data), size=len(data), rows=table.num_rows)
