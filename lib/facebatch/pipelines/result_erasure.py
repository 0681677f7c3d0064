"""Erasure in the results of one search: lists and pictures are written anew without the erased, and what shows or
repeats them is deleted. The certificate is put anew with the digests of the new lists, so that whoever reads by it
reads these; `erased.json` beside it tells that it was.

New lists lie under new keys and the certificate goes from one to the other in one put: at every moment it names lists
that are there. A run that is killed leaves files that nobody reads, and the next one finds and deletes them.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.gallery.commits import PartFile, put_part, read_part
from facebatch.pipelines.result_erased import ErasedResults, put_erased
from facebatch.pipelines.result_names import ErasedPeople, NamedIn
from facebatch.pipelines.search import SearchManifest, find_search
from facebatch.schemas import CANDIDATES
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.documents import dump
from facebatch.storage.parquet import read_table, write_table
from facebatch.storage.store import ObjectStore
from facebatch.storage.tables import model_of

_SHOWN = (layout.SHEET, layout.CASE, layout.PICTURES)


def erase_names(
    search: ObjectStore,
    named: NamedIn,
    keys: tuple[str, ...],
    people: ErasedPeople,
    record: Callable[[ErasedResults], object],
) -> ErasedResults:
    """Take them out of one search whose objects have these keys. `record` is called before anything is written."""
    manifest = find_search(search)
    listed = {part.key for part in manifest.candidates} if manifest else set()
    going = _going(named, keys, listed)
    erased = ErasedResults(
        search_id=named.search_id,
        at=datetime.now(UTC),
        certificate_sha256=digest(search.get(layout.SEARCH_MANIFEST)) if manifest else None,
        candidates=sum(rows for key, rows in named.rows.items() if key in listed),
        pictures=named.below(layout.FACES),
        objects=len(going),
    )
    put_erased(search, erased)
    record(erased)
    if erased.candidates and manifest is not None:
        _replace_lists(search, manifest, named, people)
        going += [key for key in named.rows if key in listed]
    for key in (key for key in named.rows if key.startswith(layout.FACES)):
        _rewrite_pictures(search, key, people)
    for key in sorted(going, key=_late):
        search.delete(key)
    return erased


def without(table: pa.Table, people: ErasedPeople) -> pa.Table:
    """`schemas.CANDIDATES` without these people; who follows them moves up. Pure."""
    rows = pl.DataFrame(table.filter(pc.invert(people.among(table))))
    ranked = rows.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("probe_id"))
    return ranked.to_arrow().cast(CANDIDATES)


def _going(named: NamedIn, keys: Sequence[str], listed: set[str]) -> list[str]:
    """Keys of what is deleted whole: leads, lists that no certificate names, and where lists or pictures change also
    what shows them and what they were made from.
    """
    leads = [key for key in named.documents if key.startswith(layout.LEADS)]
    loose = [key for key in keys if key.startswith(layout.CANDIDATES) and key in named.rows and key not in listed]
    changed = named.below(layout.CANDIDATES)
    whole: list[str] = []
    if changed or named.below(layout.FACES) or layout.CASE in named.documents:
        whole += _SHOWN
    if changed:  # what examiners are shown is drawn for lists as they were
        whole += (layout.REVIEW, layout.FRESH)
    whole += (place for place in (layout.CELLS, layout.FRESH, layout.REVIEW) if named.below(place))
    return [*leads, *loose, *(key for key in keys if key.startswith(tuple(whole)))]


def _late(key: str) -> tuple[bool, bool]:
    """Commits go first. The record of the case goes last: by it the next run knows that a sheet shows somebody."""
    return key == layout.CASE, f"/{layout.COMMITS}" not in key


def _replace_lists(search: ObjectStore, manifest: SearchManifest, named: NamedIn, people: ErasedPeople) -> None:
    parts, erased = [], 0
    for part in manifest.candidates:
        if part.key in named.rows:
            kept = _rewritten(search, part, manifest.model, people)
            erased += part.rows - kept.rows
            parts.append(kept)
        else:
            parts.append(part)
    changed = manifest.model_copy(update={"candidates": tuple(parts), "erased": manifest.erased + erased})
    search.put(layout.SEARCH_MANIFEST, dump(changed))


def _rewritten(search: ObjectStore, part: PartFile, model: str, people: ErasedPeople) -> PartFile:
    table = without(read_table(read_part(search, part), kind="candidates", origin=part.key), people)
    data = write_table(table, kind="candidates", model=model)
    return put_part(search, layout.replaced(part.key, digest(data)), data, table.num_rows)


def _rewrite_pictures(search: ObjectStore, key: str, people: ErasedPeople) -> None:
    table = read_table(search.get(key), kind="faces", origin=key)
    kept = table.filter(pc.invert(people.among(table)))
    if kept.num_rows:
        search.put(key, write_table(kept, kind="faces", model=model_of(table)))
    else:
        search.delete(key)
