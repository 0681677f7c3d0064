"""Erasures across models: a template is named by its model, so what was erased under one is found by its image.

A name is a digest of model, image and the number of the face, so that nothing of the image can be read from it, and a
deletion keeps its effect when the image comes back years later under another model. Another detector may number the
faces of an image otherwise: an erasure of one of them counts for all of them under another model.
"""

from collections.abc import Container, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.faces.rows import template_ids
from facebatch.gallery.snapshots import Snapshot
from facebatch.schemas import TOMBSTONES

FACES = 100
"""Faces of an image that are looked for, the largest first: `FaceSpec.max_faces` by default."""


def models_before(head: Snapshot | None, model: str) -> tuple[str, ...]:
    """Fingerprints of the other models that a gallery has had up to its head, sorted. Pure."""
    return tuple(sorted({*head.earlier_models, head.model} - {model})) if head else ()


def erased_images(table: pa.Table, ids: Container[str], models: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Rows of images of which one of `ids` names a template of one of these models, each with that id. Pure.

    `table` has image_id and image_sha256. Takes about 0.1 ms for each image and model.
    """
    for row, image in enumerate(zip(table["image_id"].to_pylist(), table["image_sha256"].to_pylist(), strict=True)):
        names = (name for model in models for name in template_ids(model, *image, FACES))
        found = next((name for name in names if name in ids), None)
        if found is not None:
            yield row, found


def inherited(table: pa.Table, erased: pa.Table, models: Sequence[str]) -> pa.Table:
    """Tombstones of the templates in `table` whose image has one in `erased`, `schemas.TOMBSTONES`, under one of these
    models; reason, authority and date are those of that one. Pure.
    """
    if not models or erased.num_rows == 0:
        return TOMBSTONES.empty_table()
    table = table.filter(pc.is_in(table["image_id"], value_set=erased["image_id"].combine_chunks()))
    place = {name: row for row, name in enumerate(erased["template_id"].to_pylist())}
    pairs = [(row, place[name]) for row, name in erased_images(table, place, models)]
    mine, theirs = (pa.array([pair[side] for pair in pairs], pa.int64()) for side in (0, 1))
    who = table.select(["template_id", "subject_id", "image_id"]).take(mine)
    why = erased.select(["reason", "authority", "erased_at"]).take(theirs)
    return pa.Table.from_arrays([*who.columns, *why.columns], schema=TOMBSTONES)


def with_images(table: pa.Table, ids: pa.Array, models: Sequence[str]) -> pa.ChunkedArray:
    """(rows,): which rows `ids` name, under their own id or by their image as `erased_images` says. Pure."""
    direct = pc.is_in(table["template_id"], value_set=ids)
    if not models or len(ids) == 0:
        return direct
    rows = {row for row, _ in erased_images(table, frozenset(ids.to_pylist()), models)}
    return pc.or_(direct, pa.chunked_array([pa.array([row in rows for row in range(table.num_rows)], pa.bool_())]))
