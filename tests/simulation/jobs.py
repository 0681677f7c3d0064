"""The processes that both layers have, and how a command is run again, as an operator would after a crash."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Protocol

from facebatch.errors import CorruptError, NotFoundError, PlanError, RetryableError, StaleError, StopError
from facebatch.gallery import leases, pins, snapshots
from facebatch.gallery.collect import RetentionSpec
from facebatch.gallery.commits import read_part
from facebatch.gallery.history import numbers
from facebatch.gallery.references import parts_of
from facebatch.gallery.snapshots import Snapshot
from facebatch.index.segment import read_manifest
from facebatch.pipelines import gallery_collect, gallery_rollback
from facebatch.telemetry.progress import SilentProgress
from simulation.processes import running
from simulation.scheduler import never
from simulation.world import World

RUNS = 3
"""How often a command is run again before somebody looks at it in the morning."""
PATIENT = ("run the same command again", "run `facebatch embed` first")
"""What a refusal says that only asks for patience."""
Job = Callable[[], None]
_QUIET = SilentProgress()
_BACK = gallery_rollback.RollbackSpec(reason="a bad batch")


def repeat(world: World, once: Job) -> None:
    """Run until it succeeds, some times. A refusal that asks for anything else is a breach."""
    for _ in range(RUNS):
        world.issued[running()] = set()
        try:
            return once()
        except (RetryableError, StaleError):
            continue
        except StopError as error:
            if not any(words in str(error) for words in PATIENT):
                return world.rules.report(f"a run ended with {type(error).__name__}: {error}")
        except Exception as error:
            return world.rules.report(f"a run ended with a fault of the code, {type(error).__name__}: {error}")
    return None


def late(world: World, job: Job) -> Job:
    """The same, begun a little or some minutes after others."""
    scheduler = world.scheduler
    seconds = scheduler.between(1, 60) if scheduler.chance(0.7) else scheduler.between(100, 2000)

    def begin() -> None:
        scheduler.wait(never, seconds)
        job()

    return begin


class Changing(Protocol):
    """A source whose owner changes it."""

    @property
    def uri(self) -> str:
        """Its name."""
        ...

    def change(self) -> None:
        """Turn to the next revision."""
        ...


def owner_job(world: World, sources: Sequence[Changing]) -> Job:
    """Somebody who changes a source while the drivers are at work."""

    def change() -> None:
        scheduler = world.scheduler
        scheduler.wait(never, scheduler.between(1, 60))
        source = sources[scheduler.between(0, len(sources) - 1)]
        world.ask("change the source", source.uri, source.change)

    return change


def collector_job(world: World, grace: timedelta) -> Job:
    """A garbage collection that keeps as little as it may."""

    def once() -> None:
        with suppress(NotFoundError):  # another one took over while this one slept
            gallery_collect.run(world.store, _retention(grace.total_seconds() / 3600), _QUIET)

    return lambda: repeat(world, once)


@cache
def _retention(hours: float) -> RetentionSpec:
    return RetentionSpec(keep_last=1, keep_days=0.0, grace_hours=hours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bystanders:
    """Who is about beside the drivers and the collector; part of the shape of a schedule."""

    reads: bool = False
    pins: bool = False
    rolls_back: bool = False
    changes: bool = False
    """Whether the owner of a source changes it while drivers are at work."""


def bystander_jobs(world: World, shape: Bystanders, sources: Sequence[Changing]) -> Iterator[tuple[str, Job]]:
    """Those of a shape, by name."""
    if shape.reads:
        yield "reader", reader_job(world)
    if shape.pins:
        yield "pinner", pinner_job(world)
    if shape.rolls_back:
        yield "rollback", rollback_job(world)
    if shape.changes:
        yield "owner", owner_job(world, sources)


def reader_job(world: World) -> Job:
    """Somebody who leases the head and takes time to read all of it, as a match does."""

    def once() -> None:
        snapshot = snapshots.require_head(world.store)
        with suppress(NotFoundError), leases.reading(world.store, snapshot.seq, "a reader") as held:
            try:
                _read_slowly(world, snapshot)
            except (CorruptError, NotFoundError) as error:
                held.require()
                world.rules.report(f"a reader of the leased snapshot {snapshot.seq} was told: {error}")

    return lambda: repeat(world, once)


def _read_slowly(world: World, snapshot: Snapshot) -> None:
    parts = [*parts_of(snapshot)]
    parts += [part for segment in snapshot.segments for part in parts_of(read_manifest(world.store, segment))]
    for part in parts:
        world.scheduler.wait(never, world.scheduler.between(1, 800))
        read_part(world.store, part)


def pinner_job(world: World) -> Job:
    """Somebody who pins a snapshot, and perhaps thinks better of it."""
    scheduler = world.scheduler
    name = f"pin-{world.name()[:12]}"
    chosen: list[int] = []
    is_leaving = False

    def once() -> None:
        nonlocal is_leaving
        with suppress(NotFoundError):  # collected, or unpinned before
            chosen[:] = chosen or [any_number(world)]
            if not is_leaving:
                pins.pin(world.store, pins.Pin(name=name, snapshot=chosen[0], at=scheduler.now))
                world.rules.pinned(name, chosen[0])
                is_leaving = scheduler.chance(0.3)
                if not is_leaving:
                    return
                scheduler.wait(never, scheduler.between(1, 60))
            world.rules.unpinned(name)
            pins.unpin(world.store, name)

    return lambda: repeat(world, once)


def rollback_job(world: World) -> Job:
    """Somebody who goes back to an older snapshot."""

    def once() -> None:
        with suppress(NotFoundError, PlanError):  # collected, or nothing to go back from
            report = gallery_rollback.run(world.store, any_number(world, older=True), _BACK)
            world.rules.told_truly(report.snapshot, True, world.issued[running()])

    return lambda: repeat(world, once)


def any_number(world: World, *, older: bool = False) -> int:
    """One of the snapshots there are, or of those but the head."""
    found = numbers(world.store)
    found = found[:-1] if older else found
    return found[world.scheduler.between(0, len(found) - 1)] if found else 1
