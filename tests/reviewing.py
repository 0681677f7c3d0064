"""The commands of reviews, run on copies of a finished search whose pages are filled in without a browser."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examined import CaseWorld
from facebatch.cli import main
from facebatch.governance import audit, audit_chain
from filled_pages import fill, pages

Told = dict[str, Any]
Review = Callable[..., Told]
MATES = {f"lon00{number}/lon00{number}_smiling.jpg": f"lon00{number}" for number in (1, 2, 3)}
FIRST, SECOND, _ = MATES
"""Probes."""


@pytest.fixture(scope="session")
def assigned(case_world: CaseWorld, tmp_path_factory: pytest.TempPathFactory) -> CaseWorld:
    """The case with candidates is given to two examiners."""
    copied = case_world.copy(tmp_path_factory.mktemp("assigned"))
    main(["review", "assign", *copied.flags("--decoy-rate", "0.5", "--quiet")])
    return copied


@pytest.fixture
def case(assigned: CaseWorld, tmp_path: Path) -> CaseWorld:
    return assigned.copy(tmp_path / "case")


@pytest.fixture
def fresh(case_world: CaseWorld, tmp_path: Path) -> CaseWorld:
    """Nothing is assigned."""
    return case_world.copy(tmp_path / "fresh")


@pytest.fixture
def review(capsys: pytest.CaptureFixture[str]) -> Review:
    """Runs a command; what it says, with its exit code and its message."""

    def run(*arguments: str) -> Told:
        code = 0
        try:
            main(["review", *arguments, "--json"])
        except SystemExit as stop:
            code = int(str(stop.code))
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return {**(json.loads(out) if out else {}), "code": code, "error": err}

    return run


def at(case: CaseWorld) -> list[str]:
    return case.at


def assign(review: Review, case: CaseWorld) -> list[Path]:
    done = review("assign", *case.flags("--decoy-rate", "0.5"))
    assert done["code"] == 0, done
    return pages(case)


def hand_in(review: Review, case: CaseWorld, *files: Path) -> Told:
    return review("import", *map(str, files), *at(case))


def export(review: Review, case: CaseWorld, *more: str) -> Told:
    return review("export", *at(case), "--out", str(case.root / "out"), *more)


def agreed(review: Review, case: CaseWorld, choices: dict[str, str]) -> None:
    done = hand_in(review, case, *(fill(case, page, choices) for page in pages(case)))
    assert (done["code"], done["imported"], done["disputed"]) == (0, 2, 0), done


def document(case: CaseWorld) -> Told:
    found: Told = json.loads((case.root / "out" / "leads.json").read_bytes())
    return found


def events(case: CaseWorld, action: str) -> list[audit.AuditEvent]:
    return [event for event in audit_chain.read_chain(case.gallery) if event.action == action]
