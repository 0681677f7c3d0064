import random

from hypothesis import given
from hypothesis import strategies as st

from facebatch.runtime.window import Attempt, Window


def take_all(window, *, room=True, idle=True):
    taken = []
    while (attempt := window.take(room=room, idle=idle)) is not None:
        taken.append(attempt)
    return taken


def test_pulls_up_to_its_capacity():
    window = Window(iter("abcde"), capacity=2)
    assert window.fill(now=0.0)
    assert take_all(window) == [Attempt(0, "a"), Attempt(1, "b")]
    window.finish()
    assert window.unfinished == 1
    window.fill(now=0.0)
    assert take_all(window) == [Attempt(2, "c")]


def test_an_empty_input_is_complete():
    assert not Window([], capacity=2).fill(now=0.0)


def test_a_pause_takes_no_place_from_other_items():
    window = Window(iter("abc"), capacity=1)
    window.fill(now=0.0)
    (first,) = take_all(window)
    window.retry(first, due=10.0, lost=False)
    window.fill(now=1.0)
    assert take_all(window) == [Attempt(1, "b")]
    assert window.pause_left(now=4.0) == 6.0


def test_many_pauses_stop_the_input():
    window = Window(iter("abc"), capacity=1)
    for _ in "ab":
        window.fill(now=0.0)
        (attempt,) = take_all(window)
        window.retry(attempt, due=10.0, lost=False)
    assert window.fill(now=1.0)
    assert take_all(window) == []
    assert window.unfinished == 2
    window.fill(now=10.0)
    assert [attempt.item for attempt in take_all(window)] == ["a", "b"]


def test_a_retry_goes_before_new_items_when_its_pause_is_over():
    window = Window(iter("abcdef"), capacity=2)
    window.fill(now=0.0)
    first, second = take_all(window)
    window.retry(second, due=2.0, lost=False)
    window.retry(first, due=1.0, lost=False)
    window.fill(now=2.0)
    assert take_all(window) == [Attempt(0, "a", number=2), Attempt(1, "b", number=2)]
    assert window.pause_left(now=2.0) is None


def test_after_a_loss_an_item_waits_for_an_idle_worker_and_nothing_overtakes_it():
    window = Window(iter("abc"), capacity=2)
    window.fill(now=0.0)
    first, second = take_all(window)
    window.retry(first, due=0.0, lost=True)
    window.hand_back(second)
    window.fill(now=0.0)
    assert take_all(window, room=True, idle=False) == []
    assert take_all(window) == [
        Attempt(0, "a", number=2, losses=1, alone=True),
        Attempt(1, "b", number=1, losses=0, alone=True),
    ]


@given(count=st.integers(0, 30), capacity=st.integers(1, 5), seed=st.integers(0, 2**32))
def test_each_item_finishes_once_within_the_bound(count, capacity, seed):
    choose = random.Random(seed)
    pulled = iter(range(count))
    window = Window(pulled, capacity)
    flying: list[Attempt[int]] = []
    finished: list[int] = []
    now = 0.0
    while window.fill(now):
        assert window.unfinished <= 2 * capacity
        flying += take_all(window)
        if not flying:
            now += window.pause_left(now)
            continue
        attempt = flying.pop(choose.randrange(len(flying)))
        now += choose.random()
        fate = choose.choice(["finish", "finish", "retry", "lose", "interrupt"])
        if fate == "finish":
            window.finish()
            finished.append(attempt.item)
        elif fate == "interrupt":
            window.hand_back(attempt)
        else:
            window.retry(attempt, due=now + choose.random(), lost=fate == "lose")
    assert sorted(finished) == list(range(count))
    assert flying == []
