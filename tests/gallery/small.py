"""A gallery of a few small shards, written by the real functions: commits, snapshots, segments, masks, tombstones."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import uuid4

import numpy as np
import pyarrow as pa

from facebatch.gallery import snapshots
from facebatch.gallery.commits import PartFile, ShardCommit, put_first, put_part
from facebatch.gallery.orders import Order, put_orders, read_orders, with_orders
from facebatch.gallery.snapshots import Snapshot
from facebatch.gallery.tombstones import after_embed, put_table
from facebatch.index.segment import plan_segments
from facebatch.index.spec import IndexSpec
from facebatch.pipelines.index import build_segment, segment_entry
from facebatch.pipelines.masking import mask
from facebatch.schemas import LEDGER, TIMINGS, TOMBSTONES
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.memory import MemoryStore
from facebatch.storage.parquet import read_table, write_table
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import SilentProgress
from synthetic import template_table, unit

DIM = 8
MODEL = "0" * 64
QUIET = SilentProgress()
SEGMENTS = IndexSpec(kind="Flat", segment_rows=6)
_attempts = itertools.count()


@dataclass(frozen=True)
class Shard:
    """Rows templates named <name>000000 and on, two of each subject; another version has other vectors, and other days
    only make another part.
    """

    name: str
    rows: int = 3
    version: int = 0
    model: str = MODEL
    expires: tuple[datetime, ...] = ()
    """When the first rows expire; the others never do."""
    photos: str = ""
    """Which image files they are of: row i of equal names has the same one. Absent: its own."""

    @property
    def key(self) -> str:
        days = "".join(f" {time:%F}" for time in self.expires)
        return digest(f"{self.name} {self.rows} {self.version} {self.model}{days}{self.photos}".encode())[:40]

    @property
    def template_ids(self) -> list[str]:
        return [f"{self.name}{row:06d}" for row in range(self.rows)]

    def table(self) -> pa.Table:
        seed = int.from_bytes(f"{self.name} {self.version}".encode(), "big")
        vectors = unit(np.random.default_rng(seed).standard_normal((self.rows, DIM)))
        subjects = [f"{self.name}-{row // 2}" for row in range(self.rows)]
        table = template_table(vectors, subjects, prefix=self.name, shard=f"s3://in/{self.name}")
        times = [*self.expires, *[None] * (self.rows - len(self.expires))]
        files = [digest(f"{self.photos or self.name} {row}".encode()) for row in range(self.rows)]
        columns = {
            "expires_at": pa.array(times, pa.timestamp("us", "UTC")),
            "image_sha256": pa.array(files, pa.string()),
        }
        for name, column in columns.items():
            place = table.schema.get_field_index(name)
            table = table.set_column(place, table.schema.field(place), column)
        return table


class SmallGallery:
    """What the jobs do to a gallery, without images and models."""

    def __init__(self, store: ObjectStore | None = None, created_at: datetime | None = None) -> None:
        self.store: ObjectStore = store or MemoryStore(f"gallery-{uuid4().hex}")
        self.created_at = created_at
        """Of the snapshots to come; absent: now."""

    def copy(self, store: ObjectStore | None = None) -> "SmallGallery":
        """The same objects in another store."""
        other = SmallGallery(store, self.created_at)
        for info in self.store.list():
            other.store.put(info.key, self.store.get(info.key))
        return other

    @property
    def head(self) -> Snapshot:
        return snapshots.require_head(self.store)

    def embed(self, *shards: Shard, source: str = "s3://in", index: bool = True) -> Snapshot:
        """Replace the shards of a source and, unless told otherwise, index anew."""
        head = snapshots.head(self.store)
        entries = snapshots.replace_source(head, source, [self.commit(shard, source) for shard in shards])
        tombstones, orders = after_embed(self.store, head, entries)
        model = shards[0].model if shards else MODEL
        facts = {"model": model, "model_name": f"model-{model[:1]}", "dim": DIM}
        snapshot = self.publish(
            Snapshot(**self._next(head), **facts, shards=entries, tombstones=tombstones, orders=orders)
        )
        return self.index() if index else snapshot

    def commit(self, shard: Shard, source: str = "s3://in") -> ShardCommit:
        """Write the parts of a shard and commit it, as a worker does."""
        table, attempt = shard.table(), f"{next(_attempts):012x}"
        tables = {"templates": table, "ledger": _ledger(table), "timings": _timings(table)}
        parts = {
            kind: put_part(
                self.store,
                layout.part(f"{kind}/", shard.key, attempt),
                write_table(content, kind=kind, model=shard.model),
                shard.rows,
            )
            for kind, content in tables.items()
        }
        facts = {"source": source, "attempt": attempt, "model": shard.model, "outcomes": {"ok": shard.rows}}
        uri = f"{source}/{shard.name}"
        commit = ShardCommit(shard_key=shard.key, shard_uri=uri, images=shard.rows, seconds={}, **facts, **parts)
        return put_first(self.store, layout.commit(shard.key), commit)[0]

    def index(self) -> Snapshot:
        """Segments of all shards, rows of erased templates dead."""
        head = self.head
        plans = plan_segments(head.shards, SEGMENTS, model=head.model, dim=head.dim)
        for plan in plans:
            build_segment(self.store, plan)
        erased = self._erased(head.tombstones)
        segments = tuple(mask(self.store, segment_entry(self.store, plan), erased) for plan in plans)
        return self.publish(head.model_copy(update={**self._next(head), "segments": segments}))

    def erase(self, *template_ids: str, subjects: Sequence[str] = ()) -> Snapshot:
        """Tombstones for templates, and standing orders against subjects."""
        head = self.head
        facts = {"reason": "request", "authority": "court", "erased_at": datetime(2026, 1, 1, tzinfo=UTC)}
        rows = [
            {"template_id": name, "subject_id": None, "image_id": f"{name[:-6]}/{name[-6:]}.jpg", **facts}
            for name in template_ids
        ]
        part = put_table(self.store, pa.Table.from_pylist(rows, schema=TOMBSTONES))
        orders = [
            Order(kind="subject", id=name, reason="request", authority="court", ordered=date(2026, 1, 1))
            for name in subjects
        ]
        segments = tuple(mask(self.store, segment, pa.array(template_ids, pa.string())) for segment in head.segments)
        changes = {
            "tombstones": (*head.tombstones, *([part] if part else [])),
            "orders": put_orders(self.store, with_orders(read_orders(self.store, head.orders), orders, None)),
            "segments": tuple(segment for segment in segments if segment.live_rows),
        }
        return self.publish(head.model_copy(update={**self._next(head), **changes}))

    def rewrite_tombstones(self, snapshot: Snapshot, **values: str) -> pa.Table:
        """Publish the last tombstones of a snapshot with other values in a column."""
        table = read_table(self.store.get(snapshot.tombstones[-1].key), kind="tombstones", origin="")
        for name, value in values.items():
            column = pa.array([value] * len(table), pa.string())
            table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
        part = put_table(self.store, table)
        self.publish(snapshot.model_copy(update={**self._next(snapshot), "tombstones": (part,)}))
        return table

    def publish(self, snapshot: Snapshot) -> Snapshot:
        return snapshots.publish(self.store, snapshot)

    def _next(self, head: Snapshot | None) -> dict[str, object]:
        seq = head.seq + 1 if head else 1
        return {
            "seq": seq,
            "parent": head.seq if head else None,
            "run_id": f"run-{seq}-{uuid4().hex[:6]}",
            "created_at": self.created_at or datetime.now(UTC),
            "restates": None,
            "reason": None,
        }

    def _erased(self, parts: Sequence[PartFile]) -> pa.Array:
        tables = [read_table(self.store.get(part.key), kind="tombstones", origin=part.key) for part in parts]
        return pa.array([name for table in tables for name in table["template_id"].to_pylist()], pa.string())


def objects(store: ObjectStore, prefix: str = "") -> dict[str, str]:
    """Etags of all objects by key."""
    return {info.key: info.etag for info in store.list(prefix)}


def _ledger(table: pa.Table) -> pa.Table:
    row = {"outcome": "ok", "faces_found": 1, "faces_kept": 1, "rejected": []}
    images = table.select(["image_id", "image_sha256"]).to_pylist()
    return pa.Table.from_pylist([{**image, "member": image["image_id"], **row} for image in images], LEDGER)


def _timings(table: pa.Table) -> pa.Table:
    zeros = {"decode_ms": 0.0, "detect_ms": 0.0, "embed_ms": 0.0}
    return pa.Table.from_pylist([{"image_id": name, **zeros} for name in table["image_id"].to_pylist()], TIMINGS)
