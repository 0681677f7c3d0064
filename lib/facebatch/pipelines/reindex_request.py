"""What a deletion request names in a gallery, the orders that follow from it, and the lines that name nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.gallery.commits import PartFile
from facebatch.gallery.contents import content_ids
from facebatch.gallery.deletions import KINDS, DeletionRequest
from facebatch.gallery.earlier_ids import erased_images
from facebatch.gallery.orders import Order, Orders, with_orders
from facebatch.gallery.template_ids import TemplateIds


class Present(NamedTuple):
    """A template that a request names."""

    template: str
    content: str
    """See `gallery.contents`."""


Found = Mapping[str, Mapping[str, Sequence[Present]]]
"""By kind and id of deletions: what they name."""


def outstanding(request: DeletionRequest | None, before: Orders, *, thorough: bool) -> DeletionRequest | None:
    """What of a request is to be carried out, given the orders that stand; None where nothing is.

    Of one that was carried out before nothing, or if it is to be `thorough` its templates and subjects: some may have
    been enrolled since. Its images stand for the templates that they had, for which there are orders. Pure.
    """
    if request is None or request.sha256 not in before.requests:
        return request
    again = tuple(deletion for deletion in request.deletions if deletion.kind != "image") if thorough else ()
    return replace(request, deletions=again) if again else None


def with_request(
    before: Orders, request: DeletionRequest | None, present: Found, day: date, unknown: Sequence[int]
) -> Orders:
    """The standing orders and those of a request that is carried out on `day`; `unknown` are its lines that name
    nothing. An image stands for the templates it has now. Pure.
    """
    if request is None:
        return before
    orders = []
    for deletion in request.deletions:
        rows = present[deletion.kind].get(deletion.id, ())
        fields = {"reason": deletion.reason, "authority": deletion.authority, "ordered": day}
        if deletion.kind == "image":
            named = [("template", row.template, {row.content}) for row in rows]
        else:
            contents = {row.content for row in rows} if deletion.kind == "template" else set()
            named = [(deletion.kind, deletion.id, contents)] if rows else []
        for kind, name, contents in named:
            orders.append(Order.model_validate({"kind": kind, "id": name, "contents": sorted(contents), **fields}))
    return with_orders(before, orders, request.sha256, () if request.sha256 in before.requests else unknown)


def find_named(request: DeletionRequest | None, parts: Iterable[PartFile], ids: TemplateIds) -> Found:
    """What a request names in these parts."""
    found: dict[str, dict[str, list[Present]]] = {kind: {} for kind in KINDS}
    deletions = request.deletions if request else ()
    wanted = {kind: pa.array([d.id for d in deletions if d.kind == kind], pa.string()) for kind in KINDS}
    for _, table in ids.each(parts):
        for kind in KINDS:
            hits = table.filter(pc.is_in(table[f"{kind}_id"], value_set=wanted[kind]))
            for name, row in zip(hits[f"{kind}_id"].to_pylist(), _rows(hits), strict=True):
                found[kind].setdefault(name, []).append(row)
        if ids.models and len(wanted["template"]):
            for place, name in erased_images(table, frozenset(wanted["template"].to_pylist()), ids.models):
                found["template"].setdefault(name, []).extend(_rows(table.slice(place, 1)))
    return found


def _rows(table: pa.Table) -> list[Present]:
    return [Present(*row) for row in zip(table["template_id"].to_pylist(), content_ids(table), strict=True)]


def known_ids(present: Found, before: Orders, erased: pa.Table) -> Mapping[str, set[str]]:
    """By kind, the ids of what was found, or was erased or ordered before. Pure."""
    return {kind: {*before.of(kind), *erased[f"{kind}_id"].to_pylist(), *present[kind]} for kind in KINDS}


def unknown_lines(
    asked: DeletionRequest | None, request: DeletionRequest | None, before: Orders, known: Mapping[str, set[str]]
) -> list[tuple[int, str]]:
    """Number, from 0, and message of each line of what is `asked` that names nothing. Lines that are not in `request`,
    what of it is carried out in this run, may have named nothing when the file was carried out. Pure.
    """
    looked_for = {(deletion.kind, deletion.id) for deletion in request.deletions} if request else set()
    then = before.unknown.get(asked.sha256, ()) if asked else ()
    lines = []
    for number, deletion in enumerate(asked.deletions if asked else ()):
        if (deletion.kind, deletion.id) not in looked_for:
            words = "named nothing when this file was carried out; check it, and ask again in another file"
            is_unknown = number in then
        else:
            words = f"nothing in the gallery has this {deletion.kind} id; check it"
            is_unknown = deletion.id not in known[deletion.kind]
        if is_unknown:
            lines.append((number, f"{deletion.where}: {words}"))
    return lines
