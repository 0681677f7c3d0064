"""What a run of cases leaves for its readers: a sheet and a record per case, an index, and a manifest with digests."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from facebatch.pipelines.case_index import RunIndex, indexed, render_index
from facebatch.pipelines.case_plan import RefusedCase, Setting
from facebatch.pipelines.case_record import record_of
from facebatch.pipelines.case_results import refused_sheet, sheet_of
from facebatch.pipelines.case_search import SearchedCase
from facebatch.pipelines.case_sheet import render_sheet
from facebatch.pipelines.case_tables import read_tables
from facebatch.pipelines.case_words import NOTICE
from facebatch.pipelines.retention_holds import case_digest
from facebatch.review.sheet import Sheet
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.digest import digest
from facebatch.storage.documents import canonical_digest, dump
from facebatch.storage.links import signed_link
from facebatch.storage.open import open_store
from facebatch.storage.store import ObjectStore
from facebatch.telemetry.progress import Progress

ID_LENGTH = 24
INDEX = "index.html"
RUN_MANIFEST = "manifest.json"


class RunEntry(Spec):
    """One search, or one refused case, of a run."""

    case: str
    """Digest of the id of the case."""
    search_id: str
    status: Literal["searched", "refused"]
    probes: int
    """Of a scan of videos each person found counts as one."""
    outcomes: dict[str, int]
    """Probes by outcome."""
    with_candidates: int
    """Probes."""
    candidates: int
    files: dict[str, str]
    """sha256 by key in the folder of the search: sheet, record, and where it was searched the certificate."""

    @property
    def refused(self) -> bool:
        """Whether nothing of it was read."""
        return self.status == "refused"


class RunManifest(Spec):
    """One run: what its files must be."""

    format_version: int = FORMAT_VERSION
    run: str
    gallery: str
    snapshot: int
    snapshot_sha256: str
    model: str
    searches: tuple[RunEntry, ...]
    index_sha256: str
    notice: str = NOTICE


@dataclass(frozen=True, slots=True)
class Published:
    """A run whose pages are stored."""

    index: str
    """URI."""
    entries: tuple[RunEntry, ...]


def publish_run(
    setting: Setting, results: ObjectStore, every: Sequence[SearchedCase | RefusedCase], progress: Progress
) -> Published:
    """Write what is derived from certificates and refusals; the same again gives the same bytes, signed links aside."""
    sheets: list[Sheet] = []
    entries: list[RunEntry] = []
    with progress.stage("sheets", total=len(every), unit="cases") as bar:
        for each in sorted(every, key=_order):
            sheet, entry = _write_case(setting, each)
            sheets.append(sheet)
            entries.append(entry)
            bar.advance(1)
    run = canonical_digest([[entry.search_id, entry.status] for entry in entries])[:ID_LENGTH]
    page = render_index(_index(setting, run, sheets), _links(setting, results, sheets))
    results.put(layout.case_run(run, INDEX), page)
    manifest = RunManifest(
        run=run,
        gallery=setting.gallery.uri,
        snapshot=setting.snapshot.seq,
        snapshot_sha256=setting.snapshot.content_sha256,
        model=setting.card.fingerprint,
        searches=tuple(entries),
        index_sha256=digest(page),
    )
    results.put(layout.case_run(run, RUN_MANIFEST), dump(manifest))
    return Published(f"{results.uri}/{layout.case_run(run, INDEX)}", tuple(entries))


def _order(each: SearchedCase | RefusedCase) -> tuple[str, str]:
    if isinstance(each, RefusedCase):
        return each.case.case_id, each.search_id
    return each.planned.case.case_id, each.manifest.search_id


def _write_case(setting: Setting, each: SearchedCase | RefusedCase) -> tuple[Sheet, RunEntry]:
    root = each.root if isinstance(each, RefusedCase) else each.planned.search.root
    folder = open_store(root, setting.config.s3)
    files: dict[str, str] = {}
    if isinstance(each, RefusedCase):
        sheet = refused_sheet(setting, each)
    else:
        sheet = sheet_of(setting, each, read_tables(folder, each.manifest))
        files[layout.SEARCH_MANIFEST] = digest(folder.get(layout.SEARCH_MANIFEST))
    rendered = render_sheet(sheet, setting.config.sheets.pictures)
    written: Mapping[str, bytes] = {
        **rendered.files,
        layout.SHEET: rendered.html,
        layout.CASE: json.dumps(record_of(sheet), indent=1, sort_keys=True).encode(),
    }
    for key, data in written.items():
        folder.put(key, data)
        files[key] = digest(data)
    return sheet, _entry(sheet, isinstance(each, RefusedCase), files)


def _entry(sheet: Sheet, refused: bool, files: Mapping[str, str]) -> RunEntry:
    return RunEntry(
        case=case_digest(sheet.case_id),
        search_id=sheet.search_id,
        status="refused" if refused else "searched",
        probes=len(sheet.probes),
        outcomes=dict(sorted(Counter(probe.outcome.value for probe in sheet.probes).items())),
        with_candidates=sum(bool(probe.candidates) for probe in sheet.probes),
        candidates=sum(len(probe.candidates) for probe in sheet.probes),
        files=dict(sorted(files.items())),
    )


def _index(setting: Setting, run: str, sheets: Sequence[Sheet]) -> RunIndex:
    return RunIndex(
        run=run,
        made_at=max((sheet.made_at for sheet in sheets), default=setting.snapshot.created_at),
        gallery=setting.gallery.uri,
        snapshot=setting.snapshot.seq,
        model_name=setting.card.name,
        templates=setting.snapshot.templates,
        subjects=None,
        cases=tuple(indexed(sheet) for sheet in sheets),
    )


def _links(setting: Setting, results: ObjectStore, sheets: Sequence[Sheet]) -> dict[str, str]:
    spec = setting.config.sheets
    keys = {sheet.search_id: f"{sheet.search_id}/{layout.SHEET}" for sheet in sheets}
    if spec.links == "relative":
        return {search: f"../../{key}" for search, key in keys.items()}
    return {search: signed_link(results, key, spec.signed_hours) for search, key in keys.items()}
