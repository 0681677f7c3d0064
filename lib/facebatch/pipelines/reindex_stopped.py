"""A night that ended before there was a snapshot to judge: its page, with what stopped it and what is next."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from facebatch.errors import FacebatchError, GateError
from facebatch.gallery.figures import GateFigure, explain, failed
from facebatch.gallery.snapshots import Snapshot
from facebatch.pipelines.generation_report import GenerationReport
from facebatch.pipelines.pages import PAGES
from facebatch.pipelines.reindex_night import Stage
from facebatch.pipelines.reindex_page import UNKNOWN_SHOWN
from facebatch.pipelines.reindex_plots import plot_seconds
from facebatch.pipelines.reindex_segments import Builder
from facebatch.storage import layout
from facebatch.storage.documents import canonical
from facebatch.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class StoppedNight:
    """What page and JSON tell."""

    outcome: str
    """failed: known photos are not seen as they were; unfinished: a change of the model has shards left."""
    gallery: str
    head: int | None
    """The snapshot that stays; None: the gallery has none yet."""
    run_id: str
    at: datetime
    """Aware UTC."""
    verdict: str
    """One sentence."""
    figures: tuple[GateFigure, ...]
    counts: Mapping[str, int]
    then: str
    """What the next run does, or what is to be mended first."""
    unknown: tuple[str, ...]
    """Deletions that name nothing in the gallery, by file and line."""
    stages: Mapping[str, float]
    """Wall time, s."""


def require_known_photos(
    known: Sequence[GateFigure], head: Snapshot | None, builder: Builder, reports: ObjectStore | None
) -> None:
    """GateError when the known photos are not seen as they were; the report is written first, and named. A run that
    went on would commit what wrong models saw, and no later run would embed it again.
    """
    if not failed(known):
        return
    night = StoppedNight(
        outcome="failed",
        gallery=builder.store.uri,
        head=head.seq if head else None,
        run_id=uuid4().hex,
        at=datetime.now(UTC),
        verdict="Nothing was embedded: the models do not see known photos as they did.",
        figures=tuple(known),
        counts={},
        then="Check the model pack and the settings of detection on every machine, or the photos of the canaries; then "
        "run the same command again.",
        unknown=(),
        stages=builder.watch.seconds,
    )
    reason = f"nothing is embedded\n{explain(tuple(known))}".rstrip()
    try:
        page = write(night, reports)
    except FacebatchError as error:
        raise GateError(f"{reason}\n\nIts report could not be written: {error}") from error
    raise GateError(f"{reason}\n\nThe report: {page}" if page else reason)


def told(ended: GenerationReport, builder: Builder, reports: ObjectStore | None) -> GenerationReport:
    """The same with the page of a run that leaves shards of a change of the model to the next."""
    without = "without what was asked to be deleted or has expired"
    night = StoppedNight(
        outcome="unfinished",
        gallery=builder.store.uri,
        head=ended.snapshot,
        run_id=uuid4().hex,
        at=datetime.now(UTC),
        verdict=f"The change from {ended.replaces} to {ended.model} is under way: searches see snapshot "
        f"{ended.snapshot}, {without if ended.deleted + ended.expired else 'as before'}.",
        figures=(),
        counts={
            "Shards of the sources": ended.shards,
            "Embedded with the new model by this run": ended.shards_embedded,
            "Left to the next runs": ended.shards_left,
            "Templates erased by request": ended.deleted,
            "Templates erased because their time is over": ended.expired,
            "Deletions that name nothing": len(ended.unknown),
        },
        then="Run the same command again until none is left; the last run compares the two models and publishes.",
        unknown=ended.unknown,
        stages=ended.seconds,
    )
    return replace(ended, report=write(night, reports))


def write(night: StoppedNight, folder: ObjectStore | None) -> str | None:
    """Put page and JSON into the folder, where there is one; the URI of the page."""
    if folder is None:
        return None
    stem = layout.report((night.head or 0) + 1, night.outcome, night.at, night.run_id)
    state = asdict(night) | {
        "at": night.at.isoformat(),
        "figures": [figure.model_dump(mode="json") for figure in night.figures],
    }
    folder.put(f"{stem}.json", canonical(state))
    folder.put(f"{stem}.html", render(night).encode())
    return f"{folder.uri}/{stem}.html"


def render(night: StoppedNight) -> str:
    """The page, HTML with everything inside."""
    return PAGES.get_template("reindex_stopped.html.j2").render(
        night=night,
        unknown_shown=UNKNOWN_SHOWN,
        title="Reindex: stopped" if night.outcome == "failed" else "Reindex: the model change goes on",
        durations=plot_seconds([Stage(name, seconds) for name, seconds in night.stages.items()])
        if night.stages
        else None,
    )
