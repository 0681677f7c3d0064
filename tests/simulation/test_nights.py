"""Whole nights: reindex, embed, index, rollback, pins and gc as they are, in schedules full of crashes and sleepers.

No schedule may break a rule of `rules` or `whole.rows`, and every planted bug must be found.
"""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from facebatch.gallery.snapshots import Snapshot
from simulation import bugs, bugs_reindex
from simulation.finding import FACTOR, require_found, require_repeatable
from simulation.test_protocol import eventful, named
from simulation.theatre import Plant
from simulation.whole.nights import playing
from simulation.whole.shape import draw_shape

MANY = 80
MORE = range(MANY, 2500)
PATIENCE = range(1600)
BADLY = range(1, 1600, 4)
"""Seeds that reindex in a bad network."""
SLOWLY = range(3, 1600, 4)
"""Those that reindex while garbage is collected and processes hang and sleep."""

_MISSING = r"names .*, which is missing|was deleted although .* names it"
_LOST = r"goes back to revision|mixture of revisions|forgets an order|lacks the template|once more"
RACING = (
    (bugs_reindex.renumbered, _LOST),
    (bugs_reindex.composed_once, _LOST),
)
"""Bugs that runs on two sources bring out, with words that the first breach they cause must have."""
ERASING = (
    (bugs_reindex.tombstones_dropped, r"live rows|ordered to be erased|had expired"),
    (bugs_reindex.orders_forgotten, r"forgets an order to erase"),
    (bugs_reindex.unmasked, r"live rows"),
    (bugs_reindex.purged_in_place, r"live rows|tombstones for"),
    (bugs_reindex.tombstones_last, r"names tombstones/.*, which is missing|tombstones/.* is missing"),
    (bugs_reindex.rollback_restores, r"ordered to be erased|had expired|tombstones for"),
)
"""Those that requests to erase bring out."""
CLEANING = (
    (bugs_reindex.unsettled, _MISSING),
    (bugs.pins_overlooked, r"snapshot \d+, pinned as .*, is gone"),
)
PROTOCOL = (
    (bugs.blind_put, r"snapshots/\d+\.json was overwritten"),
    (bugs.overtaken, r"goes back to revision \d+"),
    (bugs.readers_overlooked, r"a reader of the leased snapshot \d+ was told"),
    (bugs.writers_without_lease, rf"{_MISSING}|has no snapshot|is missing|no such object"),
    (bugs.lapsed_lease_renewed, rf"{_MISSING}|has no snapshot|is missing|no such object"),
)
"""Those of the fast layer that this one must find too."""


@pytest.mark.timeout(120 * FACTOR)
def test_no_schedule_breaks_a_rule_and_together_they_hold_what_is_to_be_tried() -> None:
    seen: Counter[str] = Counter()
    with playing() as theatre:
        for seed in range(FACTOR * MANY):
            world = theatre.play(seed)
            seen.update(eventful(world.scheduler))
            seen.update(kind for snapshot in world.rules.history for kind in _kinds(snapshot))
    assert set(seen) >= {
        *("crash before", "crash after", "lost", "refused", "late", "hangs", "asleep", "killed"),
        *("gc deletes templates", "gc deletes snapshots", "gc deletes commits", "last puts commits"),
        *("reader gets templates", "pinner put-if-absents pins", "rollback put-if-absents snapshots"),
        *("embed put-if-absents snapshots", "index put-if-absents snapshots", "reindex put-if-absents snapshots"),
        *("two sources", "masked segment", "tombstones", "orders", "rollback", "purged"),
    }


def _kinds(snapshot: Snapshot) -> list[str]:
    """What there is in a snapshot."""
    found = {
        "two sources": len({shard.source for shard in snapshot.shards}) > 1,
        "masked segment": any(segment.dead for segment in snapshot.segments),
        "tombstones": bool(snapshot.tombstones),
        "orders": snapshot.orders is not None,
        "rollback": snapshot.restates is not None,
        "purged": any(shard.templates.rows < shard.images for shard in snapshot.shards) and not snapshot.tombstones,
    }
    return [kind for kind, is_there in found.items() if is_there]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_schedule_of_thousands_breaks_a_rule() -> None:
    with playing() as theatre:
        for seed in MORE:
            theatre.play(seed)


@pytest.mark.parametrize(("plant", "words"), RACING, ids=named)
def test_a_bug_that_two_runs_bring_out_is_found(plant: Plant, words: str) -> None:
    require_found(playing, plant, words, (seed for seed in BADLY if draw_shape(seed).split))


@pytest.mark.parametrize(("plant", "words"), ERASING, ids=named)
def test_a_bug_that_erasure_brings_out_is_found(plant: Plant, words: str) -> None:
    need_rollback = plant is bugs_reindex.rollback_restores
    seeds = (seed for seed in BADLY if (shape := draw_shape(seed)).deletes and shape.rolls_back >= need_rollback)
    require_found(playing, plant, words, seeds)


@pytest.mark.parametrize(("plant", "words"), CLEANING, ids=named)
def test_a_bug_that_a_collection_brings_out_is_found(plant: Plant, words: str) -> None:
    require_found(playing, plant, words, SLOWLY)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("plant", "words"), PROTOCOL, ids=named)
def test_a_bug_of_the_protocol_is_found_too(plant: Plant, words: str) -> None:
    require_found(playing, plant, words, PATIENCE)


def test_a_seed_is_one_schedule_whatever_was_played_before() -> None:
    require_repeatable(playing, 9, 13)


@pytest.mark.slow
def test_a_seed_is_one_schedule_in_every_process() -> None:
    command = [sys.executable, "-m", "simulation.replay", "7"]
    where = Path(__file__).parents[1]
    told = {
        subprocess.run(command, cwd=where, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
