"""Examiners: two, then a third, never the requester, never one twice, those with the fewest cases first."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import PlanError
from facebatch.review.assignments import assign_all, assign_third, assign_two
from reviewed import AT, LOAD, REQUESTER, case, docket, examiner

CASES = [docket(case(number)) for number in range(1, 21)]
loads = st.dictionaries(st.integers(0, 9).map(examiner), st.integers(0, 5), min_size=4)


@given(loads, st.text(max_size=5))
def test_nobody_examines_twice_nor_what_they_requested(load: dict[str, int], seed: str) -> None:
    pair = assign_two(CASES[0], load, seed, AT)
    third = assign_third(pair, load, seed, AT)
    chosen = [assignment.examiner for assignment in (*pair, third)]
    assert len({*chosen, REQUESTER}) == 4
    assert [assignment.seat for assignment in (*pair, third)] == [1, 2, 3]
    assert len({assignment.assignment for assignment in (*pair, third)}) == 3
    busiest = max(load[name] for name in chosen)
    idle = [name for name in load if name not in chosen and name != REQUESTER and load[name] < busiest]
    assert idle == []


@given(loads, st.text(max_size=5), st.randoms(use_true_random=False))
def test_the_same_call_gives_the_same_in_any_order(load: dict[str, int], seed: str, dice: random.Random) -> None:
    names, cases = list(load), list(CASES)
    dice.shuffle(names)
    dice.shuffle(cases)
    assert assign_all(cases, {name: load[name] for name in names}, seed, AT) == assign_all(CASES, load, seed, AT)


def test_many_cases_are_spread_evenly() -> None:
    load = LOAD | {examiner(1): 7}
    held = Counter(load)
    held.update(assignment.examiner for pair in assign_all(CASES, load, "seed", AT) for assignment in pair)
    assert held.total() == 47
    assert max(held.values()) - min(held.values()) <= 1


def test_a_seed_decides_among_equals() -> None:
    chosen = {assign_two(CASES[0], LOAD, str(seed), AT)[0].examiner for seed in range(40)}
    assert chosen == LOAD.keys()


@pytest.mark.parametrize(("names", "free"), [((), 0), ((1,), 1), ((0, 1), 1)])
def test_too_few_examiners_are_told(names: tuple[int, ...], free: int) -> None:
    words = f"case {CASES[0].case}: lacks 2 examiners, and of {len(names)} listed only {free} may examine it"
    with pytest.raises(PlanError, match=words):
        assign_two(CASES[0], {examiner(number): 0 for number in names}, "seed", AT)


def test_nobody_left_to_decide_is_told() -> None:
    load = {examiner(number): 0 for number in (0, 1, 2)}
    with pytest.raises(PlanError, match="lacks 1 examiner, and of 3 listed only 0"):
        assign_third(assign_two(CASES[0], load, "seed", AT), load, "seed", AT)
