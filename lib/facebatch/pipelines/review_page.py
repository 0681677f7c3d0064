"""The page of one examiner: what may be seen, under letters, in one HTML file that saves a sealed sheet by itself."""

import base64
import hashlib
import importlib.resources
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from facebatch.pipelines.pages import PAGES
from facebatch.pipelines.review_lists import ExaminedSearch
from facebatch.pipelines.review_pictures import Pictures, ProbePicture, side
from facebatch.review.assignments import Assignment
from facebatch.review.blinding import BlindSheet, blind
from facebatch.review.outcomes import MAX_NOTE
from facebatch.review.secret import ReviewSecret
from facebatch.review.signatures import sheet_key

SCRIPTS = ("seal.js", "examine.js")
"""In one script, whose digest is all that the page's policy allows to run."""


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """One of a probe. Both are data: URIs."""

    aligned: str
    original: str | None


@dataclass(frozen=True, slots=True)
class ShownProbe:
    """One probe on the page."""

    label: str
    pictures: tuple[ShownPicture, ...]
    faces: tuple[tuple[str, str], ...]
    """Letter and data: URI."""


def render(opened: ExaminedSearch, pictures: Pictures, assignment: Assignment, secret: ReviewSecret) -> str:
    """The page of an assignment. The same each time, so one that was lost can be made again.

    It holds no score, rank, name, date or id of anybody, and the key of this one sheet. CorruptError where a size would
    tell faces apart; PlanError as `blinding.blind`.
    """
    blinded = blind(opened.lists, assignment, secret)
    faces = {**opened.decoy_pictures(), **pictures.faces}
    probes = []
    for label, shown in blinded.faces.items():
        listed = {letter: faces[each.face.template_id] for letter, each in shown.items()}
        side(listed.values(), f"search {opened.search.search_id}: probe {label}")
        seen = pictures.probes[blinded.probe_ids[label]]
        probes.append(ShownProbe(label, tuple(_seen(seen)), tuple(_listed(listed))))
    return _page(blinded.sheet, tuple(probes), sheet_key(secret, assignment.assignment).hex())


def script() -> str:
    """All that the page runs."""
    folder = importlib.resources.files("facebatch.review")
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS)


def _page(sheet: BlindSheet, probes: tuple[ShownProbe, ...], key: str) -> str:
    text = script()
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return PAGES.get_template("review_page.html.j2").render(
        sheet=sheet,
        probes=probes,
        key=key,
        script=text,
        digest=digest,
        longest_note=MAX_NOTE,
    )


def _seen(pictures: tuple[ProbePicture, ...]) -> Iterator[ShownPicture]:
    for each in pictures:
        yield ShownPicture(_uri(each.aligned), None if each.original is None else _uri(each.original))


def _listed(faces: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    return ((letter, _uri(data)) for letter, data in faces.items())


def _uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
