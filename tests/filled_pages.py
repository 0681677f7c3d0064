"""Examiners' pages filled in without a browser: by whom is behind the letters."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from examined import CaseWorld
from facebatch.pipelines.retention_survey import Results
from facebatch.pipelines.review_lists import find_reviewed
from facebatch.pipelines.review_searches import open_search
from facebatch.pipelines.review_secret import open_secret
from facebatch.review.assignments import Assignment
from facebatch.review.blinding import Blinded, blind
from facebatch.review.outcomes import FinishedSheet, ProbeFinding
from facebatch.review.signatures import seal
from facebatch.storage.documents import dump
from page import Page

NOBODY = "no_candidate"
UNSURE = "inconclusive"
DECOY = "a decoy"
NOTE = "=1+1 the ear"


def told(page: Path) -> dict[str, str]:
    """What a page says of itself."""
    [main] = Page(page.read_text()).each("main")
    return {name.removeprefix("data-"): value or "" for name, value in main.items() if name.startswith("data-")}


def pages(world: CaseWorld) -> list[Path]:
    return sorted((world.root / "pages").rglob("*.html"))


def behind(world: CaseWorld, page: Path, number: int = 0) -> tuple[Assignment, Blinded]:
    """Whom a page shows."""
    secret = open_secret(world.secret)
    search = open_search(Results(world.results, world.s3), world.searches[number])
    found = find_reviewed(world.results, search, secret)
    assert found is not None
    opened, review = found
    [assignment] = (each for each in review.assignments if each.assignment == page.stem)
    return assignment, blind(opened.lists, assignment, secret)


def letter(blinded: Blinded, label: str, wanted: str) -> str:
    """Of a subject, or of the first decoy."""
    shown = blinded.faces[label].items()
    if wanted == DECOY:
        return next(letter for letter, each in shown if each.is_decoy)
    return next(letter for letter, each in shown if each.face.subject_id == wanted)


def fill(world: CaseWorld, page: Path, choices: Mapping[str, str], number: int = 0) -> Path:
    """Choose by probe, NOBODY where it is not in `choices`; the file that the page would save."""
    about = told(page)
    _, blinded = behind(world, page, number)
    findings = []
    for label, probe in blinded.probe_ids.items():
        wanted = choices.get(probe, NOBODY)
        is_face = wanted not in (NOBODY, UNSURE)
        findings.append(
            ProbeFinding(
                probe=label,
                outcome="potential_candidate" if is_face else wanted,
                candidate=letter(blinded, label, wanted) if is_face else None,
                note=NOTE,
            )
        )
    now = datetime.now(UTC).replace(microsecond=0)
    named = {name: about[name] for name in ("review", "assignment", "case", "examiner")}
    times = {"opened_at": now, "finished_at": now}
    sheet = FinishedSheet(format_version="review sheet 1", findings=tuple(findings), **named, **times)
    path = world.root / f"review-{page.stem}.json"
    path.write_bytes(dump(seal(sheet, bytes.fromhex(about["key"]))))
    return path
