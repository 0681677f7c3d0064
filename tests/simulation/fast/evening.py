"""Schedules of the fast layer: a night in a gallery with a past, then quiet, in which it must come to the right end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest

from facebatch.spec import Spec
from facebatch.storage import documents
from simulation import edges
from simulation.fast.jobs import embed_job, orphan_job
from simulation.fast.world import PASTS, FastWorld, Shape, Source, draw_shape
from simulation.faults import Faults
from simulation.jobs import Job, bystander_jobs, collector_job, late
from simulation.rules import listed
from simulation.theatre import Plant, Theatre, sound
from simulation.world import DAY, Stage

STEPS = 400
"""Of the night, at most."""
_CALM = Shape(0, "", True, False, DAY / 2, 1000, 0.9, Faults())


class Evening(Theatre[FastWorld]):
    """Plays a night in galleries that have a past."""

    mark = "f"

    def __init__(self, stage: Stage[FastWorld], plant: Plant, pasts: Sequence[FastWorld]) -> None:
        super().__init__(stage, plant)
        self._pasts = pasts

    def world(self, seed: int) -> FastWorld:
        """See Theatre."""
        shape = draw_shape(seed)
        return FastWorld(seed, shape, self._pasts[shape.past])

    def perform(self, world: FastWorld) -> None:
        """See Theatre."""
        _night(world)
        _settle(world)


@contextmanager
def playing(plant: Plant = sound) -> Iterator[Evening]:
    """A theatre of the fast layer with a bug planted, or none."""
    with pytest.MonkeyPatch.context() as patch:
        stage = Stage[FastWorld]()
        edges.install(patch, stage, memory=20_000)
        edges.replace(patch, [(documents.dump, dump)], (*edges.INSIDE, "simulation."))
        pasts = [_past(stage, number) for number in range(PASTS)]
        plant(patch)
        with edges.collecting_seldom():
            yield Evening(stage, plant, pasts)


def dump(document: Spec) -> bytes:
    """`documents.dump` without sorting the keys, and remembered, so that the same bytes need not be read."""
    data = document.__pydantic_serializer__.to_json(document)
    edges.remember(document, data)
    return data


def _past(stage: Stage[FastWorld], number: int) -> FastWorld:
    """Some days without a fault: sources change, a driver dies half-way, snapshots and garbage pile up."""
    stage.world = world = FastWorld(-1 - number, _CALM)
    for day in range(number % 4):
        for uri in world.sources if number > 3 else ["memory://a"]:
            embed_job(world, uri)()
            world.sources[uri].change()
        if day == 1:
            dying = world.scheduler.spawn("dying", embed_job(world, "memory://a"))
            for _ in range(10 * number):
                world.scheduler.step()
            world.scheduler.kill(dying)
        world.scheduler.skip(DAY)
    assert world.rules.breach is None, world.rules.breach
    return world


def _night(world: FastWorld) -> None:
    scheduler, rules = world.scheduler, world.rules
    drivers = {}
    for name, job in _jobs(world):
        drivers[scheduler.spawn(name, late(world, job) if scheduler.chance(0.5) else job)] = job
    ended = scheduler.ended
    while drivers and rules.breach is None and scheduler.steps < STEPS and scheduler.run(STEPS):
        if scheduler.ended == ended:
            continue
        ended = scheduler.ended
        for driver in [driver for driver in drivers if driver.dead]:
            job = drivers.pop(driver)
            if not driver.crashed:
                continue
            if driver.name.startswith("embed") and scheduler.chance(0.5):
                scheduler.spawn("orphan", orphan_job(world, f"memory://{driver.name[6]}"))
            if scheduler.chance(0.8):
                drivers[scheduler.spawn(f"{driver.name}+", job)] = job


def _jobs(world: FastWorld) -> Iterator[tuple[str, Job]]:
    shape = world.shape
    for number, letter in enumerate(shape.writers):
        yield f"embed {letter} {number}", embed_job(world, f"memory://{letter}")
    if shape.collects:
        yield "gc", collector_job(world, shape.grace)
    if shape.collects_twice:
        yield "gc beside it", collector_job(world, shape.grace)
    yield from bystander_jobs(world, shape, world.written)


def _settle(world: FastWorld) -> None:
    """Without faults: whoever is left, then embed once more for sources that the head does not hold as they are."""
    scheduler = world.scheduler
    scheduler.faults = Faults()
    while world.rules.breach is None and scheduler.run():
        pass
    scheduler.skip(timedelta(hours=1))  # leases of the dead end
    for source in world.written:
        if not _is_held(world, source):
            embed_job(world, source.uri)()
    if world.shape.collects or world.shape.pins:
        collector_job(world, world.shape.grace)()
    world.rules.check_all()
    for source in world.written:
        if not _is_held(world, source):
            world.rules.report(f"the head does not hold the last revision of {source.uri}")


def _is_held(world: FastWorld, source: Source) -> bool:
    head = world.rules.history[-1:]
    return bool(head) and listed(head[0], source.uri) == source.expected[-1]
