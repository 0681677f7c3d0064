"""What an expire would erase, and what it erased."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from facebatch.config import ExpireConfig, ReindexConfig
from facebatch.gallery.commits import PartFile
from facebatch.gallery.earlier_ids import models_before
from facebatch.gallery.orders import read_orders
from facebatch.gallery.snapshots import SegmentEntry, Snapshot
from facebatch.gallery.template_ids import TemplateIds
from facebatch.index.compact import choose
from facebatch.index.segment import read_manifest
from facebatch.pipelines.expire_results import ResultNames, words
from facebatch.pipelines.masking import dead_rows
from facebatch.pipelines.reindex_compact import find_budget
from facebatch.pipelines.reindex_erase import Erasure, Wanted, erase
from facebatch.pipelines.reindex_report import Content
from facebatch.pipelines.reindex_words import in_words
from facebatch.pipelines.retention_delete import RetentionReport
from facebatch.pipelines.retention_plan import RetentionPlan
from facebatch.pipelines.retention_words import of_plan, of_report
from facebatch.storage.store import ObjectStore

_ELSEWHERE = ("searches", "results")
"""Told by others, which know their words."""


@dataclass(frozen=True, slots=True)
class ExpirePlan:
    """What a run would erase."""

    head: int
    deletions_asked: int
    carried_out_before: bool
    """Whether this request file was; then nothing of it is asked, unless the run is to be thorough."""
    deleted: int
    """Templates, by request or standing order."""
    expired: int
    """Templates whose time is over."""
    by_authority: dict[str, int]
    """The same templates by who ordered it."""
    unknown: tuple[str, ...]
    """Deletions that name nothing in the gallery, by file and line."""
    templates_left: int
    """Live ones afterwards."""
    segments_touched: int
    """Segments that would be masked."""
    compaction_budget: str
    segments_to_merge: int
    rows_to_rewrite: int
    searches: RetentionPlan | None = None
    """What is due of past searches; None: no results are configured."""
    results: ResultNames | None = None
    """Where past searches name whom the run would erase, or an earlier one did; None: no results are configured."""

    def summary(self) -> Mapping[str, object]:
        """The same for people."""
        return {**_own(self), **of_plan(self.searches), **words(self.results, done=False)}


@dataclass(frozen=True, slots=True)
class ExpireReport:
    """What one run erased, and what waits."""

    snapshot: int
    published: bool
    """False: nothing was due, and nothing was to be compacted."""
    deleted: int
    """Templates, by request or standing order."""
    expired: int
    """Templates whose time was over."""
    templates_purged: int
    """Erased now or before; no live file holds them any more."""
    unknown: tuple[str, ...]
    """Deletions that name nothing in the gallery, by file and line."""
    templates: int
    """Live ones."""
    tombstones: int
    """Erased templates that are masked and wait to be purged."""
    rows_rewritten: int
    """By compaction, of older segments."""
    segments_built: int
    dead_rows: int
    """Masked rows of segments that wait for compaction."""
    compaction_budget: str
    nights_until_compact: int | None
    """Further runs with this budget until no row waits; None: never."""
    searches: RetentionReport | None = None
    """What was deleted of past searches; None: no results are configured."""
    results: ResultNames | None = None
    """Where past searches named whom this run or an earlier one erased; None: no results are configured."""

    def summary(self) -> Mapping[str, object]:
        """The same for people."""
        return {**_own(self), **of_report(self.searches), **words(self.results, done=True)}


def describe(store: ObjectStore, head: Snapshot, wanted: Wanted, config: ExpireConfig | ReindexConfig) -> ExpirePlan:
    """Find what is due, as a run would, and write nothing. Reads the members of the segments that would be masked."""
    erasure = erase(store, head, head.shards, wanted, TemplateIds(store, models_before(head, head.model)))
    now = erasure.erased_now
    counts = now.group_by("authority").aggregate([("template_id", "count")]).sort_by("authority").to_pylist()
    masked = _masked(store, head, erasure)
    budget = find_budget(store, head, config.compaction)
    chosen = choose([entry for entry, _ in masked if entry.live_rows], 0, budget.rows, config.index.segment_rows)
    asked = wanted.request
    return ExpirePlan(
        head=head.seq,
        deletions_asked=len(asked.deletions) if asked else 0,
        carried_out_before=asked is not None and asked.sha256 in read_orders(store, head.orders).requests,
        deleted=erasure.deleted,
        expired=erasure.expired,
        by_authority={row["authority"]: row["template_id_count"] for row in counts},
        unknown=erasure.unknown,
        templates_left=head.templates - now.num_rows,
        segments_touched=sum(entry != before for entry, before in masked),
        compaction_budget=budget.words,
        segments_to_merge=len(chosen),
        rows_to_rewrite=sum(entry.live_rows for entry in chosen),
    )


def _own(found: ExpirePlan | ExpireReport) -> dict[str, object]:
    """What it tells of the gallery."""
    return in_words({field.name: getattr(found, field.name) for field in fields(found) if field.name not in _ELSEWHERE})


def _masked(store: ObjectStore, head: Snapshot, erasure: Erasure) -> list[tuple[SegmentEntry, SegmentEntry]]:
    """Each segment with as many dead rows as it would have, beside itself now. No mask is stored."""
    found = []
    for segment in head.segments if head.indexed else ():
        entry = segment
        if not erasure.fresh.isdisjoint(read_manifest(store, segment).parts):
            rows = len(dead_rows(store, segment, erasure.template_ids))
            if rows != segment.rows - segment.live_rows:
                entry = segment.model_copy(update={"dead": PartFile(key="", sha256="", size=0, rows=rows)})
        found.append((entry, segment))
    return found


def report(snapshot: Snapshot, published: bool, content: Content) -> ExpireReport:
    """The report of a run that ends with this snapshot as the head."""
    compaction, erasure = content.compaction, content.compaction.erasure
    return ExpireReport(
        snapshot=snapshot.seq,
        published=published,
        deleted=erasure.deleted,
        expired=erasure.expired,
        templates_purged=compaction.purged,
        unknown=erasure.unknown,
        templates=snapshot.templates,
        tombstones=sum(part.rows for part in snapshot.tombstones),
        rows_rewritten=compaction.rows,
        segments_built=content.built,
        dead_rows=content.dead_rows,
        compaction_budget=compaction.budget.words,
        nights_until_compact=content.outlook.nights,
    )
