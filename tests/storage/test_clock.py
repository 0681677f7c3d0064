"""The difference of two clocks, from one write that both saw."""

import logging
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import StopError
from facebatch.storage.clock import TOLD, TRUSTED, measure_skew, require_for_expiry, skew
from facebatch.storage.local import LocalStore
from facebatch.storage.memory import MemoryStore
from facebatch.storage.store import ObjectInfo

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SPANS = st.timedeltas(timedelta(), timedelta(minutes=5))


class Shifted(LocalStore):
    """A folder on a machine whose clock is `shift` ahead of this one's."""

    shift = timedelta()

    def head(self, key: str) -> ObjectInfo:
        path = self.local_path(key)
        seconds = path.stat().st_mtime + self.shift.total_seconds()
        os.utime(path, (seconds, seconds))
        return super().head(key)


def shifted(folder: Path, shift: timedelta) -> LocalStore:
    store = Shifted(folder)
    store.shift = shift
    return store


@given(st.timedeltas(timedelta(days=-9), timedelta(days=9)), SPANS, SPANS, st.booleans())
def test_it_is_never_more_than_the_true_difference_and_misses_little_of_it(
    ahead: timedelta, begin: timedelta, end: timedelta, whole: bool
) -> None:
    """`ahead` is by how much this machine is ahead; the write happens `begin` after and `end` before it looks."""
    written = NOW - ahead
    modified = written.replace(microsecond=0) if whole else written
    found = skew(NOW - begin, modified, NOW + end)
    assert abs(found) <= abs(ahead)
    assert found == timedelta() or (found > timedelta()) == (ahead > timedelta())
    assert abs(found - ahead) <= begin + end + 2 * SECOND


def test_a_clock_that_agrees_has_no_skew_and_leaves_nothing_behind(tmp_path: Path) -> None:
    for store in (LocalStore(tmp_path), MemoryStore(uuid.uuid4().hex)):
        assert measure_skew(store) == timedelta()
        assert [*store.list()] == []


@pytest.mark.parametrize(("shift", "words"), [(timedelta(hours=2), "behind"), (timedelta(hours=-2), "ahead of")])
def test_a_difference_of_hours_is_measured_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, shift: timedelta, words: str
) -> None:
    with caplog.at_level(logging.WARNING, "facebatch"):
        found = measure_skew(shifted(tmp_path, shift))
    assert found is not None
    assert abs(found + shift) < TOLD
    (record,) = caplog.records
    assert f" s {words} that of the store" in record.getMessage()


def test_half_a_minute_is_not_worth_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "facebatch"):
        assert measure_skew(shifted(tmp_path, timedelta(seconds=30))) < timedelta()
    assert caplog.records == []


def test_nothing_expires_by_a_clock_that_is_half_a_day_off(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for side in (1, -1):
        with pytest.raises(StopError, match=r"3 templates would expire, but the clock .* set it by NTP"):
            require_for_expiry(store, side * (TRUSTED + SECOND), 3)
        require_for_expiry(store, side * (TRUSTED + SECOND), 0)
        require_for_expiry(store, side * TRUSTED, 3)
    require_for_expiry(store, None, 3)
