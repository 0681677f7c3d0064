"""The commit protocol, as embed, index and gc run it, in schedules full of crashes, lost replies and sleepers.

No schedule may break a rule of `rules`, and every planted bug must be found.
"""

import re
from collections import Counter

import pytest

from simulation import bugs
from simulation.nights import BreachError, Plant, play
from simulation.scheduler import Scheduler

BATCHES = 4
BATCH = 30
MANY = 3000
PATIENCE = 2000
"""Seeds after which a planted bug counts as missed."""

PLAIN = (
    (bugs.blind_put, r"snapshots/\d+\.json was overwritten"),
    (bugs.refused_is_lost, r"published snapshot \d+ was told that it published nothing"),
    (bugs.parts_without_attempt, r"-0\.parquet was overwritten"),
    (bugs.commit_before_parts, r"commits/.* names templates/.*, which is missing"),
    (bugs.files_before_documents, r"was deleted although .* names it"),
)
"""Bugs with words that the first breach they cause must have."""
DEEP = (
    (bugs.overtaken, r"goes back to revision \d+"),
    (bugs.no_grace, r"names .*, which is missing|was deleted although .* names it"),
    (bugs.writers_without_lease, r"names .*, which is missing|was deleted although .* names it"),
    (bugs.readers_overlooked, r"a reader of the leased snapshot \d+ was told"),
    (bugs.lapsed_lease_renewed, r"names .*, which is missing|was deleted although .* names it"),
    (bugs.condemned_put_back_blindly, r"snapshots/\d+\.json names .*, which is missing"),
)
"""Those that few schedules bring out."""


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_schedule_breaks_a_rule(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        play(seed)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_schedule_of_thousands_breaks_a_rule() -> None:
    for seed in range(BATCHES * BATCH, BATCHES * BATCH + MANY):
        play(seed)


@pytest.mark.parametrize(("plant", "words"), PLAIN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_bug_is_found(plant: Plant, words: str) -> None:
    require_found(plant, words, BATCH)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("plant", "words"), DEEP, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_bug_that_shows_seldom_is_found_too(plant: Plant, words: str) -> None:
    require_found(plant, words, PATIENCE)


def require_found(plant: Plant, words: str, seeds: int) -> None:
    """The bug breaks a rule, in these words, in one of the first `seeds` schedules, and does so again when replayed."""
    for seed in range(seeds):
        try:
            play(seed, plant)
        except BreachError as breach:
            found = str(breach)
            break
    else:
        pytest.fail(f"{plant.__name__} was not found in {seeds} schedules")
    assert re.match(rf"seed {seed}, step \d+: .*({words}).*simulation\.replay {seed} {plant.__name__}$", found), found
    with pytest.raises(BreachError, match=re.escape(found)):
        play(seed, plant)


def test_a_seed_is_one_schedule() -> None:
    first, second = play(11).scheduler, play(11).scheduler
    assert first.trace == second.trace
    assert first.trace != play(13).scheduler.trace


def test_the_schedules_hold_what_they_are_to_try() -> None:
    seen: Counter[str] = Counter()
    for seed in range(40):
        world = play(seed)
        seen.update(eventful(world.scheduler))
        seen["two sources"] += len({shard.source for shard in world.rules.history[-1].shards}) > 1
        seen["segments"] += any(snapshot.segments for snapshot in world.rules.history)
    assert set(seen) >= {
        *("crash before", "crash after", "lost", "refused", "late", "hangs", "asleep", "killed"),
        *("gc deletes templates", "gc deletes snapshots", "gc deletes commits", "reader gets templates"),
        *("embed put-if-absents snapshots", "index put-if-absents snapshots", "two sources", "segments"),
    }


def eventful(scheduler: Scheduler) -> list[str]:
    """What happened in a schedule: the fates of requests, and who did what to which folder."""
    did = [
        f"{process.split()[0].rstrip('+')} {request.split()[0]}s {request.split()[1].partition('/')[0]}"
        for _, process, request, fate in scheduler.trace
        if fate == "done"
    ]
    return [*did, *(fate for *_, fate in scheduler.trace)]
