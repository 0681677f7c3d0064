"""What happens in a schedule of the whole layer, beside the order in which it does."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from simulation.faults import Faults
from simulation.jobs import Bystanders
from simulation.world import DAY, seeded

_CALM = Faults()


@dataclass(frozen=True, slots=True)
class Shape(Bystanders):
    """Drawn from the seed."""

    sources: int = 1
    nights: int = 0
    embeds: int = 0
    """Drivers of embed, of each source, each night."""
    reindexes: int = 0
    """Drivers of reindex each night."""
    split: bool = False
    """Each driver of reindex looks after one source, and one of them has the deletions."""
    indexes: bool = False
    collects: bool = False
    deletes: bool = False
    expires: bool = False
    budget: int = 0
    """Rows that compaction may rewrite each night."""
    mixed_fleet: bool = False
    """Two machines embed a shard to different bytes."""
    grace: timedelta = DAY
    """Of the garbage collection. No process lives as long: that is what a grace is."""
    page: int = 1000
    """Objects per page of a list."""
    stay: float = 0.9
    """Chance that the same process goes on."""
    faults: Faults = _CALM

    @property
    def steady(self) -> bool:
        """Whether each night comes to an end that only what was listed and asked decides."""
        return bool(self.reindexes) and not (
            self.split or self.embeds or self.rolls_back or self.changes or self.mixed_fleet
        )


def draw_shape(seed: int) -> Shape:
    """Of four seeds one embeds in a bad network, one collects garbage while processes hang and sleep, and two reindex,
    one in each of these ways.
    """
    draw = seeded("shape", seed)
    kinds = (_embedding, _reindexing_badly, _collecting, _reindexing_slowly)
    return kinds[seed % 4](draw)


def _embedding(draw: Random) -> Shape:
    return Shape(
        sources=draw.choice((1, 1, 2)),
        nights=draw.choice((1, 1, 2)),
        embeds=2,
        indexes=draw.random() < 0.4,
        collects=draw.random() < 0.2,
        reads=draw.random() < 0.2,
        changes=draw.random() < 0.7,
        mixed_fleet=draw.random() < 0.2,
        grace=draw.choice((DAY / 2, 1.5 * DAY)),
        page=draw.choice((3, 1000, 1000)),
        stay=draw.choice((0.2, 0.6, 0.9)),
        faults=_bad_network(draw),
    )


def _collecting(draw: Random) -> Shape:
    return Shape(
        nights=3,
        embeds=draw.choice((1, 2)),
        indexes=draw.random() < 0.2,
        collects=True,
        reads=draw.random() < 0.6,
        changes=draw.random() < 0.7,
        mixed_fleet=draw.random() < 0.2,
        grace=draw.choice((DAY / 2, 1.5 * DAY, 1.5 * DAY)),
        stay=draw.choice((0.6, 0.9)),
        faults=_slow_machines(draw),
    )


def _reindexing_badly(draw: Random) -> Shape:
    return _reindexing(draw, _bad_network(draw), 1, collects=draw.random() < 0.2)


def _reindexing_slowly(draw: Random) -> Shape:
    return _reindexing(draw, _slow_machines(draw), 2, collects=True)


def _reindexing(draw: Random, faults: Faults, nights: int, *, collects: bool) -> Shape:
    sources = draw.choice((1, 2))
    is_quiet = draw.random() < 0.4
    rolls_back = not is_quiet and draw.random() < 0.5
    embeds = int(not is_quiet and draw.random() < 0.3)
    return Shape(
        sources=sources,
        nights=nights + (1 if rolls_back else draw.choice((0, 1))),
        embeds=embeds,
        reindexes=2,
        split=sources == 2 and not is_quiet and draw.random() < 0.5,
        collects=collects,
        reads=draw.random() < (0.5 if collects else 0.1),
        pins=collects and draw.random() < 0.5,
        rolls_back=rolls_back,
        changes=not is_quiet and draw.random() < 0.3,
        deletes=draw.random() < 0.7,
        expires=not embeds and draw.random() < 0.3,
        budget=draw.choice((0, 4, 100)),
        mixed_fleet=not is_quiet and draw.random() < 0.2,
        grace=draw.choice((DAY / 2, 1.5 * DAY)),
        page=draw.choice((3, 1000, 1000)),
        stay=draw.choice((0.6, 0.9)),
        faults=faults,
    )


def _bad_network(draw: Random) -> Faults:
    return Faults(
        crash=draw.choice((0.0, 0.01, 0.03)),
        lost=draw.choice((0.0, 0.05, 0.15)),
        refused=draw.choice((0.0, 0.05)),
        late=draw.choice((0.0, 0.05)),
        zombies=draw.choice((0.0, 0.3)),
    )


def _slow_machines(draw: Random) -> Faults:
    return Faults(
        crash=draw.choice((0.0, 0.02)),
        lost=draw.choice((0.0, 0.02)),
        late=draw.choice((0.0, 0.1)),
        hang=draw.choice((0.02, 0.05)),
        sleep=draw.choice((0.0, 0.15)),
        zombies=draw.choice((0.0, 0.3)),
    )
