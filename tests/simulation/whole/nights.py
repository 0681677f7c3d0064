"""Schedules of the whole layer: some nights of drivers, then quiet, in which everything comes to the one right end."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import inf

import pytest

from facebatch.images.records import ImageShard
from simulation import edges
from simulation.faults import Faults
from simulation.jobs import Job, bystander_jobs, collector_job, late
from simulation.processes import Actor
from simulation.rules import listed
from simulation.scheduler import never
from simulation.theatre import Plant, Theatre, sound
from simulation.whole.edges import Folders, install
from simulation.whole.jobs import embed_job, index_job, reindex_job
from simulation.whole.shape import Shape, draw_shape
from simulation.whole.world import WholeWorld
from simulation.world import DAY, Stage

STEPS = 900
"""Of a night, at most."""
ENOUGH = 12
"""Reruns after which a reindex must have nothing left to do."""
Night = tuple[tuple[tuple[ImageShard, ...], ...], tuple[str, ...]]
"""What was listed of each source in the end, and the lines of the deletions."""


class Nights(Theatre[WholeWorld]):
    """Plays whole nights; what undisturbed runs come to is remembered."""

    def __init__(self, stage: Stage[WholeWorld], plant: Plant) -> None:
        super().__init__(stage, plant)
        self._undisturbed: dict[tuple[object, ...], str] = {}

    def world(self, seed: int) -> WholeWorld:
        """See Theatre."""
        return WholeWorld(seed, draw_shape(seed))

    def perform(self, world: WholeWorld) -> None:
        """See Theatre."""
        nights = [_night(world, number) for number in range(world.shape.nights)]
        if world.rules.breach is None:
            self._compare(world, nights)

    def _compare(self, world: WholeWorld, nights: list[Night]) -> None:
        """The head holds what it would hold had nothing gone wrong, where that alone decides it."""
        if not world.rules.history:
            return world.rules.report("nothing was ever published")
        head = world.rules.history[-1]
        if world.shape.steady or not (world.shape.reindexes or world.shape.mixed_fleet):
            expected = self._undisturbed_content(world.shape, nights if world.shape.steady else nights[-1:])
            found = _content(world)
            if found != expected:
                world.rules.report(f"the head holds {found[:12]}, after undisturbed runs it would hold {expected[:12]}")
        for source in world.sources.values():
            if listed(head, source.uri) != source.expected[-1]:
                world.rules.report(f"the head does not hold the last revision of {source.uri}")
        return None

    def _undisturbed_content(self, shape: Shape, nights: list[Night]) -> str:
        """Digest of what the same nights come to without a fault, each with one driver."""
        calm = Shape(
            sources=shape.sources,
            embeds=shape.embeds,
            reindexes=shape.reindexes,
            indexes=shape.indexes,
            expires=shape.expires,
            budget=shape.budget,
            collects=shape.collects,
        )
        key = (calm, tuple(nights))
        if key not in self._undisturbed:
            before = self.stage.world
            self.stage.world = world = WholeWorld(0, calm)
            self._undisturbed[key] = _calm_content(world, nights)
            self.stage.world = before
        return self._undisturbed[key]


@contextmanager
def playing(plant: Plant = sound) -> Iterator[Nights]:
    """A theatre of the whole layer with a bug planted, or none."""
    with Folders() as folders, pytest.MonkeyPatch.context() as patch:
        stage = Stage[WholeWorld]()
        install(patch, stage, folders)
        plant(patch)
        with edges.collecting_seldom():
            yield Nights(stage, plant)


def _calm_content(world: WholeWorld, nights: list[Night]) -> str:
    for number, (revisions, lines) in enumerate(nights):
        if number:
            world.scheduler.skip(DAY)
        world.begin_night(number)
        for source, revision in zip(world.sources.values(), revisions, strict=True):
            (source.turn_to if number else source.begin_with)(revision)
        _finish(world, world.hand_out(lines) if lines else None)
    return _content(world)


def _content(world: WholeWorld) -> str:
    """Digest of what the head holds. Where garbage is collected, without the orders: a request for an image that was
    erased before finds it in a part from before its purge, as long as the commit names that.
    """
    head = world.rules.history[-1]
    return (head.model_copy(update={"orders": None}) if world.shape.collects else head).content_sha256


def _night(world: WholeWorld, number: int) -> Night:
    if number:
        _dawn(world)
    world.begin_night(number)
    world.scheduler.faults = world.shape.faults
    deletions = world.ask_to_erase() if world.shape.deletes and world.scheduler.chance(0.7) else None
    jobs = {name: late(world, job) if world.scheduler.chance(0.6) else job for name, job in _jobs(world, deletions)}
    drivers = {world.scheduler.spawn(name, job): job for name, job in jobs.items()}
    end = world.scheduler.steps + STEPS
    while drivers and world.scheduler.steps < end and _run(world, end):
        for driver in [driver for driver in drivers if driver.dead]:
            job = drivers.pop(driver)
            if driver.crashed:
                _orphan(world, driver)
                if world.scheduler.chance(0.8):
                    drivers[world.scheduler.spawn(f"{driver.name}+", job)] = job
    if world.shape.steady or number == world.shape.nights - 1:
        _settle(world, deletions)
    lines = tuple(world.lines(deletions)) if deletions else ()
    return tuple(source.revisions[-1] for source in world.sources.values()), lines


def _jobs(world: WholeWorld, deletions: str | None) -> Iterator[tuple[str, Job]]:
    shape, uris = world.shape, tuple(world.sources)
    for uri in uris:
        for number in range(shape.embeds):
            yield f"embed {uri[-1]} {number}", embed_job(world, uri)
    for number in range(shape.reindexes):
        own, asked = ((uris[number % len(uris)],), None if number else deletions) if shape.split else (uris, deletions)
        yield f"reindex {number}", reindex_job(world, world.reindex_config(own, asked))
    if shape.indexes:
        yield "index", index_job(world)
    if shape.collects:
        yield "gc", _collections(world)
    yield from bystander_jobs(world, shape, list(world.sources.values()))


def _collections(world: WholeWorld) -> Job:
    """Garbage collections, one after the other."""
    collect = collector_job(world, world.shape.grace)

    def work() -> None:
        for _ in range(3):
            collect()
            world.scheduler.wait(never, 1500.0)

    return work


def _orphan(world: WholeWorld, driver: Actor) -> None:
    """The workers of a driver that crashed go on, or die with the machine."""
    workers = [actor for actor in world.scheduler.alive if actor.name.startswith(f"{driver.name} ")]
    if world.scheduler.chance(0.5):
        for worker in workers:
            world.scheduler.kill(worker)


def _dawn(world: WholeWorld) -> None:
    """A day passes and sources change. Only workers may be left, for less time than the grace."""
    world.scheduler.skip(DAY)
    for actor in world.scheduler.alive:
        is_old = world.scheduler.seconds - actor.born > world.shape.grace.total_seconds()
        if is_old or "attempt" not in actor.name or world.scheduler.chance(0.3):
            world.scheduler.kill(actor)
    for source in world.sources.values():
        if world.scheduler.chance(0.8):
            source.change()


def _settle(world: WholeWorld, deletions: str | None) -> None:
    """Without faults: whoever is left, then each command once more, and again, which changes nothing."""
    world.scheduler.faults = Faults()
    while _run(world):
        pass
    world.scheduler.skip(timedelta(hours=1))  # leases of the dead end
    _finish(world, deletions)
    if world.shape.collects or world.shape.pins:
        _carry_out(world, collector_job(world, world.shape.grace))
    before = _contents(world)
    _finish(world, deletions)
    if _contents(world) != before:
        world.rules.report("a run that had nothing to do changed the gallery")
    world.rules.check_all()


def _contents(world: WholeWorld) -> dict[str, bytes]:
    return {key: stored.data for key, stored in world.store.objects.items()}


def _finish(world: WholeWorld, deletions: str | None) -> None:
    """Each command once; reindex until it has nothing left to do."""
    if world.shape.reindexes:
        job = reindex_job(world, world.reindex_config(tuple(world.sources), deletions))
        for _ in range(ENOUGH):
            before = len(world.rules.history)
            _carry_out(world, job)
            if len(world.rules.history) == before:
                return None
        return world.rules.report(f"after {ENOUGH} runs reindex still finds something to do")
    for uri in world.sources:
        _carry_out(world, embed_job(world, uri))
    if world.shape.indexes:
        _carry_out(world, index_job(world))
    return None


def _carry_out(world: WholeWorld, job: Job) -> None:
    actor = world.scheduler.spawn("last", job)
    while not actor.dead and _run(world):
        pass


def _run(world: WholeWorld, until: float = inf) -> bool:
    return world.rules.breach is None and world.scheduler.run(until)
