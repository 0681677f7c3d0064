"""Whole schedules: some nights of drivers, then quiet, in which everything must come to the one right end."""

import functools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from facebatch.images.records import ImageShard
from simulation import edges
from simulation.jobs import collector_job, embed_job, index_job, late, owner_job, reader_job
from simulation.scheduler import Actor, Faults
from simulation.world import CALM, DAY, World, draw_shape

STEPS = 600
"""Of a night, at most."""
Plant = Callable[[pytest.MonkeyPatch, World], None]


class BreachError(AssertionError):
    """A rule was broken; the message says by which seed, at which step, and how to see it again."""


def sound(patch: pytest.MonkeyPatch, world: World) -> None:
    """No bug is planted."""


def play(seed: int, plant: Plant = sound) -> World:
    """The schedule of a seed. BreachError when it breaks a rule."""
    world = World(seed, draw_shape(seed))
    carry_out(world, plant)
    return world


def carry_out(world: World, plant: Plant = sound) -> None:
    """Play in a world that is given, so that it can be looked at after a BreachError."""
    world.planted = plant.__name__ if plant is not sound else ""
    with pytest.MonkeyPatch.context() as patch:
        edges.install(patch, world)
        plant(patch, world)
        for night in range(world.shape.nights):
            if night:
                _dawn(world)
            _night(world)
        _settle(world)
    _compare(world)
    _require(world)


def _night(world: World) -> None:
    jobs = {f"embed {uri[-1]} {n}": embed_job(world, uri) for uri in world.sources for n in range(world.shape.drivers)}
    if world.shape.indexes:
        jobs["index"] = index_job(world)
    if world.shape.collects:
        jobs["gc"] = collector_job(world)
    if world.shape.reads:
        jobs["reader"] = reader_job(world)
    if world.scheduler.chance(0.7):
        jobs["owner"] = owner_job(world)
    begun = {name: late(world, job) if world.scheduler.chance(0.6) else job for name, job in jobs.items()}
    drivers = {world.scheduler.spawn(name, job): job for name, job in begun.items()}
    for _ in range(STEPS):
        dead = [driver for driver in drivers if driver.dead]
        if len(dead) == len(drivers) or not _step(world):
            break
        for driver in [driver for driver in dead if driver.crashed]:
            job = drivers.pop(driver)
            _orphan(world, driver)
            if world.scheduler.chance(0.8):
                drivers[world.scheduler.spawn(f"{driver.name}+", job)] = job


def _orphan(world: World, driver: Actor) -> None:
    """The workers of a driver that crashed go on, or die with the machine."""
    workers = [actor for actor in world.scheduler.alive if actor.name.startswith(f"{driver.name} ")]
    if world.scheduler.chance(0.5):
        for worker in workers:
            world.scheduler.kill(worker)


def _dawn(world: World) -> None:
    """A day passes and sources change. Only workers may be left, for less time than the grace."""
    world.scheduler.skip(DAY)
    for actor in world.scheduler.alive:
        is_old = world.scheduler.now - actor.born > world.shape.grace
        if is_old or "attempt" not in actor.name or world.scheduler.chance(0.3):
            world.scheduler.kill(actor)
    for source in world.sources.values():
        if world.scheduler.chance(0.8):
            source.change()


def _settle(world: World) -> None:
    """Without faults: whoever is left, then each command once more, and again, which changes nothing."""
    world.scheduler.faults = Faults()
    while _step(world):
        pass
    world.scheduler.skip(timedelta(hours=1))  # leases of the dead end
    _finish(world)
    before = _contents(world)
    _finish(world)
    if _contents(world) != before:
        world.rules.report("a run that had nothing to do changed the gallery")
    world.rules.check_all()


def _contents(world: World) -> dict[str, bytes]:
    return {key: stored.data for key, stored in world.store.objects.items()}


def _finish(world: World) -> None:
    jobs = [embed_job(world, uri) for uri in world.sources]
    for job in [*jobs, index_job(world)] if world.shape.indexes else jobs:
        actor = world.scheduler.spawn("last", job)
        while not actor.dead and _step(world):
            pass


def _step(world: World) -> bool:
    _require(world)
    return world.scheduler.step()


def _compare(world: World) -> None:
    """The head holds what it would hold had nothing gone wrong. Machines that differ have no such one end."""
    if world.shape.mixed_fleet or world.rules.breach:
        return None
    if not world.rules.history:
        return world.rules.report("nothing was ever published")
    found = world.rules.history[-1].content_sha256
    expected = _undisturbed(tuple(source.revisions[-1] for source in world.sources.values()), world.shape.indexes)
    if found != expected:
        return world.rules.report(f"the head holds {found[:12]}, after undisturbed runs it would hold {expected[:12]}")
    return None


@functools.lru_cache(maxsize=4096)
def _undisturbed(revisions: tuple[tuple[ImageShard, ...], ...], indexes: bool) -> str:
    world = World(0, replace(CALM, sources=len(revisions), indexes=indexes))
    for source, revision in zip(world.sources.values(), revisions, strict=True):
        source.begin_with(revision)
    with pytest.MonkeyPatch.context() as patch:
        edges.install(patch, world)
        _finish(world)
    return world.rules.history[-1].content_sha256


def _require(world: World) -> None:
    if world.rules.breach:
        raise BreachError(
            f"seed {world.seed}, step {world.scheduler.steps}: {world.rules.breach}; "
            f"to see it again: cd tests && python -m simulation.replay {world.seed} {world.planted}".rstrip()
        )
