"""Many seeds in many processes tell what one process tells, in the order of the seeds."""

import pytest

from simulation import sweep
from simulation.bugs import refused_is_lost

SEEDS = range(200)


def told(capsys: pytest.CaptureFixture[str], processes: int, patch: pytest.MonkeyPatch) -> list[str]:
    patch.setattr(sweep, "available_cpus", lambda: processes)
    assert not sweep.sweep("fast", refused_is_lost.__name__, SEEDS)
    *breaches, summary = capsys.readouterr().out.splitlines()
    assert summary.startswith(f"{len(breaches)} of {len(SEEDS)} schedules broke a rule; ")
    assert summary.endswith(f"processes: {processes}")
    return breaches


@pytest.mark.slow
def test_two_processes_tell_what_one_tells(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    alone = told(capsys, 1, monkeypatch)
    assert len(alone) > 3
    assert told(capsys, 2, monkeypatch) == alone
