"""The candidate sheet of a case as one HTML page, for a screen and for paper, with its pictures inside or beside it."""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final, Literal

from facebatch.pipelines.case_words import NOTICE, OUTCOMES, QUALITIES
from facebatch.pipelines.pages import PAGES
from facebatch.review.sheet import MediumQuality, Picture, Sheet, SheetMedium, SheetProbe
from facebatch.storage.digest import digest

Pictures = Literal["embedded", "linked"]
"""Embedded: the page stands by itself. Linked: it needs the files beside it, or a link to each of them."""

FOLDER: Final = "pictures/"
"""Of linked pictures, relative to the page."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page and what it links to."""

    html: bytes
    """UTF-8."""
    files: Mapping[str, bytes]
    """Pictures by their paths relative to the page, in order; empty where they are embedded."""


@dataclass(frozen=True, slots=True)
class Album:
    """Where the pictures of one page are, collected while it is written."""

    pictures: Pictures
    link: Callable[[str], str] = str
    """Where a linked picture is, by its path relative to the page."""
    files: dict[str, bytes] = field(default_factory=dict)

    def address(self, picture: Picture) -> str:
        """A data: URI, or where a path leads that says nothing but what the picture's bytes are."""
        if self.pictures == "embedded":
            return f"data:image/jpeg;base64,{base64.b64encode(picture.jpeg).decode('ascii')}"
        path = f"{FOLDER}{digest(picture.jpeg)[:32]}.jpg"
        self.files[path] = picture.jpeg
        return self.link(path)


def render_sheet(sheet: Sheet, pictures: Pictures, link: Callable[[str], str] = str) -> Rendered:
    """The page; equal sheets give the same bytes. Candidates are shown by rank, media in the order given. `link` says
    where linked pictures are, by their paths relative to the page: as told there, or at the page's own origin.
    """
    album = Album(pictures, link)
    html = PAGES.get_template("case_sheet.html.j2").render(
        sheet=replace(sheet, probes=tuple(map(_by_rank, sheet.probes))),
        album=album,
        embedded=pictures == "embedded",
        notice=NOTICE,
        outcomes=OUTCOMES,
        heaviest=_heaviest,
    )
    return Rendered(html.encode(), dict(sorted(album.files.items())))


def _by_rank(probe: SheetProbe) -> SheetProbe:
    return replace(probe, candidates=tuple(sorted(probe.candidates, key=lambda each: each.rank)))


def _assessed(quality: MediumQuality) -> list[tuple[str, float]]:
    """Labels and numbers of what was assessed."""
    numbers = {each.name: getattr(quality, each.name) for each in fields(quality)}
    return [(label, numbers[name]) for name, label in QUALITIES.items() if numbers[name] is not None]


def _heaviest(media: Iterable[SheetMedium]) -> SheetMedium | None:
    """The first of those with the greatest share of the template, of which there is a crop to compare with."""
    shown = [medium for medium in media if medium.used and medium.aligned is not None]
    return max(shown, key=lambda medium: medium.weight, default=None)


PAGES.filters["assessed"] = _assessed
