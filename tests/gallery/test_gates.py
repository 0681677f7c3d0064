"""Gates on counts and rates: each planted fault is caught by its own gate, and quiet nights pass."""

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest

from facebatch.gallery.commits import PartFile
from facebatch.gallery.figures import GateFigure, failed
from facebatch.gallery.gates import RATES, GateSpec, new_shards, rates, reconcile
from facebatch.gallery.snapshots import SegmentEntry, ShardEntry, Snapshot
from facebatch.schemas import Outcome

SPEC = GateSpec()
QUIET = {Outcome.DECODE_ERROR: 0.002, Outcome.TRUNCATED: 0.001, Outcome.NO_FACE: 0.02, Outcome.FILTERED_QUALITY: 0.03}


def part(rows: int) -> PartFile:
    return PartFile(key="k", sha256="0" * 64, size=1, rows=rows)


def shard(key: str, outcomes: dict[str, int]) -> ShardEntry:
    return ShardEntry(
        shard_key=key,
        shard_uri=f"mem://{key}",
        source="mem://",
        images=sum(outcomes.values()),
        outcomes=outcomes,
        templates=part(outcomes.get("ok", 0)),
        ledger=part(sum(outcomes.values())),
    )


def snapshot(shards: list[ShardEntry], **changes: object) -> Snapshot:
    facts = {"seq": 1, "parent": None, "run_id": "r", "created_at": datetime(2026, 1, 1, tzinfo=UTC), "model": "m"}
    whole = Snapshot(**facts, model_name="m", dim=8, shards=tuple(shards))
    rows = SegmentEntry(segment_id="s", kind="Flat", rows=whole.templates, manifest_sha256="0" * 64)
    return whole.model_copy(update={"segments": (rows,), **changes})


def night(rng: np.random.Generator, number: int, images: int, share: dict[Outcome, float]) -> ShardEntry:
    ok = 1 - sum(share.values())
    counts = rng.multinomial(images, [ok, *share.values()])
    return shard(f"n{number}", dict(zip(["ok", *share], map(int, counts), strict=True)))


def series(seed: int, nights: int, spread: float) -> list[tuple[GateFigure, ...]]:
    """Figures of quiet nights; true rates differ between nights by a log-normal factor of `spread`."""
    rng = np.random.default_rng(seed)
    live, history, parent = [night(rng, 0, 5000, QUIET)], [], None
    for number in range(1, nights + 1):
        head = snapshot(live)
        history.append(rates(head, parent, history, SPEC))
        factor = np.exp(spread * rng.standard_normal())
        tonight = {outcome: rate * factor for outcome, rate in QUIET.items()}
        live, parent = [*live, night(rng, number, int(rng.integers(5, 400)), tonight)], head
    return history


def verdicts(figures: tuple[GateFigure, ...]) -> dict[str, bool | None]:
    return {figure.name: figure.passed for figure in figures}


def test_every_outcome_but_ok_is_in_exactly_one_rate() -> None:
    counted = Counter(outcome for rate in RATES for outcome in rate.outcomes)
    assert counted == Counter(set(Outcome) - {Outcome.OK})


GOOD = [shard("a", {"ok": 8, "no_face": 2}), shard("b", {"ok": 5})]
KEPT = {"a": 8, "b": 5}


def changed(**changes: object) -> list[ShardEntry]:
    return [GOOD[0], GOOD[1].model_copy(update=changes)]


def test_counts_that_agree_pass() -> None:
    figures = reconcile(snapshot(GOOD), KEPT)
    assert all(figure.passed for figure in figures)
    assert [figure.n for figure in figures] == [2, 2, 2, 13]


@pytest.mark.parametrize(
    ("gate", "faulty", "kept"),
    [
        ("counts.ledger", snapshot(changed(ledger=part(4))), KEPT),
        ("counts.outcomes", snapshot(changed(outcomes={"ok": 4})), KEPT),
        ("counts.templates", snapshot(GOOD), {"a": 8, "b": 6}),
        ("counts.templates", snapshot(changed(templates=part(4))), {"a": 8, "b": 4}),
        ("counts.segments", snapshot(GOOD, tombstones=(part(1),)), KEPT),
        ("counts.segments", snapshot(GOOD, segments=()).model_copy(update={"segments": (
            SegmentEntry(segment_id="s", kind="Flat", rows=14, manifest_sha256="0" * 64, dead=part(2)),)}), KEPT),
    ],
)  # fmt: skip
def test_each_count_that_is_off_is_caught_by_its_own_gate(gate: str, faulty: Snapshot, kept: dict[str, int]) -> None:
    assert [figure.name for figure in failed(reconcile(faulty, kept))] == [gate]


def test_a_tombstone_with_its_dead_row_agrees() -> None:
    masked = SegmentEntry(segment_id="s", kind="Flat", rows=13, manifest_sha256="0" * 64, dead=part(1))
    assert not failed(reconcile(snapshot(GOOD, tombstones=(part(1),), segments=(masked,)), KEPT))


def test_the_first_faulty_shard_is_named() -> None:
    faulty = failed(reconcile(snapshot(changed(ledger=part(4))), KEPT))[0]
    assert "1 of 2 shards do not have one ledger row per image: mem://b" in faulty.words


def test_counts_that_nobody_read_are_not_passed() -> None:
    seen = verdicts(reconcile(snapshot(GOOD, segments=()), {}))
    assert seen == {
        "counts.ledger": True,
        "counts.outcomes": True,
        "counts.templates": None,
        "counts.segments": None,
    }


def test_only_shards_of_another_key_are_new() -> None:
    assert new_shards(snapshot(GOOD), snapshot(GOOD[:1])) == (GOOD[1],)
    assert new_shards(snapshot(GOOD), None) == tuple(GOOD)


def test_without_new_images_or_history_nothing_is_claimed() -> None:
    seen = verdicts(rates(snapshot(GOOD[1:]), snapshot(GOOD), [], SPEC))
    assert {passed for name, passed in seen.items() if name.endswith(".new")} == {None}
    assert {passed for name, passed in seen.items() if name.startswith("history.")} == {None}
    assert {passed for name, passed in seen.items() if name.startswith("rate.") and name.endswith("whole")} == {True}


@pytest.mark.parametrize(
    ("failures", "images", "passed"), [(1, 3, True), (3, 3, False), (2, 2, False), (20, 1000, True), (60, 1000, False)]
)
def test_a_limit_is_broken_when_chance_cannot_explain_it(failures: int, images: int, passed: bool) -> None:
    faulty = snapshot([shard("a", {"ok": images - failures, "decode_error": failures})])
    found = {figure.name: figure for figure in rates(faulty, None, [], SPEC)}["rate.decode_error.new"]
    assert found.passed is passed
    assert found.interval is not None
    assert found.interval[0] <= failures / images <= found.interval[1]


def test_quiet_nights_pass() -> None:
    history = series(seed=1, nights=30, spread=0.2)
    assert [figure.words for figures in history for figure in failed(figures)] == []
    assert all(figure.passed for figure in history[-1])


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_three_sigma() -> None:
    """200 series of 30 nights of 5 to 400 images: 0.27 % of nights are stopped, 16 of 200 series once."""
    stopped = [sum(bool(failed(figures)) for figures in series(seed, 30, 0.2)) for seed in range(200)]
    assert sum(stopped) / (200 * 30) < 0.004


@pytest.mark.parametrize(
    ("burst", "gates"),
    [
        ({"ok": 280, "no_face": 20}, {"history.no_face.new"}),
        ({"ok": 150, "no_face": 150}, {"history.no_face.new", "rate.no_face.new", "history.no_face.whole"}),
        ({"ok": 291, "no_face": 6, "decode_error": 8}, {"history.decode_error.new"}),
        ({"ok": 230, "no_face": 6, "too_small": 64}, {"history.rejected.new"}),
        ({"ok": 700, "no_face": 1}, {"history.no_face.new"}),
    ],
)
def test_a_burst_is_caught_by_the_gate_of_its_outcome(burst: dict[str, int], gates: set[str]) -> None:
    history = series(seed=1, nights=30, spread=0.2)
    base = [shard("old", {"ok": 9460, "decode_error": 30, "no_face": 200, "filtered_quality": 300})]
    found = rates(snapshot([*base, shard("burst", burst)]), snapshot(base), history, SPEC)
    assert {figure.name for figure in failed(found)} == gates


def test_fewer_unreadable_images_than_ever_are_welcome() -> None:
    past = [
        [figure]
        for figure in (GateFigure(name="history.decode_error.new", passed=True, words="", count=40, n=1000),) * 9
    ]
    found = rates(snapshot([shard("a", {"ok": 1000})]), None, past, SPEC)
    assert verdicts(found)["history.decode_error.new"] is True
