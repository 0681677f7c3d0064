"""Bugs to plant into reindex, rollback and the settling of purged rows, which only the whole layer runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pyarrow as pa
import pytest

from facebatch.errors import StaleError
from facebatch.gallery import snapshots
from facebatch.gallery.commits import PartFile
from facebatch.gallery.erasures import returning
from facebatch.gallery.leases import Held
from facebatch.gallery.orders import Order, Orders, with_orders
from facebatch.gallery.snapshots import SegmentEntry, ShardEntry, Snapshot
from facebatch.gallery.superseded import Settlement, settle
from facebatch.gallery.tombstones import carry, put_tables
from facebatch.pipelines import composing, reindex_compact
from facebatch.pipelines.masking import mask
from facebatch.pipelines.publishing import publish_next
from facebatch.schemas import TOMBSTONES
from facebatch.storage.store import ObjectInfo, ObjectStore
from simulation import edges


def renumbered(patch: pytest.MonkeyPatch) -> None:
    """Whoever loses a number takes the next one with what was composed for the lost one."""
    real = snapshots.publish

    def publish(store: ObjectStore, snapshot: Snapshot) -> Snapshot:
        try:
            return real(store, snapshot)
        except StaleError:
            after = snapshots.next_number(snapshots.head(store))
            return real(store, snapshot.model_copy(update={**after, "run_id": snapshot.run_id}))

    patch.setattr(snapshots, "publish", publish)


def composed_once(patch: pytest.MonkeyPatch) -> None:
    """A run that was overtaken by another source's run does not compose anew on the new head."""

    def publish(store: ObjectStore, held: Held, compose: Any) -> tuple[Snapshot, bool, Any]:
        composed: list[Any] = []

        def once(head: Snapshot | None) -> Any:
            if not composed:
                composed.append(compose(head))
            snapshot, content = composed[0]
            return (snapshot and snapshot.model_copy(update=snapshots.next_number(head))), content

        return publish_next(store, held, once)

    edges.replace(patch, [(publish_next, publish)])


def tombstones_dropped(patch: pytest.MonkeyPatch) -> None:
    """A run that erases nobody new does not carry the head's tombstones on."""
    edges.replace(patch, [(carry, lambda store, head, change, ids: [])])


def orders_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A run with a request keeps its orders alone."""

    def alone(before: Orders, new: Iterable[Order], request: str | None, unknown: Sequence[int]) -> Orders:
        return with_orders(Orders() if request else before, new, request, unknown)

    edges.replace(patch, [(with_orders, alone)])


def rollback_restores(patch: pytest.MonkeyPatch) -> None:
    """A rollback brings back whoever was erased since."""
    edges.replace(patch, [(returning, lambda store, older, erasures: TOMBSTONES.empty_table())])


def unmasked(patch: pytest.MonkeyPatch) -> None:
    """Rows of erased templates stay live in their segments."""

    def leave(store: ObjectStore, segment: SegmentEntry, template_ids: pa.Array, *more: Any) -> SegmentEntry:
        return segment

    edges.replace(patch, [(mask, leave)])


def purged_in_place(patch: pytest.MonkeyPatch) -> None:
    """Compaction purges rows and keeps their tombstones."""
    real = reindex_compact._after

    def after(erasure: Any, purged: dict[str, ShardEntry], ids: Any) -> tuple[Any, int]:
        left, gone = real(erasure, purged, ids)
        return replace(left, tables=erasure.tables), gone

    patch.setattr(reindex_compact, "_after", after)


def unsettled(patch: pytest.MonkeyPatch) -> None:
    """The collection deletes parts from before a purge under the commit that names them."""

    def nothing(store: ObjectStore, shards: Mapping[str, ShardEntry], files: Iterable[ObjectInfo]) -> Settlement:
        return Settlement((), frozenset())

    edges.replace(patch, [(settle, nothing)])


def tombstones_last(patch: pytest.MonkeyPatch) -> None:
    """The tombstones of a snapshot are put after it, if its run lives that long."""
    waiting: list[Any] = []
    real = snapshots.publish

    def put(store: ObjectStore, before: Snapshot | None, tables: Sequence[pa.Table]) -> tuple[PartFile, ...]:
        kept: list[tuple[str, bytes]] = []
        parts = put_tables(cast(ObjectStore, _Deferring(store, kept)), before, tables)
        waiting[:] = kept
        return parts

    def publish(store: ObjectStore, snapshot: Snapshot) -> Snapshot:
        stands = real(store, snapshot)
        for key, data in waiting:
            store.put_if_absent(key, data)
        waiting.clear()
        return stands

    patch.setattr(composing, "put_tables", put)
    patch.setattr(snapshots, "publish", publish)


class _Deferring:
    """Takes note of what is put."""

    def __init__(self, store: ObjectStore, kept: list[tuple[str, bytes]]) -> None:
        self.uri = store.uri
        self._kept = kept

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See ObjectStore."""
        self._kept.append((key, data))
        return True


REINDEX = (
    renumbered,
    composed_once,
    tombstones_dropped,
    orders_forgotten,
    rollback_restores,
    unmasked,
    purged_in_place,
    unsettled,
    tombstones_last,
)
