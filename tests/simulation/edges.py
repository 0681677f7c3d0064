"""What lies at the edges of the pipelines, replaced: images, networks, FAISS, file formats, clocks and names.

Everything between them, which is the commit protocol, is the code of the package.
"""

import functools
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from facebatch.faces.rows import Extraction
from facebatch.gallery import commits, leases, snapshots, superseded
from facebatch.images.records import ImageShard
from facebatch.index import segment
from facebatch.pipelines import embed, embedding, gallery_collect, index
from facebatch.spec import Spec
from facebatch.storage import documents
from facebatch.storage.digest import digest
from facebatch.storage.open import open_store
from facebatch.storage.store import ObjectStore
from simulation import rules
from simulation.executor import SimulatedExecutor
from simulation.scheduler import Actor, Scheduler, running
from simulation.world import CARD, GALLERY, World

_CONTENT = b"content"


def install(patch: pytest.MonkeyPatch, world: World) -> None:
    """Let the pipelines run in `world` until `patch` is undone."""
    clock, store = Clock(world), functools.partial(_store, world)

    def executor(spec: Any) -> SimulatedExecutor:
        return SimulatedExecutor(world.scheduler, spec)

    common = {"uuid4": world.uuid, "open_store": store, "tempfile": _FOLDERS}
    job = {
        "open_store": store,
        "open_executor": executor,
        "require_put_if_absent": lambda store: None,
    }
    sources = {"find_pack": lambda model: None, "load_card": lambda pack: CARD, "list_shards": world.list_shards}
    waiting = {"time": Clocks(world), "threading": Threads(world), "_POLL_S": 30.0}
    _set(patch, leases, {"uuid4": world.uuid, "datetime": clock, **waiting})
    _set(patch, snapshots, {"uuid4": world.uuid, "datetime": clock})
    collector = {"ThreadPoolExecutor": OneAfterAnother, "datetime": clock}
    _set(patch, gallery_collect, collector)
    _set(patch, superseded, {"ThreadPoolExecutor": OneAfterAnother})
    for module in (commits, snapshots, index, segment, gallery_collect, rules):
        patch.setattr(module, "load", load)
    _set(patch, embed, {**job, **sources, "ThreadPoolExecutor": OneAfterAnother})
    models = {"open_models": lambda *settings: (CARD, None, None), "Extractor": lambda *parts: Networks(world)}
    files = {"read_shard": lambda shard, *where: shard, "write_table": functools.partial(_write_table, world)}
    _set(patch, embedding, {**common, **models, **files})
    faiss = {"read_templates": lambda data, origin: data, "build": _build, "pack_bytes": lambda vectors: b"codes"}
    order = SimpleNamespace(order_of=lambda members: members, to_bytes=lambda members: b"order")
    _set(
        patch,
        index,
        {**job, **common, **faiss, "order": order, "write_arrow": lambda members, **facts: members.content},
    )


@functools.lru_cache(maxsize=65536)
def load(model: type[Spec], data: bytes, *, origin: str) -> Spec:
    """`documents.load` with a memory: it is pure, and half of the time of a schedule would go into reading JSON."""
    return documents.load(model, data, origin=origin)


def _set(patch: pytest.MonkeyPatch, module: object, values: dict[str, object]) -> None:
    for name, value in values.items():
        patch.setattr(module, name, value)


def _store(world: World, uri: str, s3: object = None) -> ObjectStore:
    return world.store if uri == GALLERY else open_store(uri)


class Clock:
    """Stands for `datetime` where only `now` is asked."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self, zone: tzinfo | None = None) -> datetime:
        """The simulation's clock."""
        return self._world.scheduler.now.astimezone(zone)


class Clocks:
    """Stands for the module `time`."""

    def __init__(self, world: World) -> None:
        self._scheduler = world.scheduler

    def monotonic(self) -> float:
        """Seconds of the simulation."""
        return self._scheduler.now.timestamp()

    def sleep(self, seconds: float) -> None:
        """Others go on meanwhile."""
        self._scheduler.wait(lambda: False, seconds)


class Threads:
    """Stands for the module `threading`, for a process that lets one thread wait for an event now and then."""

    def __init__(self, world: World) -> None:
        self._scheduler = world.scheduler

    def Event(self) -> "Event":
        """`threading.Event`."""
        return Event(self._scheduler)

    def Thread(self, *, target: Callable[[], None], name: str, daemon: bool) -> "Thread":
        """`threading.Thread`."""
        return Thread(self._scheduler, target, name)


class Event:
    """`threading.Event`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_set = False

    def set(self) -> None:
        """Wake who waits."""
        self._is_set = True

    def wait(self, seconds: float) -> bool:
        """Whether it was set in this time."""
        if not self._is_set:
            self._scheduler.wait(lambda: self._is_set, seconds)
        return self._is_set


class Thread:
    """`threading.Thread`: dies with the process that made it."""

    def __init__(self, scheduler: Scheduler, target: Callable[[], None], name: str) -> None:
        self._scheduler = scheduler
        self._target = target
        self._name = name
        self._actor: Actor | None = None

    def start(self) -> None:
        """Begin."""
        owner = running()
        self._actor = self._scheduler.spawn(f"{owner.name if owner else ''} {self._name}", self._target)
        if owner is not None:
            owner.threads.append(self._actor)

    def join(self) -> None:
        """Wait until it has ended."""
        actor = self._actor
        if actor is not None and not actor.dead:
            self._scheduler.wait(lambda: actor.dead)


class Folders:
    """Stands for `tempfile`: folders in memory where there is such a place, used again and again.

    To make and remove files on a disk takes longer than all the rest.
    """

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        self._root = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self._free: list[Path] = []
        self._made = itertools.count()

    @contextmanager
    def TemporaryDirectory(self, *, prefix: str) -> Iterator[str]:
        """`tempfile.TemporaryDirectory`, not emptied."""
        folder = self._free.pop() if self._free else Path(self._root.name) / f"{prefix}{next(self._made)}"
        folder.mkdir(exist_ok=True)
        try:
            yield str(folder)
        finally:
            self._free.append(folder)


_FOLDERS = Folders()


class OneAfterAnother:
    """Stands for a pool of threads: a process of the simulation has one."""

    def __init__(self, threads: int) -> None:
        pass

    def __enter__(self) -> "OneAfterAnother":
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """`Executor.map`."""
        return map(work, items)


class Networks:
    """Stands for the extractor. In a mixed fleet a shard's rows depend on the machine that embedded it."""

    def __init__(self, world: World) -> None:
        self._machine = int(world.shape.mixed_fleet and world.scheduler.chance(0.5))

    def extract(self, images: ImageShard, shard_uri: str) -> Extraction:
        """Rows of one shard."""
        return _extraction(images, self._machine)


@functools.lru_cache(maxsize=4096)
def _extraction(shard: ImageShard, machine: int) -> Extraction:
    facts = {_CONTENT: f"{shard.uri} {shard.etag} {machine}".encode()}
    never = pa.array([None] * shard.size, pa.timestamp("us", "UTC"))
    templates = pa.table({"template_id": ["t"] * shard.size, "expires_at": never}).replace_schema_metadata(facts)
    ledger = pa.table({"outcome": ["ok", "no_face"], "faces_kept": [shard.size, 0]}).replace_schema_metadata(facts)
    timings = pa.table({name: [1.0] for name in ("decode_ms", "detect_ms", "embed_ms")}).replace_schema_metadata(facts)
    return Extraction(templates, ledger, timings)


def _write_table(world: World, table: pa.Table, *, kind: str, model: str) -> bytes:
    """Timings differ from attempt to attempt, templates and ledger do not."""
    content: bytes = table.schema.metadata[_CONTENT]
    return b"%s %s %s" % (kind.encode(), content, world.uuid().bytes if kind == "timings" else b"")


def _build(tables: Sequence[bytes], spec: object, dim: int) -> SimpleNamespace:
    content = digest(b"|".join(tables)).encode()
    members = SimpleNamespace(num_rows=sum(map(_rows, tables)), content=content)
    return SimpleNamespace(members=members, index=content, vectors=np.zeros((members.num_rows, dim), np.float16))


def _rows(templates: bytes) -> int:
    return int(templates.split(b".tar ")[0].rpartition(b"-")[2])
