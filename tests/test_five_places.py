"""One word, five places: a job X is jobs/X.py, configs/X.yaml, pipelines/X.py, its test, and infra/kuberay/X.yaml."""

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
JOBS = sorted(path.stem for path in (ROOT / "jobs").glob("*.py"))
PLACES = (
    "jobs/{}.py",
    "configs/{}.yaml",
    "lib/facebatch/pipelines/{}.py",
    "tests/pipelines/test_{}.py",
    "infra/kuberay/{}.yaml",
)
LONGEST = 40


def test_there_are_jobs() -> None:
    assert {"embed", "evaluate", "expire", "index", "match", "reindex"} <= set(JOBS)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("job", JOBS)
def test_job_is_in_all_its_places(job: str, place: str) -> None:
    assert (ROOT / place.format(job)).is_file(), f"a job {job} needs {place.format(job)}"


def test_every_config_is_a_jobs() -> None:
    assert sorted(path.stem for path in (ROOT / "configs").glob("*.yaml")) == JOBS


@pytest.mark.parametrize("job", JOBS)
def test_job_is_short(job: str) -> None:
    assert len((ROOT / "jobs" / f"{job}.py").read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("job", JOBS)
def test_job_runs_the_command_of_its_name(
    job: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = ROOT / "jobs" / f"{job}.py"
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    runpy.run_path(str(script), run_name="__main__")
    assert f"Usage: facebatch {job} " in capsys.readouterr().out
