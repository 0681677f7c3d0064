"""One simulated gallery with its sources, its store and its rules: everything that a seed decides."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from facebatch.config import EmbedConfig, IndexConfig
from facebatch.faces.models import ModelCard, ModelFile
from facebatch.gallery.commits import shard_key
from facebatch.images.records import ImageShard
from facebatch.images.source import SourceSpec
from facebatch.index.spec import IndexSpec
from facebatch.pipelines.embedding import RowsSpec
from facebatch.runtime.executor import RunSpec
from simulation.rules import Listed, Rules
from simulation.scheduler import Actor, Faults, Scheduler, UnansweredError, running
from simulation.store import SimulatedStore

ValueT = TypeVar("ValueT")

GALLERY = "simulated://gallery"
DAY = timedelta(days=1)
_FILE = ModelFile("recognition", Path("none"), "0" * 64, "arcface")
CARD = ModelCard("synthetic", 4, 112, _FILE, _FILE, "CC0-1.0", False, "f" * 64)
_RUN = RunSpec(executor="ray", address="simulated", attempts=2, backoff_s=0.0)


@dataclass(frozen=True, slots=True)
class Shape:
    """What happens in a schedule, beside the order in which it does."""

    sources: int
    nights: int
    drivers: int
    """Of each source, each night."""
    indexes: bool
    collects: bool
    reads: bool
    mixed_fleet: bool
    """Two machines embed a shard to different bytes."""
    grace: timedelta
    """Of the garbage collection. No process lives as long: that is what a grace is."""
    page: int
    """Objects per page of a list."""
    stay: float
    """Chance that the same process goes on."""
    faults: Faults


def draw_shape(seed: int) -> Shape:
    """The shape of a seed. Even seeds have a bad network; odd ones collect garbage while processes hang and sleep."""
    draw = random.Random(f"shape {seed}")
    return _collecting(draw) if seed % 2 else _embedding(draw)


def _embedding(draw: random.Random) -> Shape:
    return Shape(
        sources=draw.choice((1, 1, 2)),
        nights=draw.choice((1, 1, 2)),
        drivers=2,
        indexes=draw.random() < 0.4,
        collects=draw.random() < 0.2,
        reads=draw.random() < 0.2,
        mixed_fleet=draw.random() < 0.2,
        grace=draw.choice((DAY / 2, 1.5 * DAY)),
        page=draw.choice((3, 1000, 1000)),
        stay=draw.choice((0.2, 0.6, 0.9)),
        faults=_bad_network(draw),
    )


def _collecting(draw: random.Random) -> Shape:
    return Shape(
        sources=1,
        nights=3,
        drivers=draw.choice((1, 2)),
        indexes=draw.random() < 0.2,
        collects=True,
        reads=draw.random() < 0.6,
        mixed_fleet=draw.random() < 0.2,
        grace=draw.choice((DAY / 2, 1.5 * DAY, 1.5 * DAY)),
        page=1000,
        stay=draw.choice((0.6, 0.9)),
        faults=_slow_machines(draw),
    )


def _bad_network(draw: random.Random) -> Faults:
    return Faults(
        crash=draw.choice((0.0, 0.01, 0.03)),
        lost=draw.choice((0.0, 0.05, 0.15)),
        refused=draw.choice((0.0, 0.05)),
        late=draw.choice((0.0, 0.05)),
        zombies=draw.choice((0.0, 0.3)),
    )


def _slow_machines(draw: random.Random) -> Faults:
    return Faults(
        crash=draw.choice((0.0, 0.02)),
        lost=draw.choice((0.0, 0.02)),
        late=draw.choice((0.0, 0.1)),
        hang=draw.choice((0.02, 0.05)),
        sleep=draw.choice((0.0, 0.15)),
        zombies=draw.choice((0.0, 0.3)),
    )


CALM = Shape(
    sources=1,
    nights=0,
    drivers=1,
    indexes=False,
    collects=False,
    reads=False,
    mixed_fleet=False,
    grace=DAY,
    page=1000,
    stay=0.9,
    faults=Faults(),
)
"""Nothing goes wrong."""


class Source:
    """A source of images whose owner changes it at times."""

    def __init__(self, uri: str, draw: random.Random) -> None:
        self.config = EmbedConfig(gallery=GALLERY, source=SourceSpec(uri=uri), run=_RUN)
        self._rows = RowsSpec(
            source=self.config.source, decode=self.config.decode, model=self.config.model, faces=self.config.faces
        ).key_part()
        self._draw = draw
        self.revisions: list[tuple[ImageShard, ...]] = []
        self.expected: list[Listed] = []
        """Per revision, what a snapshot must list of it."""
        self.begin_with(tuple(self._shard(number, 0) for number in range(draw.choice((1, 2, 3)))))

    @property
    def uri(self) -> str:
        """Its name in the gallery."""
        return self.config.source.uri

    def begin_with(self, revision: tuple[ImageShard, ...]) -> None:
        """Forget the past."""
        self.revisions.clear()
        self.expected.clear()
        self._turn_to(revision)

    def change(self) -> None:
        """The next revision: shards replaced, removed, added, or as they were some time ago."""
        now = self.revisions[-1]
        number = len(self.revisions)
        replaced = (*now[:-1], self._shard(len(now) - 1, number))
        removed = now[:-1] or replaced
        added = (*now, self._shard(len(now), number)) if len(now) < 4 else removed
        is_first = now == self.revisions[0]
        restored = not is_first and self._draw.random() < 0.5
        self._turn_to(self.revisions[0] if restored else self._draw.choice((replaced, removed, added)))

    def _turn_to(self, revision: tuple[ImageShard, ...]) -> None:
        self.revisions.append(revision)
        keys = [shard_key(shard, model=CARD.fingerprint, rows_config=self._rows) for shard in revision]
        self.expected.append(frozenset((shard.uri, key) for shard, key in zip(revision, keys, strict=True)))

    def _shard(self, number: int, etag: int) -> ImageShard:
        size = number % 2 + 1
        return ImageShard(f"{self.uri}/{number}-{size}.tar", "tar", size, f"etag{etag}", name=f"{number}.tar")


class World:
    """A gallery in which processes live."""

    def __init__(self, seed: int, shape: Shape) -> None:
        self.seed = seed
        self.shape = shape
        self.planted = ""
        """Name of the bug."""
        self.scheduler = Scheduler(seed, shape.stay, shape.faults)
        sources = [Source(f"memory://images/{name}", random.Random(f"source {name} {seed}")) for name in "ab"]
        self.sources = {source.uri: source for source in sources[: shape.sources]}
        self.rules = Rules({uri: source.expected for uri, source in self.sources.items()})
        self.store = SimulatedStore(GALLERY.removeprefix("simulated://"), shape.page, self._now, self.rules.observe)
        self.rules.objects = self.store.objects
        self.index_config = IndexConfig(gallery=GALLERY, index=IndexSpec(segment_rows=3), run=_RUN)
        self.listed: dict[Actor | None, int] = {}
        """Revision of its source that a driver saw last."""
        self.issued: dict[Actor | None, set[str]] = {}
        """Names that a process has made since its run began."""
        self._ids = random.Random(f"ids {seed}")

    def uuid(self) -> UUID:
        """Stands for `uuid4`."""
        made = UUID(int=self._ids.getrandbits(128), version=4)
        self.issued.setdefault(running(), set()).add(made.hex)
        return made

    def list_shards(self, source: SourceSpec, s3: object) -> list[ImageShard]:
        """Stands for the listing of a source: one request, which sees it as it is then."""
        revisions = self.sources[source.uri].revisions
        number = self.ask(f"list the source {source.uri}", lambda: len(revisions) - 1)
        self.listed[running()] = number
        return list(revisions[number])

    def ask(self, label: str, effect: Callable[[], ValueT]) -> ValueT:
        """A request to something else than the store, repeated until it is answered."""
        actor = running()
        while actor is not None:
            with suppress(UnansweredError):
                return self.scheduler.request(actor, label, effect)
        return effect()

    def _now(self) -> datetime:
        return self.scheduler.now
