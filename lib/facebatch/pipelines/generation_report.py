"""What a run did of a change of the model that is not at its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facebatch.pipelines.expire_report import ExpireReport
from facebatch.pipelines.reindex_erase import require_known
from facebatch.pipelines.reindex_plan import SourcePlan
from facebatch.pipelines.reindex_report import ReindexReport
from facebatch.pipelines.reindex_words import ReindexPlan


@dataclass(frozen=True, slots=True)
class GenerationReport:
    """A run after which shards are left to embed with the new model."""

    snapshot: int
    """The head, not of the new model yet."""
    published: bool
    """The head without what this run erased, or with segments merged; False: nothing was due. Never a part of the new
    model.
    """
    model: str
    """The new one, by name."""
    replaces: str
    shards: int
    """Listed."""
    shards_embedded: int
    """By this run."""
    shards_left: int
    """For the next runs of the same command."""
    templates: int
    """Live ones of the head."""
    tombstones: int
    """Templates that are erased from the head and not purged yet."""
    deleted: int
    """Erased from the head by this run, by request or standing order."""
    expired: int
    """Erased from the head by this run because their time is over."""
    unknown: tuple[str, ...]
    """Deletions that name nothing in the head, by file and line; all others were carried out."""
    rows_rewritten: int
    """By compaction, of segments of the head."""
    templates_purged: int
    """Erased templates that are in no live part of the head any more."""
    seconds: Mapping[str, float]
    """Wall time by stage."""
    report: str | None = None
    """URI of the page; None: no folder for reports is given."""


def unfinished(
    replaces: str,
    plans: Sequence[SourcePlan],
    left: int,
    model: str,
    erased: ExpireReport,
    seconds: Mapping[str, float],
) -> GenerationReport:
    """The report of a run that left shards to the next, after what was due was erased from the head. `replaces` and
    `model` are names.
    """
    return GenerationReport(
        snapshot=erased.snapshot,
        published=erased.published,
        model=model,
        replaces=replaces,
        shards=sum(len(plan.listing.shards) for plan in plans),
        shards_embedded=sum(len(plan.embed.pending) for plan in plans),
        shards_left=left,
        templates=erased.templates,
        tombstones=erased.tombstones,
        deleted=erased.deleted,
        expired=erased.expired,
        unknown=erased.unknown,
        rows_rewritten=erased.rows_rewritten,
        templates_purged=erased.templates_purged,
        seconds=dict(seconds),
    )


def check_known(result: object) -> None:
    """StopError with a line per deletion that named nothing, after a reindex that carried out all others, at the end of
    a change or not, or for the plan of one that leaves shards to the next.
    """
    if isinstance(result, ReindexReport | GenerationReport):
        require_known(result.unknown)
    elif isinstance(result, ReindexPlan):
        require_known(result.get("unknown", ()), planned=True)
