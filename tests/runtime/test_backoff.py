from hypothesis import given
from hypothesis import strategies as st

from facebatch.runtime.backoff import LONGEST_S, longest_pause, pause


def test_the_longest_pause_doubles_up_to_its_limit():
    assert [longest_pause(failures, 1.5) for failures in (1, 2, 3)] == [1.5, 3.0, 6.0]
    assert longest_pause(10_000, 1.5) == LONGEST_S


@given(failures=st.integers(1, 50), first_s=st.floats(0, 10))
def test_a_pause_is_between_zero_and_the_longest(failures, first_s):
    assert 0 <= pause(failures, first_s) <= longest_pause(failures, first_s)


def test_pauses_differ():
    assert len({pause(1, 1.0) for _ in range(20)}) > 15
