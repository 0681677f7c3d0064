"""The Dockerfile: pinned, small, without root, models or tools, and able to find what it copies."""

import re
from pathlib import PurePosixPath

import pytest

from infra.rayjob import RayJob
from infra.tree import INFRA, ROOT, ray_jobs

TEXT = (INFRA / "docker" / "Dockerfile").read_text()
LINES = [line for line in TEXT.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
STAGES = [line.split() for line in LINES if line.startswith("FROM ")]


def _stage(name: str) -> list[str]:
    """Instructions of one stage and of those it is built from."""
    begin = next(
        number for number, line in enumerate(LINES) if line.startswith("FROM ") and line.endswith(f" AS {name}")
    )
    parent = LINES[begin].split()[1]
    own = LINES[begin + 1 :]
    end = next((number for number, line in enumerate(own) if line.startswith("FROM ")), len(own))
    inherited = _stage(parent) if any(stage[-1] == parent for stage in STAGES) else []
    return [*inherited, *own[:end]]


def test_base_images_are_pinned_to_a_patch_release() -> None:
    names = {stage[-1] for stage in STAGES}
    outside = {stage[1] for stage in STAGES} - names
    assert outside
    for image in outside:
        assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", image)


@pytest.mark.parametrize("name", ["jobs", "launcher"])
def test_final_stages_run_as_the_user_of_the_manifests(name: str) -> None:
    users = [line.split()[1] for line in _stage(name) if line.startswith("USER ")]
    spec = RayJob.model_validate(ray_jobs()["embed"]).spec.submitterPodTemplate.spec.securityContext
    assert users[-1] == f"{spec.runAsUser}:{spec.runAsGroup}"
    assert any(line.startswith("RUN useradd") and f"--uid {spec.runAsUser} " in line for line in _stage(name))


def test_jobs_is_what_a_plain_build_gives() -> None:
    assert STAGES[-1][-1] == "jobs"


def test_nothing_is_fetched_but_pinned_packages() -> None:
    assert not [line for line in LINES if line.startswith("ADD ")]
    assert not re.search(r"\b(curl|git clone)\b|wget http", TEXT)
    pips = [line for line in LINES if "pip install" in line or "pip wheel" in line]
    assert len(pips) == 4
    for line in pips:
        assert "--no-deps" in line
        assert "--no-cache-dir" in line
        assert re.search(r"--constraint constraints-dev\.txt|-r /tmp/constraints\.txt|/wheels", line)


def test_models_come_from_outside() -> None:
    assert "VOLUME /models" in LINES
    assert any("FACEBATCH_MODELS=/models" in line for line in LINES if line.startswith("ENV "))
    assert ".onnx" not in TEXT
    assert not any(line.startswith("ENTRYPOINT") for line in LINES)


def test_shipped_stages_have_no_development_tools() -> None:
    for name in ("jobs", "launcher"):
        copied = [line for line in _stage(name) if line.startswith("COPY ")]
        assert [line for line in copied if "tests" in line or "constraints-dev" in line or "configs" in line] == []


def test_context_holds_what_is_copied_and_no_more() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = {source for line in LINES if line.startswith("COPY ") for source in line.split()[1:-1]}
    for source in sources:
        assert any(pattern == source or pattern.startswith(f"{source}/") for pattern in allowed), source
    for pattern in allowed:
        assert any(PurePosixPath(pattern).is_relative_to(source) for source in sources), pattern
