"""The commit protocol in the fast layer: thousands of small schedules full of crashes, lost replies and sleepers.

No schedule may break a rule of `rules`, and every planted bug must be found.
"""

from collections import Counter

import pytest

from simulation import bugs
from simulation.fast.evening import playing
from simulation.finding import FACTOR, require_found, require_repeatable
from simulation.scheduler import Scheduler
from simulation.theatre import Plant

MANY = 3000
LOOKED_AT = 600
COLLECTING = range(7, 8 * 700, 8)
"""Seeds in which garbage is collected."""
PATIENCE = range(6000)
LONG_PATIENCE = range(7, 8 * 12000, 8)

_MISSING = r"names .*, which is missing|was deleted although .* names it"
WRITING = (
    (bugs.blind_put, r"snapshots/\d+\.json was overwritten"),
    (bugs.refused_is_lost, r"published snapshot \d+ was told that it published nothing"),
    (bugs.parts_without_attempt, r"-0\.parquet was overwritten"),
    (bugs.commit_before_parts, r"commits/.* names templates/.*, which is missing"),
    (bugs.overtaken, r"goes back to revision \d+"),
    (bugs.recorded_afterwards, r"snapshots/\d+\.json was published before the audit chain tells of it"),
    (bugs.blind_event, r"audit/\d+\.json was overwritten|audit/\d+\.json does not follow"),
)
"""Bugs that two writers bring out, with words that the first breach they cause must have."""
CLEANING = (
    (bugs.files_before_documents, r"was deleted although .* names it"),
    (bugs.pins_overlooked, r"snapshot \d+, pinned as .*, is gone"),
    (bugs.condemned_put_back_blindly, _MISSING),
    (bugs.writers_without_lease, _MISSING),
)
"""Those that a collection brings out."""
DEEP = (
    (bugs.no_grace, _MISSING),
    (bugs.lapsed_lease_renewed, _MISSING),
    (bugs.looked_at_lease_early, _MISSING),
    (bugs.pin_after_look, r"snapshot \d+, pinned as .*, is gone"),
    (bugs.copies_forgotten, r"snapshot \d+, pinned as .*, is gone"),
)
"""Those that one schedule of thousands brings out."""


def named(value: object) -> str:
    return getattr(value, "__name__", "")


@pytest.mark.timeout(120 * FACTOR)
def test_no_schedule_breaks_a_rule_and_together_they_hold_what_is_to_be_tried(caplog: pytest.LogCaptureFixture) -> None:
    seen: Counter[str] = Counter()
    with playing() as theatre:
        for seed in range(FACTOR * MANY):
            world = theatre.play(seed)
            if seed < LOOKED_AT:
                seen.update(eventful(world.scheduler))
                seen["two sources"] += len({shard.source for shard in world.rules.history[-1].shards}) > 1
    assert set(seen) >= {
        *("crash before", "crash after", "lost", "refused", "late", "hangs", "asleep", "carried out"),
        *("gc deletes templates", "gc deletes snapshots", "gc deletes commits", "reader gets templates"),
        *("pinner put-if-absents pins", "pinner deletes pins", "orphan put-if-absents commits"),
        *("embed put-if-absents snapshots", "rollback put-if-absents snapshots", "two sources"),
    }
    assert "is gone, so its lease ends in 300 seconds" in caplog.text


@pytest.mark.parametrize(("plant", "words"), WRITING, ids=named)
def test_a_bug_that_two_writers_bring_out_is_found(plant: Plant, words: str) -> None:
    require_found(playing, plant, words, PATIENCE)


@pytest.mark.parametrize(("plant", "words"), CLEANING, ids=named)
def test_a_bug_that_a_collection_brings_out_is_found(plant: Plant, words: str) -> None:
    require_found(playing, plant, words, COLLECTING)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("plant", "words"), DEEP, ids=named)
def test_a_bug_that_shows_seldom_is_found_too(plant: Plant, words: str) -> None:
    require_found(playing, plant, words, LONG_PATIENCE)


def test_a_seed_is_one_schedule_whatever_was_played_before() -> None:
    require_repeatable(playing, 15, 23)


def eventful(scheduler: Scheduler) -> list[str]:
    """What happened in a schedule: the fates of requests, and who did what to which folder."""
    did = [
        f"{process.split()[0].rstrip('+')} {asked}s {of.partition('/')[0]}"
        for _, process, asked, of, fate in scheduler.trace
        if fate == "done"
    ]
    return [*did, *(fate for *_, fate in scheduler.trace)]
