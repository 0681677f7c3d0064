"""Standing orders: what was deleted once stays deleted when its source is listed, renamed or embedded again."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from operator import not_
from typing import Literal

from pydantic import Field

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
    contents: tuple[str, ...] = Field((), exclude_if=not_)
    """`contents.content_ids` of the templates that it named then, sorted: it holds for them under other names too.
    Empty: an order for a subject, or of an earlier release."""

    @property
    def at(self) -> datetime:
        """`ordered` as the time in a tombstone."""
        return datetime(self.ordered.year, self.ordered.month, self.ordered.day, tzinfo=UTC)


class Orders(Spec):
    """All orders of a gallery. They outlive their tombstones: those go when a template is purged."""

    format_version: int = FORMAT_VERSION
    requests: tuple[str, ...] = ()
    """sha256 of the request files carried out, sorted."""
    unknown: dict[str, tuple[int, ...]] = Field({}, exclude_if=not_)
    """By request, which of its lines named nothing when it was carried out, from 0; without requests that have none."""
    orders: tuple[Order, ...] = ()
    """Sorted by kind, id; one each."""

    def of(self, kind: str) -> dict[str, Order]:
        """Orders of one kind by id."""
        return {order.id: order for order in self.orders if order.kind == kind}

    def by_content(self) -> dict[str, Order]:
        """Orders by each of the contents that they hold for."""
        return {content: order for order in self.orders for content in order.contents}


def with_orders(before: Orders, new: Iterable[Order], request: str | None, unknown: Sequence[int] = ()) -> Orders:
    """`before` and `new` together; of two orders for one id the earlier stands, for the contents of both. `unknown` are
    the lines of the request that name nothing. Pure.
    """
    known = {(order.kind, order.id): order for order in before.orders}
    for order in new:
        stands = known.setdefault((order.kind, order.id), order)
        contents = tuple(sorted({*stands.contents, *order.contents}))
        known[order.kind, order.id] = stands.model_copy(update={"contents": contents})
    lines = {request: tuple(unknown)} if request and unknown else {}
    return Orders(
        requests=tuple(sorted({*before.requests, *([request] if request else [])})),
        unknown=dict(sorted((before.unknown | lines).items())),
        orders=tuple(known[key] for key in sorted(known)),
    )


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
