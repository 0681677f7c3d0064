"""Every command written down in README.md, infra/, configs/ and jobs/ is one the real command line takes."""

from pathlib import Path

import pytest
from cyclopts import CycloptsError
from pydantic import ValidationError

from facebatch.errors import ConfigError
from infra.commands import commands, parse
from infra.tree import CONFIGS, INFRA, ROOT

FILES = [
    ROOT / "README.md",
    *CONFIGS,
    *sorted((ROOT / "jobs").glob("*.py")),
    *sorted(path for path in INFRA.rglob("*") if path.is_file()),
]
JOBS = sorted(path.stem for path in (ROOT / "jobs").glob("*.py"))
GROUPS = ("models", "gallery", "audit", "policy", "retention", "review")
"""Commands that have commands."""
NAMES = {
    ("models", "pull"): "pull_models",
    ("models", "list"): "list_models",
    ("plan", "match"): "plan_match",
    ("policy", "test"): "run_tables",
    ("retention", "list"): "list_holds",
    ("review", "import"): "import_sheets",
}
"""Functions behind commands of two words, where they have another name than the second word."""
FOUND = [(str(path.relative_to(ROOT)), words) for path in FILES for words in commands(path)]


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_every_place_that_must_name_a_command_does() -> None:
    places = {origin for origin, _ in FOUND}
    jobs = JOBS
    assert {
        f"{folder}/{job}.{kind}" for job in jobs for folder, kind in (("configs", "yaml"), ("jobs", "py"))
    } <= places
    assert {f"infra/kuberay/{job}.yaml" for job in jobs} <= places
    assert {"infra/README.md", "infra/docker/Dockerfile", "infra/kuberay/models.yaml"} <= places
    nightly = [words[0] for origin, words in FOUND if origin == "infra/kuberay/nightly.yaml"]
    assert nightly == ["reindex"]


@pytest.mark.parametrize(("origin", "words"), FOUND, ids=lambda value: value if isinstance(value, str) else value[0])
def test_command_is_accepted(origin: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    bare = words[-1] in JOBS or (len(words) == 1 and words[0] in {*GROUPS, "plan", "pairs"})
    if bare and "--help" not in words:
        return  # the name of a command in a sentence or a table
    name = parse(words, monkeypatch)
    if "--help" not in words:
        assert name == NAMES.get(words[:2], words[1] if words[0] in GROUPS else words[0])


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("embed", "--config", "configs/embed.yaml", "--run.adress", "auto"), "--run.address"),
        (("index", "--config", "configs/index.yaml", "--run.workers", "many"), "run.workers"),
        (("match", "--config", "configs/match.yaml", "--request.purpose", "curiosity"), "purpose"),
        (("embd", "--config", "configs/embed.yaml"), "embd"),
        (("plan", "match", "--probes", "1000", "--gallery", "many"), "gallery"),
        (("index", "--config", "configs/indx.yaml"), "configs/indx.yaml"),
        (("models", "pull", "opencv_yunet_sface", "--acept-licence"), "--accept-licence"),
    ],
)
def test_wrong_command_is_refused(words: tuple[str, ...], hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((CycloptsError, ValidationError, ConfigError)) as caught:
        parse(words, monkeypatch)
    assert hint in str(caught.value)


def test_commands_are_found_in_all_their_forms(tmp_path: Path) -> None:
    readme = tmp_path / "a.md"
    readme.write_text(
        "Prose on facebatch match is no command, but `facebatch models list` is.\n\n```sh\n"
        "ray job submit -- \\\n  python jobs/embed.py --config c.yaml \\\n    --run.address auto\n```\n"
    )
    assert list(commands(readme)) == [("models", "list"), ("embed", "--config", "c.yaml", "--run.address", "auto")]
    manifest = tmp_path / "a.yaml"
    manifest.write_text("# Run  facebatch demo --json   now\ncommand: [facebatch, models, pull, x]\nname: facebatch\n")
    assert list(commands(manifest)) == [("demo", "--json"), ("models", "pull", "x")]


def test_readme_names_every_file() -> None:
    readme = (INFRA / "README.md").read_text()
    files = [path.relative_to(INFRA) for folder in ("docker", "kuberay", "aws") for path in (INFRA / folder).iterdir()]
    assert [str(path) for path in files if f"| `{path}` |" not in readme] == []
