import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from facebatch.telemetry.progress import (
    LINE_INTERVAL_S,
    BarProgress,
    LineProgress,
    Position,
    SilentProgress,
    open_progress,
)
from terminal import Terminal


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (Position("embed", "shards", 40, 12, 3100, 30.0), "12/40 shards, 3 100 images, 103.3 images/s, 0:01:10 left"),
        (Position("match", "cells", 9000, 4500, 0, 3600.0), "4 500/9 000 cells, 1.2 cells/s, 1:00:00 left"),
        (Position("match", "cells", 4, 4, 0, 8.0), "4/4 cells, 0.5 cells/s, 0:00:08 taken"),
        (Position("match", "cells", 4, 0, 0, 8.0), "0/4 cells"),
        (Position("plan", "cases", 400, 400, 0, 0.25), "400/400 cases, 1 600 cases/s, 0:00:00 taken"),
        (Position("plan", "cases", 3, 3, 0, 4.6e-5), "3/3 cases, 0:00:00 taken"),
        (Position("plan", "cases", 400, 3, 0, 4.6e-5), "3/400 cases"),
        (Position("match", "cells", 0, 0, 0, 0.0), "0/0 cells"),
    ],
)
def test_figures(position, expected):
    assert position.figures() == expected


@given(total=st.integers(0, 10**9), done=st.integers(0, 10**9), seconds=st.floats(0, 1e7))
def test_figures_exist_for_every_position(total, done, seconds):
    assert Position("embed", "shards", total, done, 0, seconds).figures().endswith(("shards", "left", "taken"))


def test_lines_come_at_intervals_and_at_the_end():
    clock, stream = Clock(), io.StringIO()
    with LineProgress(stream, clock).stage("embed", total=40, unit="shards") as stage:
        for _ in range(40):
            clock.now += LINE_INTERVAL_S / 4
            stage.advance(1, images=250)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "embed 4/40 shards, 1 000 images, 100.0 images/s, 0:01:30 left"
    assert lines[-1] == "embed 40/40 shards, 10 000 images, 100.0 images/s, 0:01:40 taken"
    assert len(lines) == 11


def test_a_stage_that_fails_still_says_how_far_it_came():
    stream = io.StringIO()

    def fail() -> None:
        with LineProgress(stream, Clock()).stage("embed", total=4, unit="shards") as stage:
            stage.advance(2)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert stream.getvalue() == "embed 2/4 shards\n"


def test_a_bar_shows_the_figures_and_leaves_stdout_alone(capsys):
    stream = Terminal()
    bar = BarProgress(Console(file=stream, force_terminal=True, width=120))
    with bar.stage("embed", total=2, unit="shards") as stage:
        sys.stdout.write("a result\n")
        stage.advance(1, images=253)
        stage.advance(1, images=247)
    assert "2/2 shards, 500 images" in stream.getvalue()
    assert "a result" not in stream.getvalue()
    assert capsys.readouterr().out == "a result\n"


@pytest.mark.parametrize(
    ("mode", "stream", "kind"),
    [
        ("auto", Terminal(), BarProgress),
        ("auto", io.StringIO(), LineProgress),
        ("plain", Terminal(), LineProgress),
        ("none", Terminal(), SilentProgress),
    ],
)
def test_the_mode_and_the_terminal_decide(monkeypatch, mode, stream, kind):
    monkeypatch.setattr(sys, "stderr", stream)
    assert isinstance(open_progress(mode), kind)


@pytest.mark.parametrize("mode", ["auto", "plain", "none"])
def test_nothing_goes_to_stdout(mode, capsys):
    with open_progress(mode).stage("embed", total=1, unit="shards") as stage:
        stage.advance(1, images=3)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert bool(captured.err) == (mode != "none")
