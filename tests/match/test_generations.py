"""Two models compared on canaries of the same photos: what is counted, what is left out, what a verdict rests on."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.gallery.drift import BIN_WIDTH, count_similarities, histogram
from facebatch.gallery.figures import GateFigure
from facebatch.match.canaries import canaries_of
from facebatch.match.generations import CANARIES, IMPOSTORS, MATES, RANK_ONE, SEPARATION, Side, compare, d_prime
from nights import Segment
from synthetic import template_table, unit

MATED, IMPOSTOR, ENROLLED = 30, 12, 80


def side(noise: float, *, seed: int = 1, threshold: float | None = None) -> Side:
    """A model with so much noise in its templates; the first MATED of those enrolled have a canary."""
    rng = np.random.default_rng(seed)

    def seen(who: npt.NDArray[np.float64]) -> npt.NDArray[np.float16]:
        return unit(who + noise * rng.standard_normal(who.shape))

    people = rng.standard_normal((ENROLLED + IMPOSTOR, 32))
    names = [f"s{row:03d}" for row in range(ENROLLED)]
    enrolled = template_table(seen(people[:ENROLLED]), names, prefix="g")
    probes = np.concatenate([seen(people[:MATED]), seen(people[ENROLLED:])])
    table = template_table(probes, [*names[:MATED], *[None] * IMPOSTOR], prefix="c")
    return made(table, enrolled, threshold)


def made(probes: pa.Table, enrolled: pa.Table, threshold: float | None = None) -> Side:
    canaries = canaries_of(probes, origin="canaries")
    return Side(canaries, enrolled, Segment(enrolled).search(canaries.probes), threshold)


def figures(before: Side, now: Side, loss_most: float = 0.0) -> dict[str, GateFigure]:
    return {figure.name: figure for figure in compare(before, now, loss_most)}


def counts(figure: GateFigure) -> list[int]:
    """Before and now."""
    assert figure.reference is not None
    assert figure.count is not None
    return [figure.reference.count, figure.count]


def put(table: pa.Table, column: str, row: int, value: str | None) -> pa.Table:
    """The table with another value in one place."""
    values = table[column].to_pylist()
    values[row] = value
    place = table.schema.get_field_index(column)
    return table.set_column(place, table.schema.field(place), pa.array(values, pa.string()))


def test_a_better_model_passes_and_a_worse_one_does_not() -> None:
    good, bad = side(0.3), side(1.5, seed=2)
    up, down = figures(bad, good), figures(good, bad)
    assert [up[name].passed for name in (CANARIES, RANK_ONE, MATES, SEPARATION)] == [True] * 4
    assert [down[name].passed for name in (CANARIES, RANK_ONE, MATES, SEPARATION)] == [True, False, False, True]
    assert up[RANK_ONE].count == up[RANK_ONE].n == MATED > (down[RANK_ONE].count or 0)
    assert (up[SEPARATION].value or 0) > (down[SEPARATION].value or 0) > 0
    assert figures(good, bad, loss_most=1.0)[RANK_ONE].passed is True


def test_a_model_is_no_worse_than_itself() -> None:
    same = side(1.0, threshold=0.6)
    assert {figure.passed for figure in compare(same, same, 0.0)} == {True}


def test_rank_one_and_mates_are_those_of_all_pairs() -> None:
    before, now = side(1.2), side(1.2, seed=3)
    counted = []
    for each in (before, now):
        probes, gallery = (
            np.array(table["embedding"].combine_chunks().flatten()).reshape(-1, 32).astype(np.float64)
            for table in (each.canaries.probes, each.enrolled)
        )
        scores = probes @ gallery.T
        own = np.zeros(scores.shape, dtype=bool)
        own[np.arange(MATED), np.arange(MATED)] = True
        limit = np.quantile(scores[~own], 0.99)
        counted.append(((scores[:MATED].argmax(axis=1) == np.arange(MATED)).sum(), scores[own], limit))
    found = figures(before, now)
    assert counts(found[RANK_ONE]) == [counted[0][0], counted[1][0]]
    for (_, mates, limit), count in zip(counted, counts(found[MATES]), strict=True):
        assert (mates >= limit + 2 * BIN_WIDTH).sum() <= count <= (mates >= limit - 2 * BIN_WIDTH).sum()


def test_a_photo_without_a_template_of_the_new_model_is_a_loss() -> None:
    before, now = side(0.3), side(0.3, seed=2)
    fewer = made(now.canaries.probes.slice(1), now.enrolled)
    found = figures(before, fewer)
    assert (found[CANARIES].passed, found[CANARIES].value, found[CANARIES].n) == (False, 1, MATED + IMPOSTOR)
    assert found[RANK_ONE].n == MATED - 1
    assert figures(before, fewer, loss_most=0.03)[CANARIES].passed is True
    assert figures(fewer, before)[CANARIES].passed is True


@pytest.mark.parametrize(
    ("column", "value"), [("image_sha256", "1" * 64), ("image_id", "else"), ("subject_id", "s999")]
)
def test_another_photo_or_another_person_is_not_the_same_canary(column: str, value: str) -> None:
    before, now = side(0.3), side(0.3, seed=2)
    other = made(put(now.canaries.probes, column, 0, value), now.enrolled)
    assert figures(before, other)[CANARIES].value == 1


def test_a_photo_with_two_templates_is_left_out() -> None:
    before, now = side(0.3), side(0.3, seed=2)
    twice = now.canaries.probes
    for column in ("image_id", "image_sha256", "subject_id"):
        twice = put(twice, column, 1, twice[column][0].as_py())
    found = figures(before, made(twice, now.enrolled))
    assert (found[CANARIES].value, found[RANK_ONE].n) == (2, MATED - 2)


def test_who_was_erased_under_one_model_is_no_loss_of_it() -> None:
    before, now = side(0.3), side(0.3, seed=2)
    found = figures(before, made(now.canaries.probes, now.enrolled.slice(2)))
    assert (found[RANK_ONE].passed, found[RANK_ONE].n) == (True, MATED - 2)
    assert "2 are left out, with a mate of one model alone" in found[CANARIES].words


def test_without_any_enrolled_mate_nothing_is_passed() -> None:
    now = side(0.3)
    found = figures(now, made(now.canaries.probes, now.enrolled.slice(MATED)))
    assert (found[RANK_ONE].passed, found[MATES].passed) == (False, False)


def test_impostors_are_counted_at_the_threshold_of_their_model() -> None:
    quiet, loud = side(0.3, threshold=0.99), side(0.3, threshold=-1.0)
    assert figures(loud, quiet)[IMPOSTORS].count == IMPOSTOR
    found = figures(quiet, loud)[IMPOSTORS]
    assert (found.passed, found.count, found.n) == (False, 0, IMPOSTOR)
    assert figures(quiet, replace(loud, threshold=None))[IMPOSTORS].passed is None


@given(rows=st.permutations(range(ENROLLED)))
@settings(max_examples=10, deadline=None)
def test_the_order_of_what_is_stored_changes_nothing(rows: list[int]) -> None:
    before, now = side(1.2), side(1.2, seed=3)
    shuffled = replace(now, enrolled=now.enrolled.take(pa.array(rows)).combine_chunks())
    assert compare(before, shuffled, 0.0) == compare(before, now, 0.0)


def test_d_prime_is_that_of_the_similarities_but_for_the_width_of_a_bin() -> None:
    rng = np.random.default_rng(4)
    high, low = (rng.normal(mean, 0.1, 5000).astype(np.float32) for mean in (0.5, 0.1))
    seen = [histogram(count_similarities(values), 1) for values in (high, low)]
    exact = (high.mean() - low.mean()) / np.sqrt((high.var() + low.var()) / 2)
    assert d_prime(seen[0], seen[1]) == pytest.approx(exact, abs=0.02)
    same = histogram(count_similarities(np.array([0.5], np.float32)), 1)
    assert d_prime(same, same) == 0.0
