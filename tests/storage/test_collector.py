"""The collector is off while any block wants it off, and afterwards as it was."""

import gc
import threading
from collections.abc import Iterator

import pytest

from facebatch.storage.collector import paused


@pytest.fixture(autouse=True)
def collector_on() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_it_is_off_inside_and_on_again_after_an_error() -> None:
    inside = []

    def fail() -> None:
        with paused():
            inside.append(gc.isenabled())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert inside == [False]
    assert gc.isenabled()


def test_the_last_of_overlapping_blocks_turns_it_on() -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with paused():
            entered.set()
            leave.wait(10)

    other = threading.Thread(target=hold)
    with paused():
        other.start()
        assert entered.wait(10)
    assert not gc.isenabled()
    leave.set()
    other.join()
    assert gc.isenabled()


def test_whoever_turned_it_off_before_finds_it_off() -> None:
    gc.disable()
    with paused(), paused():
        pass
    assert not gc.isenabled()
