"""One file, scanned for what must be gone from a gallery."""

from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.errors import NotFoundError
from facebatch.gallery.commits import find, read_part
from facebatch.gallery.contents import content_ids
from facebatch.gallery.deletions import DeletionRequest
from facebatch.gallery.earlier_ids import with_images
from facebatch.gallery.erasures import read_erased
from facebatch.gallery.masks import read_live
from facebatch.gallery.orders import read_orders
from facebatch.gallery.purge import DETAIL
from facebatch.gallery.snapshots import SegmentEntry, ShardEntry, Snapshot
from facebatch.gallery.template_ids import COLUMNS
from facebatch.gallery.tombstones import end_of, joined, read_tables
from facebatch.index.segment import SegmentManifest
from facebatch.pipelines.masking import members_in, read_members
from facebatch.pipelines.reindex_request import outstanding
from facebatch.storage import layout
from facebatch.storage.parquet import read_table
from facebatch.storage.store import ObjectStore
from facebatch.storage.tables import model_of


@dataclass(frozen=True, slots=True)
class Gone:
    """Who must not be found any more."""

    tombstones: pa.Array
    """Template ids that the head has erased; they may wait for compaction, masked."""
    templates: pa.Array
    """Those, and the template ids that an order or the request names."""
    once: pa.Array
    """Template ids under any tombstone that is stored. Those that the head lists again, unerased, need not be gone."""
    subjects: pa.Array
    images: pa.Array
    until: datetime
    """What expires before this time, aware UTC."""
    named: dict[str, int]
    """How many ids come from where; `once` is left out."""
    contents: frozenset[str] = frozenset()
    """What standing orders hold for under any name: `gallery.contents.content_ids`."""
    models: tuple[str, ...] = ()
    """Fingerprints of all models of the gallery, whose templates these ids may name."""

    def among(self, table: pa.Table) -> pa.ChunkedArray:
        """(rows,): which rows of a template part must be gone by themselves. Pure."""
        due = pc.less(table["expires_at"], pa.scalar(self.until, pa.timestamp("us", "UTC")))
        others = tuple(model for model in self.models if model != model_of(table))
        found = pc.or_(pc.fill_null(due, False), with_images(table, self.templates, others))
        for kind, ids in (("subject", self.subjects), ("image", self.images)):
            found = pc.or_(found, pc.is_in(table[f"{kind}_id"], value_set=ids))
        if self.contents:
            same = [name in self.contents for name in content_ids(table)]
            found = pc.or_(found, pa.chunked_array([pa.array(same, pa.bool_())]))
        return found


@dataclass(frozen=True, slots=True)
class ShardScan:
    """What was found in the parts of one shard of the head."""

    shard: ShardEntry
    ids: pa.Array
    """Templates that must be gone."""
    unmasked: int
    """Of these: without a tombstone."""
    excused: pa.Array
    """Of the templates that must be gone by older files: those that need not, by this one."""
    ledger_waiting: int
    """Ledger rows that tell of images all of whose templates must be gone."""
    ledger_left: int
    """Ledger rows that tell of images whose templates were purged."""


@dataclass(frozen=True, slots=True)
class SegmentScan:
    """What was found in the rows of one segment. Its other files hold the same rows, and name no template."""

    segment_id: str
    rows: int
    searchable: int
    """Live rows that must be gone."""
    waiting: int
    """Masked rows that must be gone."""
    others: int
    """Masked rows of images that were replaced or withdrawn."""


def read_gone(store: ObjectStore, head: Snapshot, request: DeletionRequest | None, as_of: date) -> Gone:
    """From the tombstones, the head's standing orders, a request, and the day by whose end templates expire."""
    orders = read_orders(store, head.orders)
    asked = outstanding(request, orders, thorough=True)
    erased = joined(read_tables(store, head.tombstones))["template_id"].combine_chunks()
    stored = [read_erased(store, info.key) for info in store.list(layout.TOMBSTONES)]

    def ids(kind: str, *more: str) -> pa.Array:
        own = [deletion.id for deletion in asked.deletions if deletion.kind == kind] if asked else []
        return pa.array(sorted({*own, *more}), pa.string())

    return Gone(
        tombstones=erased,
        templates=ids("template", *orders.of("template"), *erased.to_pylist()),
        subjects=ids("subject", *orders.of("subject")),
        images=ids("image"),
        once=joined(stored)["template_id"].combine_chunks(),
        until=end_of(as_of),
        named={
            "tombstones": len(erased),
            "standing orders": len(orders.orders),
            "deletions asked": len(asked.deletions) if asked else 0,
        },
        contents=frozenset(orders.by_content()),
        models=tuple(sorted({*head.earlier_models, head.model})),
    )


def scan_shard(store: ObjectStore, shard: ShardEntry, gone: Gone, doubtful: pa.Array) -> ShardScan:
    """Read the template part and the ledger of a shard of the head. `doubtful` are template ids from older files."""
    table = read_table(read_part(store, shard.templates), kind="templates", origin=shard.templates.key)
    among = gone.among(table)
    table = table.select(COLUMNS)
    hits, rest = table.filter(among), table.filter(pc.invert(among))
    ledger = read_table(read_part(store, shard.ledger), kind="ledger", origin=shard.ledger.key)
    image_ids = ledger["image_id"]
    erased = pc.and_not(_is_in(image_ids, hits["image_id"]), _is_in(image_ids, rest["image_id"]))
    return ShardScan(
        shard=shard,
        ids=hits["template_id"].combine_chunks(),
        unmasked=hits.num_rows - _count(_is_in(hits["template_id"], gone.tombstones)),
        excused=rest["template_id"].filter(_is_in(rest["template_id"], doubtful)).combine_chunks(),
        ledger_waiting=_count(erased),
        ledger_left=_count(_details_left(ledger, table["image_id"])),
    )


def _details_left(ledger: pa.Table, image_ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """(rows,): which rows tell of an image that had templates and has none in the part, or were blanked in part."""
    is_blank = pc.equal(ledger["image_id"], "")
    purged = pc.and_not(pc.greater(ledger["faces_kept"], 0), _is_in(ledger["image_id"], image_ids))
    told = pc.not_equal(ledger["member"], "")
    for name in DETAIL:
        told = pc.or_(told, pc.is_valid(ledger[name]))
    return pc.or_(pc.and_not(purged, is_blank), pc.and_(is_blank, told))


def scan_part(store: ObjectStore, key: str, gone: Gone) -> pa.Array:
    """Templates that must be gone, as far as this file and tombstones tell, in a template part that the head does not
    list. Empty when it was just collected.
    """
    try:
        data = store.get(key)
    except NotFoundError:
        return pa.array([], pa.string())
    table = read_table(data, kind="templates", origin=f"{store.uri}/{key}")
    found = pc.or_(gone.among(table), _is_in(table["template_id"], gone.once))
    return table.filter(found)["template_id"].combine_chunks()


def scan_segment(store: ObjectStore, segment: SegmentEntry, ids: pa.Array, gone: Gone) -> SegmentScan:
    """Read the members and the mask of a segment of the head. `ids` are templates that must be gone."""
    found, live = _named(read_members(store, segment), ids, gone), read_live(store, segment)
    searchable = _count(found if live is None else pc.and_(found, pa.array(live)))
    waiting = _count(found) - searchable
    return SegmentScan(
        segment_id=segment.segment_id,
        rows=segment.rows,
        searchable=searchable,
        waiting=waiting,
        others=segment.rows - segment.live_rows - waiting,
    )


def scan_members(store: ObjectStore, segment_id: str, ids: pa.Array, gone: Gone) -> int:
    """Rows that must be gone, in a segment that the head does not list. 0 when it was just collected."""
    manifest = find(store, layout.segment_manifest(segment_id), SegmentManifest)
    if manifest is None:
        return 0
    return _count(_named(members_in(store, manifest), ids, gone))


def _named(members: pa.Table, ids: pa.Array, gone: Gone) -> pa.Array:
    found = pc.or_(_is_in(members["template_id"], ids), _is_in(members["subject_id"], gone.subjects))
    return found.combine_chunks()


def _is_in(values: pa.ChunkedArray, ids: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_in(values, value_set=ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids)


def _count(found: pa.Array | pa.ChunkedArray) -> int:
    return int(pc.sum(found).as_py() or 0)
