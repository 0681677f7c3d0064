"""What a run of cases leaves for its readers: a sheet and a record per case, an index, and a manifest with digests."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from facebatch.pipelines.case_index import RunIndex, indexed
from facebatch.pipelines.case_index_record import IndexRecord, brought_up
from facebatch.pipelines.case_plan import RefusedCase, Setting
from facebatch.pipelines.case_record import record_of
from facebatch.pipelines.case_results import refused_sheet, sheet_of
from facebatch.pipelines.case_run import INDEX, INDEX_RECORD, RUN_MANIFEST, RunEntry, RunManifest
from facebatch.pipelines.case_search import SearchedCase
from facebatch.pipelines.case_sheet import render_sheet
from facebatch.pipelines.case_tables import read_tables
from facebatch.pipelines.result_erased import erasures
from facebatch.pipelines.retention_deleted import read_deleted
from facebatch.pipelines.retention_holds import case_digest
from facebatch.review.sheet import Sheet
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.documents import canonical_digest, dump
from facebatch.storage.links import signed_link
from facebatch.storage.open import open_store
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import Progress

ID_LENGTH = 24


@dataclass(frozen=True, slots=True)
class Published:
    """A run whose pages are stored."""

    index: str
    """URI."""
    entries: tuple[RunEntry, ...]


@dataclass(frozen=True, slots=True)
class _Written:
    """A case whose pages are stored."""

    sheet: Sheet
    entry: RunEntry
    page: str
    """Key, in the folder of its search, of what the index leads to."""


def publish_run(
    setting: Setting, results: ObjectStore, every: Sequence[SearchedCase | RefusedCase], progress: Progress
) -> Published:
    """Write what is derived from certificates and refusals; the same again gives the same bytes, signed links aside."""
    written: list[_Written] = []
    with progress.stage("sheets", total=len(every), unit="cases") as bar:
        for each in sorted(every, key=_order):
            written.append(_write_case(setting, each))
            bar.advance(1)
    entries = tuple(each.entry for each in written)
    run = canonical_digest([[entry.search_id, entry.status] for entry in entries])[:ID_LENGTH]
    shown = _index(setting, run, [each.sheet for each in written])
    record = brought_up(IndexRecord(run=shown, links=_links(setting, results, written)), entries)
    page = record.page()
    results.put(layout.case_run(run, INDEX), page)
    results.put(layout.case_run(run, INDEX_RECORD), dump(record))
    manifest = RunManifest(
        run=run,
        gallery=setting.gallery.uri,
        snapshot=setting.snapshot.seq,
        snapshot_sha256=setting.snapshot.content_sha256,
        model=setting.card.fingerprint,
        searches=entries,
        index_sha256=digest(page),
    )
    results.put(layout.case_run(run, RUN_MANIFEST), dump(manifest))
    return Published(f"{results.uri}/{layout.case_run(run, INDEX)}", entries)


def _order(each: SearchedCase | RefusedCase) -> tuple[str, str]:
    if isinstance(each, RefusedCase):
        return each.case.case_id, each.search_id
    return each.planned.case.case_id, each.manifest.search_id


def _write_case(setting: Setting, each: SearchedCase | RefusedCase) -> _Written:
    root = each.root if isinstance(each, RefusedCase) else each.planned.search.root
    folder = open_store(root, setting.config.s3)
    files: dict[str, str] = {}
    if isinstance(each, RefusedCase):
        sheet = refused_sheet(setting, each)
        files[layout.REFUSAL] = digest(folder.get(layout.REFUSAL))
    else:
        sheet = sheet_of(setting, each, read_tables(folder, each.manifest))
        files[layout.SEARCH_MANIFEST] = digest(folder.get(layout.SEARCH_MANIFEST))
    rendered = render_sheet(sheet, setting.config.sheets.pictures)
    stored: Mapping[str, bytes] = {
        **rendered.files,
        layout.SHEET: rendered.html,
        layout.CASE: json.dumps(record_of(sheet), indent=1, sort_keys=True).encode(),
    }
    for key, data in stored.items():
        folder.put(key, data)
        files[key] = digest(data)
    entry = _entry(sheet, isinstance(each, RefusedCase), files, folder)
    if setting.config.sheets.links == "relative" or not rendered.files:
        return _Written(sheet, entry, layout.SHEET)
    _put_signed(setting, folder, sheet)
    return _Written(sheet, entry, layout.SIGNED_SHEET)


def _put_signed(setting: Setting, folder: ObjectStore, sheet: Sheet) -> None:
    """The copy whose pictures open where the sheet was opened by a signed link, which opens one object and no other. It
    is no file of the run that a digest could be told of: its links are others every time.
    """
    spec = setting.config.sheets
    link = cache(partial(signed_link, folder, hours=spec.signed_hours))  # one that is shown twice is fetched once
    folder.put(layout.SIGNED_SHEET, render_sheet(sheet, spec.pictures, link).html)


def _entry(sheet: Sheet, refused: bool, files: Mapping[str, str], folder: ObjectStore) -> RunEntry:
    return RunEntry(
        case=case_digest(sheet.case_id),
        search_id=sheet.search_id,
        status="refused" if refused else "searched",
        probes=len(sheet.probes),
        outcomes=dict(sorted(Counter(probe.outcome.value for probe in sheet.probes).items())),
        with_candidates=sum(bool(probe.candidates) for probe in sheet.probes),
        candidates=sum(len(probe.candidates) for probe in sheet.probes),
        files=dict(sorted(files.items())),
        erasures=erasures(folder),
        deleted=tuple(read_deleted(folder)),
    )


def _index(setting: Setting, run: str, sheets: Sequence[Sheet]) -> RunIndex:
    counted = next((sheet for sheet in sheets if sheet.subjects is not None), None)
    return RunIndex(
        run=run,
        made_at=max((sheet.made_at for sheet in sheets), default=setting.snapshot.created_at),
        gallery=setting.gallery.uri,
        snapshot=setting.snapshot.seq,
        model_name=setting.card.name,
        templates=setting.snapshot.templates,
        subjects=counted.subjects if counted else None,
        unlabelled=counted.unlabelled if counted else 0,
        cases=tuple(indexed(sheet) for sheet in sheets),
    )


def _links(setting: Setting, results: ObjectStore, every: Sequence[_Written]) -> dict[str, str]:
    spec = setting.config.sheets
    keys = {each.sheet.search_id: f"{each.sheet.search_id}/{each.page}" for each in every}
    if spec.links == "relative":
        return {search: f"../../{key}" for search, key in keys.items()}
    return {search: signed_link(results, key, spec.signed_hours) for search, key in keys.items()}
