"""When frames are shown, and which are taken."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.images.video_times import ROUNDING, SECOND, Clock, nearest

MS = 1000


def taken(times: list[int], start: int, rate: float) -> list[int]:
    found = list(nearest([(at, f"frame {at}") for at in times], start, rate))
    assert all(frame == f"frame {at}" for at, frame in found)
    return [at for at, _ in found]


def test_the_frame_nearest_to_each_moment_is_taken_once():
    times = [0, 90 * MS, 120 * MS, 460 * MS, 510 * MS]
    assert taken(times, 0, 10) == [0, 90 * MS, 120 * MS, 460 * MS, 510 * MS]
    assert taken(times, 0, 4) == [0, 120 * MS, 510 * MS]
    assert taken(times[2:], 100 * MS, 1) == [120 * MS]
    assert taken([], 0, 10) == []


def test_moments_after_the_last_frame_have_none():
    assert taken([0, 40 * MS, 240 * MS], 0, 4) == [0]
    assert taken([0, 40 * MS, 250 * MS], 0, 4) == [0, 250 * MS]


@pytest.mark.parametrize("fps", [10, 12.5, 15, 24, 25, 30, 30_000 / 1001, 50, 60])
@pytest.mark.parametrize("rate", [1.0, 2.0, 4.0, 5.0, 8.0, 10.0, None])
def test_rounding_to_milliseconds_takes_the_same_frames(fps, rate):
    """To the nearest one or down; None: every frame is asked for."""
    rate = rate or fps
    for start in (0, 500, 1000, 2250):
        exact = [round(number * SECOND / fps) for number in range(int(6 * fps)) if number * 1000 / fps >= start]
        chosen = [exact.index(at) for at in taken(exact, start * MS, rate)]
        for rounded in ([round(at / MS) * MS for at in exact], [at // MS * MS for at in exact]):
            assert chosen == [rounded.index(at) for at in taken(rounded, start * MS, rate)]


@given(st.lists(st.integers(0, 10_000 * MS), min_size=1, unique=True), st.sampled_from([1.0, 3.0, 7.5]))
def test_what_is_taken_is_nearest(times, rate):
    times.sort()
    found = taken(times, 0, rate)
    assert found == sorted(set(found))
    moments = [at for step in range(80_000) if (at := round(step * SECOND / rate)) <= times[-1]]
    distances = {moment: min(abs(moment - at) for at in times) for moment in moments}
    for moment, least in distances.items():
        assert min(abs(moment - at) for at in found) <= least + ROUNDING


def test_time_stamps_are_counted_from_the_earliest():
    clock = Clock(Fraction(1, 90_000), 9_000, None)
    assert [clock.read(stamp) for stamp in (9_000, 12_003, 99_000)] == [0, 33_367, SECOND]


def test_frames_without_a_stamp_take_those_of_the_packets_in_order():
    clock = Clock(Fraction(1, 25), 0, None)
    for dts in (0, 1, 2):
        clock.sent(None, dts)
    clock.sent(7, 3)
    assert [clock.read(None) for _ in range(3)] == [0, 40 * MS, 80 * MS]
    assert clock.read(None) is None


def test_frames_without_any_stamp_follow_at_the_rate_of_the_stream():
    clock = Clock(Fraction(1, 25), 0, Fraction(1, 10))
    assert clock.read(None) is None
    assert [clock.read(5), clock.read(None), clock.read(None)] == [200 * MS, 300 * MS, 400 * MS]
