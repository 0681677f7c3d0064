"""A search on storage: its plan, its probe blocks, and the certificate that says everything was compared."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
from pydantic import Field

from facebatch.config import MatchConfig
from facebatch.errors import CorruptError
from facebatch.faces.models import ModelCard
from facebatch.gallery.commits import PartFile, ShardCommit, find, put_first, put_part, read_part, sum_outcomes
from facebatch.gallery.snapshots import Snapshot
from facebatch.governance.facts import Facts
from facebatch.governance.obligations import Obligations
from facebatch.governance.policy import Decision
from facebatch.match.cells import Cell, CellCommit
from facebatch.pipelines.case_words import NOTICE
from facebatch.pipelines.embed import EmbedPlan
from facebatch.pipelines.embedding import RowsSpec
from facebatch.pipelines.grants import Grant
from facebatch.pipelines.merging import FoundBlock, MergedBlock
from facebatch.pipelines.people import People
from facebatch.pipelines.search_request import put_request
from facebatch.schemas import CANDIDATES, FORMAT_VERSION, LEDGER, templates
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.open import open_store
from facebatch.storage.parquet import read_table, read_templates, write_table
from facebatch.storage.store import ObjectStore

BLOCKS_AT_ONCE = 2
"""Probe parts read, and probe blocks written, side by side: one is encoded while the store takes another."""


@dataclass(frozen=True, slots=True)
class MatchPlan:
    """One search, planned: nothing of a probe has been read."""

    config: MatchConfig
    search_id: str
    """Digest of request, probes, snapshot, model and settings: the same search has the same id and resumes."""
    root: str
    """URI of the search's own folder."""
    snapshot: Snapshot
    rows: RowsSpec
    probes: EmbedPlan
    grant: Grant
    card: ModelCard
    probe_facts_sha256: str | None = None
    """Of the file that states facts of single probes; None: there is none."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, before it is certified."""

    rows: int
    """Gallery templates that every probe was compared with."""
    cells: int
    """Committed, each probe block x each segment: together they cover all pairs."""
    lists: tuple[MergedBlock, ...]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Where lists end by quality band; empty: all end at the floor."""
    people: People | None = None
    """Of the snapshot; None: nobody counted."""


class SearchManifest(Spec):
    """Certificate of coverage: every probe template was compared with every live template of the snapshot."""

    format_version: int = FORMAT_VERSION
    search_id: str
    request: Facts
    request_sha256: str | None = None
    """Digest of all that was stated, of single probes too, which `search_request` has; None: by an earlier release."""
    probe_facts_sha256: str | None = None
    """Of the file that stated facts of single probes; None: there was none, or an earlier release did not say."""
    decided_at: datetime
    """When the request was allowed for the last time; aware UTC."""
    packs: dict[str, str] = Field(default_factory=dict)
    """sha256 of every policy pack that was asked, by its id."""
    obligations: Obligations = Obligations()
    """What the search and its candidates must keep to."""
    signed_by: str | None = None
    """Public key of who decided."""
    gallery: str
    snapshot: int
    snapshot_sha256: str
    """Digest of the snapshot's content."""
    model: str
    model_name: str
    length: int
    floor: float | None
    thresholds: dict[str, float] = Field(default_factory=dict)
    """Where lists end by the quality band of the probe, in place of `floor`; empty: that counts for all."""
    fpir: float | None = None
    """The target whose published threshold the floor is; None: the floor was given, or there is none."""
    evaluated: int | None = None
    """Snapshot of the evaluation that was in force; None: none was."""
    approved_for_use: bool = False
    """Whether that evaluation met its declared limits."""
    images: int
    """Probe images; each has one row in `outcomes_file`."""
    outcomes: dict[str, int]
    probes: int
    """Probe templates."""
    since: int | None = None
    """Snapshot since which templates are new that were compared; None: all live ones were."""
    cells: int
    """Committed, each probe block x each segment."""
    rows_scanned: int
    """Gallery templates every probe was compared with: all live ones, or those that are new since `since`."""
    people: People | None = None
    """Of the whole snapshot, whatever of it was compared; None: not counted, as `match` does not."""
    full_lists: int
    """Probes whose list has `length` candidates: there may be more subjects at or above the floor."""
    candidates: tuple[PartFile, ...]
    """One per probe block."""
    erased: int = 0
    """Candidates that were taken out of the lists since, as people were erased: see `result_erasure`."""
    outcomes_file: PartFile
    media: tuple[PartFile, ...] = ()
    """Of a case: what its probes were made of, below `probes/`."""
    notice: str = NOTICE


def find_search(store: ObjectStore) -> SearchManifest | None:
    """The certificate of a finished search, or None."""
    return find(store, layout.SEARCH_MANIFEST, SearchManifest)


def write_blocks(
    store: ObjectStore, probes: ObjectStore, commits: Sequence[ShardCommit], size: int, model: str
) -> list[PartFile]:
    """Cut the probe templates, in order of image_id and face_index, into blocks of `size` and store them."""

    def read(commit: ShardCommit) -> pa.Table:
        return read_templates(read_part(probes, commit.templates), commit.templates.key)

    def write(number: int) -> PartFile:
        block = merged.slice(number * size, size)
        data = write_table(block, kind="templates", model=model)
        return put_part(store, layout.numbered(layout.BLOCKS, number), data, block.num_rows)

    with ThreadPoolExecutor(BLOCKS_AT_ONCE) as pool:
        tables = list(pool.map(read, commits))
        if not tables:
            return []
        order = [("image_id", "ascending"), ("face_index", "ascending")]
        merged = pa.concat_tables(tables).sort_by(order).combine_chunks()
        return list(pool.map(write, range(-(-merged.num_rows // size))))


def publish_search(
    planned: MatchPlan, decision: Decision, commits: Sequence[ShardCommit], found: Found
) -> SearchManifest:
    """Write the outcomes and put the certificate of a search whose cells cover all pairs and are merged, as the
    decision of this moment allows.
    """
    store = open_store(planned.root, planned.config.s3)
    images = sum(commit.images for commit in commits)
    evaluation = planned.snapshot.evaluated
    manifest = SearchManifest(
        search_id=planned.search_id,
        request=decision.request,
        request_sha256=decision.request_sha256,
        probe_facts_sha256=planned.probe_facts_sha256,
        decided_at=decision.at,
        packs=decision.digests,
        obligations=decision.obligations,
        signed_by=planned.grant.token.key if planned.grant.token else None,
        gallery=planned.grant.binding.gallery,
        snapshot=planned.snapshot.seq,
        snapshot_sha256=planned.snapshot.content_sha256,
        model=planned.card.fingerprint,
        model_name=planned.card.name,
        length=planned.config.match.length,
        floor=planned.config.match.floor,
        fpir=planned.config.match.fpir,
        evaluated=evaluation.snapshot if evaluation else None,
        approved_for_use=bool(evaluation and evaluation.approved_for_use),
        images=images,
        outcomes=sum_outcomes(commits),
        probes=sum(commit.templates.rows for commit in commits),
        since=planned.config.match.since,
        cells=found.cells,
        rows_scanned=found.rows,
        people=found.people,
        full_lists=sum(block.full_lists for block in found.lists),
        candidates=tuple(block.part for block in found.lists),
        outcomes_file=_write_outcomes(planned, store, commits),
        media=tuple(commit.media for commit in commits if commit.media is not None),
        thresholds=dict(found.thresholds),
    )
    if decision.stated:
        put_request(store, planned.search_id, decision, planned.grant, planned.probe_facts_sha256)
    return put_first(store, layout.SEARCH_MANIFEST, manifest)[0]


def check_coverage(found: Sequence[tuple[Cell, CellCommit]], expected: int) -> None:
    """CorruptError unless each probe block was compared with every one of the expected templates exactly once."""
    scanned: dict[int, int] = {}
    for cell, commit in found:
        if commit.probes != cell.probes.rows:
            raise CorruptError(f"cell {cell.cell_key} read {commit.probes} probes, its block has {cell.probes.rows}")
        scanned[cell.block] = scanned.get(cell.block, 0) + commit.rows_scanned
    for block, rows in scanned.items():
        if rows != expected:
            raise CorruptError(f"probe block {block} was compared with {rows} templates of {expected}")


def by_block(found: Sequence[tuple[Cell, CellCommit]]) -> list[FoundBlock]:
    """Probe blocks in order, each with what its cells found."""
    parts: dict[int, list[PartFile]] = {}
    for cell, commit in found:
        parts.setdefault(cell.block, []).append(commit.candidates)
    return [FoundBlock(number, tuple(listed)) for number, listed in sorted(parts.items())]


def read_candidates(store: ObjectStore, manifest: SearchManifest) -> pa.Table:
    """All candidate lists of a search, verified."""
    parts = manifest.candidates
    tables = [read_table(read_part(store, part), kind="candidates", origin=part.key) for part in parts]
    return pa.concat_tables(tables) if tables else CANDIDATES.empty_table()


def read_outcomes(store: ObjectStore, manifest: SearchManifest) -> pa.Table:
    """`schemas.LEDGER` of all probe images of a search, verified."""
    part = manifest.outcomes_file
    return read_table(read_part(store, part), kind="ledger", origin=part.key)


def probe_templates(store: ObjectStore, model: str) -> pa.Table:
    """All probe templates of a finished search, block by block as they were compared, verified."""
    keys = sorted(info.key for info in store.list(layout.BLOCKS))
    tables = [read_templates(store.get(key), key) for key in keys]
    return pa.concat_tables(tables).combine_chunks() if tables else templates(1).empty_table()


def _write_outcomes(planned: MatchPlan, store: ObjectStore, commits: Sequence[ShardCommit]) -> PartFile:
    probes = open_store(layout.below(planned.root, "probes"), planned.config.s3)
    tables = [read_table(read_part(probes, c.ledger), kind="ledger", origin=c.ledger.key) for c in commits]
    table = pa.concat_tables(tables) if tables else LEDGER.empty_table()
    data = write_table(table.combine_chunks(), kind="ledger", model=planned.card.fingerprint)
    return put_part(store, layout.OUTCOMES, data, table.num_rows)
