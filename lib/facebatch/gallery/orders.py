"""Standing orders: what was deleted once stays deleted when its source is listed, changed or embedded again."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Literal

from facebatch.gallery.commits import PartFile, read_part
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.documents import dump, load
from facebatch.storage.store import ObjectStore


class Order(Spec):
    """One template that must not be enrolled again, or one subject of whom none must be."""

    kind: Literal["template", "subject"]
    id: str
    reason: str
    authority: str
    ordered: date
    """Day of the run that took the order."""

    @property
    def at(self) -> datetime:
        """`ordered` as the time in a tombstone."""
        return datetime(self.ordered.year, self.ordered.month, self.ordered.day, tzinfo=UTC)


class Orders(Spec):
    """All orders of a gallery. They outlive their tombstones: those go when a template is purged."""

    format_version: int = FORMAT_VERSION
    requests: tuple[str, ...] = ()
    """sha256 of the request files carried out, sorted."""
    orders: tuple[Order, ...] = ()
    """Sorted by kind, id; one each."""

    def of(self, kind: str) -> dict[str, Order]:
        """Orders of one kind by id."""
        return {order.id: order for order in self.orders if order.kind == kind}


def with_orders(before: Orders, new: Iterable[Order], request: str | None) -> Orders:
    """`before` and `new` together; of two orders for one id the earlier stands. Pure."""
    known = {(order.kind, order.id): order for order in new} | {
        (order.kind, order.id): order for order in before.orders
    }
    requests = {*before.requests, *([request] if request else [])}
    return Orders(requests=tuple(sorted(requests)), orders=tuple(known[key] for key in sorted(known)))


def put_orders(store: ObjectStore, orders: Orders) -> PartFile | None:
    """Store under a name that follows from the content; None where nothing was ever ordered."""
    if not orders.requests and not orders.orders:
        return None
    data = dump(orders)
    key = layout.orders(digest(data))
    store.put_if_absent(key, data)
    return PartFile(key=key, sha256=digest(data), size=len(data), rows=len(orders.orders))


def read_orders(store: ObjectStore, part: PartFile | None) -> Orders:
    """The orders a snapshot names; none where it names none. CorruptError when they are not what it recorded."""
    if part is None:
        return Orders()
    return load(Orders, read_part(store, part), origin=f"{store.uri}/{part.key}")
