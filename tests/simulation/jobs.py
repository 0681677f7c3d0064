"""The processes of a night: the real pipelines, run again as an operator would after a crash or a plain refusal."""

from collections.abc import Callable
from contextlib import suppress

from facebatch.errors import CorruptError, NotFoundError, RetryableError, StaleError, StopError
from facebatch.gallery import leases, snapshots
from facebatch.gallery.collect import RetentionSpec
from facebatch.gallery.commits import read_part
from facebatch.gallery.references import parts_of
from facebatch.gallery.snapshots import Snapshot
from facebatch.index.segment import read_manifest
from facebatch.pipelines import embed, gallery_collect, index
from facebatch.pipelines.embed import EmbedReport
from facebatch.pipelines.index import IndexReport
from facebatch.telemetry.progress import SilentProgress
from simulation.scheduler import running
from simulation.world import World

RUNS = 3
"""How often a command is run again before somebody looks at it in the morning."""
AGAIN = ("run the same command again", "run `facebatch embed` first")
"""What a refusal says that only asks for patience."""


def embed_job(world: World, uri: str) -> Callable[[], None]:
    """A driver of embed."""
    source = world.sources[uri]

    def once() -> None:
        report = embed.run(source.config, SilentProgress())
        assert isinstance(report, EmbedReport)
        actor = running()
        world.rules.embedded(uri, world.listed[actor], report, world.issued[actor])

    return lambda: _repeat(world, once)


def index_job(world: World) -> Callable[[], None]:
    """A driver of index."""

    def once() -> None:
        report = index.run(world.index_config, SilentProgress())
        assert isinstance(report, IndexReport)
        world.rules.indexed(report, world.issued[running()])

    return lambda: _repeat(world, once)


def owner_job(world: World) -> Callable[[], None]:
    """Somebody who changes a source while the drivers are at work."""

    def change() -> None:
        scheduler = world.scheduler
        scheduler.wait(lambda: False, scheduler.between(1, 60))
        source = list(world.sources.values())[scheduler.between(0, len(world.sources) - 1)]
        world.ask(f"change the source {source.uri}", source.change)

    return change


def collector_job(world: World) -> Callable[[], None]:
    """Garbage collections, one after the other, that keep as little as they may."""
    hours = world.shape.grace.total_seconds() / 3600
    spec = RetentionSpec(keep_last=1, keep_days=0.0, grace_hours=hours)

    def once() -> None:
        with suppress(NotFoundError):  # another one took over while this one slept
            gallery_collect.run(world.store, spec, SilentProgress())

    def collect() -> None:
        for _ in range(3):
            _repeat(world, once)
            world.scheduler.wait(lambda: False, 1500.0)

    return collect


def reader_job(world: World) -> Callable[[], None]:
    """Somebody who leases the head and takes time to read all of it, as a match does."""

    def once() -> None:
        snapshot = snapshots.require_head(world.store)
        with suppress(NotFoundError), leases.reading(world.store, snapshot.seq, "a reader") as held:
            try:
                _read_slowly(world, snapshot)
            except (CorruptError, NotFoundError) as error:
                held.require()
                world.rules.report(f"a reader of the leased snapshot {snapshot.seq} was told: {error}")

    return lambda: _repeat(world, once)


def _read_slowly(world: World, snapshot: Snapshot) -> None:
    parts = [part for shard in snapshot.shards for part in (shard.templates, shard.ledger)]
    parts += [part for segment in snapshot.segments for part in parts_of(read_manifest(world.store, segment))]
    for part in parts:
        world.scheduler.wait(lambda: False, world.scheduler.between(1, 800))
        read_part(world.store, part)


def late(world: World, job: Callable[[], None]) -> Callable[[], None]:
    """The same, begun a little or some minutes after others."""
    scheduler = world.scheduler
    seconds = scheduler.between(1, 60) if scheduler.chance(0.7) else scheduler.between(100, 2000)

    def begin() -> None:
        scheduler.wait(lambda: False, seconds)
        job()

    return begin


def _repeat(world: World, once: Callable[[], None]) -> None:
    for _ in range(RUNS):
        world.issued[running()] = set()
        try:
            return once()
        except (RetryableError, StaleError):
            continue
        except StopError as error:
            if not any(words in str(error) for words in AGAIN):
                return world.rules.report(f"a run ended with {type(error).__name__}: {error}")
        except Exception as error:
            return world.rules.report(f"a run ended with a fault of the code, {type(error).__name__}: {error}")
    return None
