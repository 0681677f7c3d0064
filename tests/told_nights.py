"""Nights that a report tells of, made up; what a job makes of a night is in `reindexed`."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from facebatch.gallery.figures import GateFigure
from facebatch.pipelines.reindex_dates import Dates
from facebatch.pipelines.reindex_history import Gate, Point
from facebatch.pipelines.reindex_night import Ahead, Came, Night, Stage, Standing, Went

AT = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
RATE, USUAL = "rate.no_face.new", "history.no_face.new"


def figure(name: str, passed: bool | None = True, **facts: object) -> GateFigure:
    return GateFigure(name=name, passed=passed, words=f"words of {name}", **facts)


def rate(name: str, count: int, passed: bool | None = True) -> GateFigure:
    return figure(name, passed, value=count / 40, highest=0.3, count=count, n=40, interval=(0.0, 0.4))


def points(first: int, last: int) -> tuple[Point, ...]:
    return tuple(
        Point(seq, AT + timedelta(days=seq), seq / 100, None, 0.2, (0.0, seq / 50)) for seq in range(first, last + 1)
    )


def night(**changes: object) -> Night:
    """A published night with a history of two gates."""
    made = Night(
        gallery="s3://faces/gallery",
        outcome="published",
        verdict="Snapshot 7 was published.",
        snapshot=7,
        run_id="0123456789abcdef",
        at=AT,
        model_name="pack",
        model="f" * 64,
        came=Came(
            shards_new=2, shards_changed=1, shards_unchanged=1234, outcomes={"no_face": 1, "ok": 39}, templates=39
        ),
        went=Went(1, 20, 13, deleted=3, expired=2, purged=4, unknown=()),
        standing=Standing(7, images=5000, templates=4990, tombstones=5, segments=3, live_rows=4990, dead_rows=11),
        templates_before=4971,
        gates=(
            Gate(figure("counts.ledger", value=0, highest=0, n=1237), ()),
            Gate(rate(RATE, 1), points(3, 6)),
            Gate(rate(USUAL, 1), points(3, 6)),
            Gate(figure("canary.recall", None), ()),
        ),
        stages=(Stage("list", 0.25), Stage("embed", 61.5)),
        ahead=Ahead(segments=2, rows_waiting=900, budget=500, allowed="500 rows", nights=2),
        dates=Dates(None, 0, 0, 0, 0, ()),
    )
    return replace(made, **changes)
