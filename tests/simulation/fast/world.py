"""The small world of the fast layer: shards of one template, a few processes, one night after some calm ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar

from facebatch.faces.models import ModelCard, ModelFile
from facebatch.gallery.commits import KEY_LENGTH
from facebatch.storage.digest import digest
from simulation.faults import Faults
from simulation.jobs import Bystanders
from simulation.rules import Listed, Rules
from simulation.world import DAY, World, seeded

_FILE = ModelFile("recognition", Path("none"), "0" * 64, "arcface")
CARD = ModelCard("synthetic", 4, 112, _FILE, _FILE, "CC0-1.0", False, "f" * 64)


class Shard(NamedTuple):
    """An input shard of one version."""

    uri: str
    key: str


@dataclass(frozen=True, slots=True)
class Shape(Bystanders):
    """What happens in a schedule, beside the order in which it does."""

    past: int
    """Which of the calm pasts the gallery has."""
    writers: str
    """Last letters of the sources that are embedded; one that is there twice has duplicate drivers."""
    leases: bool
    """Whether drivers lease the gallery, which they need not where nobody collects."""
    collects: bool
    grace: timedelta
    page: int
    """Objects per page of a list."""
    stay: float
    """Chance that the same process goes on."""
    faults: Faults
    collects_twice: bool = False
    """Whether two collections begin in the same night."""


PASTS = 8
_DRAWS = Random()
"""Seeded anew for each shape: to make another one takes as long again."""
ChoiceT = TypeVar("ChoiceT")


def _pick(draw: Callable[[], float], choices: Sequence[ChoiceT]) -> ChoiceT:
    return choices[int(draw() * len(choices))]


def draw_shape(seed: int) -> Shape:
    """The shape of a seed. One in eight collects garbage while processes hang and sleep, the others have a bad network
    and two or three writers.
    """
    _DRAWS.seed(f"fast {seed}")
    draw = _DRAWS.random
    return _collecting(draw) if seed % 8 == 7 else _writing(draw)


def _writing(draw: Callable[[], float]) -> Shape:
    return Shape(
        past=_pick(draw, (0, 1, 1, 2, 5)),
        writers=_pick(draw, ("aa", "aa", "ab", "ab", "aab")),
        leases=draw() < 0.1,
        changes=draw() < 0.4,
        collects=False,
        reads=False,
        pins=False,
        rolls_back=draw() < 0.05,
        grace=DAY / 2,
        page=3 if draw() < 0.05 else 1000,
        stay=_pick(draw, (0.6, 0.85, 0.95)),
        faults=_bad_network(draw),
    )


def _collecting(draw: Callable[[], float]) -> Shape:
    return Shape(
        past=int(draw() * PASTS),
        writers=_pick(draw, ("aa", "ab", "a")),
        leases=True,
        changes=draw() < 0.4,
        collects=True,
        reads=draw() < 0.4,
        pins=draw() < 0.6,
        rolls_back=draw() < 0.15,
        grace=_pick(draw, (DAY / 2, 1.5 * DAY)),
        page=3 if draw() < 0.05 else 1000,
        stay=_pick(draw, (0.6, 0.85, 0.95)),
        faults=_slow_machines(draw),
        collects_twice=draw() < 0.2,
    )


def _bad_network(draw: Callable[[], float]) -> Faults:
    return Faults(
        crash=_pick(draw, (0.0, 0.02, 0.05)),
        lost=_pick(draw, (0.0, 0.05, 0.15)),
        refused=_pick(draw, (0.0, 0.05)),
        late=_pick(draw, (0.0, 0.05)),
    )


def _slow_machines(draw: Callable[[], float]) -> Faults:
    return Faults(
        crash=_pick(draw, (0.0, 0.02)),
        lost=_pick(draw, (0.0, 0.02)),
        late=_pick(draw, (0.0, 0.1, 0.2)),
        hang=_pick(draw, (0.02, 0.05)),
        sleep=_pick(draw, (0.0, 0.05, 0.15)),
    )


class Owner:
    """Draws about the sources of a world; seeded when the first one is made, since most worlds make none."""

    __slots__ = ("_random", "_seed")

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random: Random | None = None

    def random(self) -> float:
        """In [0, 1)."""
        if self._random is None:
            self._random = seeded("source", self._seed)
        return self._random.random()


class Source:
    """A source of shards whose owner changes it at times."""

    def __init__(self, uri: str, draw: Owner) -> None:
        self.uri = uri
        self.revisions: list[tuple[Shard, ...]] = []
        self.expected: list[Listed] = []
        """Per revision, what a snapshot must list of it."""
        self._draw = draw
        self._turn_to((_shard(uri, 0, 0),) if draw.random() < 0.7 else (_shard(uri, 0, 0), _shard(uri, 1, 0)))

    def copy(self, draw: Owner) -> "Source":
        """The same past, another future."""
        twin = object.__new__(Source)
        twin.uri, twin._draw = self.uri, draw
        twin.revisions, twin.expected = list(self.revisions), list(self.expected)
        return twin

    def change(self) -> None:
        """The next revision: a shard replaced, removed or added, or all as it was some time ago."""
        now, number = self.revisions[-1], len(self.revisions)
        draw = self._draw.random
        if number > 1 and now != self.revisions[0] and draw() < 0.4:
            self._turn_to(self.revisions[0])
        elif len(now) == 1:
            self._turn_to((*now, _shard(self.uri, 1, number)))
        else:
            self._turn_to((_shard(self.uri, 0, number), *now[1:]) if draw() < 0.5 else now[1:])

    def _turn_to(self, revision: tuple[Shard, ...]) -> None:
        self.revisions.append(revision)
        self.expected.append(frozenset(revision))


@cache
def _shard(source: str, number: int, version: int) -> Shard:
    uri = f"{source}/{number}.tar"
    return Shard(uri, digest(f"{uri} {version}".encode())[:KEY_LENGTH])


class FastWorld(World):
    """A gallery in which processes live."""

    shape: Shape
    sources: dict[str, Source]

    @property
    def written(self) -> list[Source]:
        """The sources that are embedded tonight."""
        return [self.sources[f"memory://{letter}"] for letter in sorted(set(self.shape.writers))]

    def __init__(self, seed: int, shape: Shape, past: "FastWorld | None" = None) -> None:
        draw = Owner(seed)
        if past is None:
            self.sources = {uri: Source(uri, draw) for uri in ("memory://a", "memory://b")}
        else:
            self.sources = {uri: source.copy(draw) for uri, source in past.sources.items()}
        rules = Rules({uri: source.expected for uri, source in self.sources.items()})
        super().__init__(seed, shape.stay, shape.faults, shape.page, rules)
        self.shape = shape
        if past is not None:
            self.follow(past)
