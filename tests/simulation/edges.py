"""What lies at the edges of both layers, replaced: clocks, names, threads, and the reading of one document twice.

A stand-in takes the place of the real thing in every module of the package that uses it, so that a module written
tomorrow is inside the simulation too.
"""

import gc
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, tzinfo
from functools import lru_cache
from os import getpid
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from facebatch.gallery import leases
from facebatch.gallery.holders import Holder, is_gone, this_process
from facebatch.governance.audit import open_event
from facebatch.spec import Spec
from facebatch.storage import documents
from facebatch.storage.digest import digest
from facebatch.storage.preflight import require_put_if_absent
from facebatch.storage.store import ObjectStore
from simulation.processes import Actor, running
from simulation.scheduler import Scheduler, never
from simulation.world import Stage

SpecT = TypeVar("SpecT", bound=Spec)

INSIDE = (
    "facebatch.gallery.",
    "facebatch.governance.",
    "facebatch.pipelines.",
    "facebatch.index.",
    "facebatch.storage.clock",
)
"""Modules of the package in which things are replaced."""
POLL_S = 30.0
"""Seconds between two looks of a writer that waits for a collection."""

_loaded: dict[tuple[type[Spec], bytes], Spec] = {}
_most = 5_000
"""Documents remembered at a time."""


def replace(patch: pytest.MonkeyPatch, swaps: Iterable[tuple[object, object]], inside: Iterable[str] = INSIDE) -> None:
    """Put each second in the place of the first, under whatever name a module has it."""
    instead = {id(old): new for old, new in swaps}
    for name, module in list(sys.modules.items()):
        if name.startswith(tuple(inside)):
            for key, value in list(vars(module).items()):
                if id(value) in instead:
                    patch.setattr(module, key, instead[id(value)])


def install(patch: pytest.MonkeyPatch, stage: Stage[Any], memory: int) -> None:
    """Let the package run in whatever world is on the stage, until `patch` is undone. So many documents and digests are
    remembered: more than are read again fill the processor's caches for nothing.
    """
    outside = (
        (time, SimpleNamespace(monotonic=lambda: _scheduler(stage).seconds, sleep=lambda s: _sleep(stage, s))),
        (threading, SimpleNamespace(Event=lambda: Event(_scheduler(stage)), Thread=Thread)),
        (datetime, _clock(stage)),
        (uuid4, lambda: SimpleNamespace(hex=stage.world.name())),
        (ThreadPoolExecutor, OneAfterAnother),
        (socket, SimpleNamespace(gethostname=lambda: "a machine")),
        (getpid, lambda: 1),
        (this_process, lambda: _this_process(stage)),
        (is_gone, lambda holder: _is_gone(stage, holder)),
        (require_put_if_absent, _honest),
    )
    replace(patch, outside)
    pure = [(function, lru_cache(maxsize=memory)(function)) for function in (digest, open_event)]
    replace(patch, [(documents.load, load), *pure], (*INSIDE, "simulation."))
    patch.setattr(leases, "_POLL_S", POLL_S)
    patch.setattr(sys.modules[__name__], "_most", memory)


def load(model: type[SpecT], data: bytes, *, origin: str) -> SpecT:
    """`documents.load` with a memory: it is pure, and half of the time of a schedule would go into reading JSON."""
    known = _loaded.get((model, data))
    if known is None:
        known = remember(documents.load(model, data, origin=origin), data)
    assert isinstance(known, model)
    return known


def remember(document: SpecT, data: bytes) -> SpecT:
    """`data` reads as `document`."""
    if len(_loaded) >= _most:
        _loaded.clear()
    _loaded[type(document), data] = document
    return document


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """A schedule leaves no cycles behind (`World.end`): Python looks for some seldom, and not through all there is."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(1_000_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _this_process(stage: Stage[Any]) -> Holder | None:
    """One that is simulated; all of a schedule run on one machine, which was started for it."""
    actor = running()
    return None if actor is None else Holder(machine=f"of schedule {stage.world.seed}", pid=actor.number, started=0)


def _is_gone(stage: Stage[Any], holder: Holder | None) -> bool:
    here = _this_process(stage)
    if holder is None or here is None or holder.machine != here.machine:
        return False
    return all(actor.number != holder.pid for actor in _scheduler(stage).alive)


def _honest(store: ObjectStore) -> None:
    """The preflight asks with real threads."""


def _scheduler(stage: Stage[Any]) -> Scheduler:
    scheduler: Scheduler = stage.world.scheduler
    return scheduler


def _sleep(stage: Stage[Any], seconds: float) -> None:
    _scheduler(stage).wait(never, seconds)


def _clock(stage: Stage[Any]) -> type[datetime]:
    """`datetime` whose now is the simulation's."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return stage.world.scheduler.clock()

    return Clock


class Event:
    """`threading.Event`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_set = False
        self._waiting: list[Actor] = []

    def set(self) -> None:
        """Wake who waits."""
        self._is_set = True
        for actor in self._waiting:
            actor.wake()

    def wait(self, seconds: float) -> bool:
        """Whether it was set in this time."""
        actor = running()
        if not self._is_set and actor is not None:
            self._waiting.append(actor)
            self._scheduler.wait(never, seconds)
            self._waiting.remove(actor)
        return self._is_set


class Thread:
    """`threading.Thread`: dies with the process that made it."""

    def __init__(self, *, target: Callable[[], None], name: str, daemon: bool) -> None:
        self._target = target
        self._name = name
        self._actor: Actor | None = None

    def start(self) -> None:
        """Begin."""
        owner = running()
        if owner is not None:  # else nothing can happen before the work is done
            self._actor = owner.scheduler.spawn(f"{owner.name} {self._name}", self._target)
            owner.threads.append(self._actor)
        del self._target

    def join(self) -> None:
        """Wait until it has ended."""
        actor = self._actor
        if actor is not None and not actor.dead:
            actor.scheduler.wait(lambda: actor.dead)


class OneAfterAnother:
    """Stands for a pool of threads: a process of the simulation has one."""

    def __init__(self, threads: int, thread_name_prefix: str = "") -> None:
        pass

    def __enter__(self) -> "OneAfterAnother":
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """`Executor.map`."""
        return map(work, items)
