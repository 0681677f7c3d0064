"""All cases of one run on one page: what came out of each, and where its sheet is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from facebatch.errors import ConfigError
from facebatch.gallery.evaluation import Band
from facebatch.pipelines.case_words import NOTICE, OUTCOMES
from facebatch.pipelines.pages import PAGES
from facebatch.review.sheet import Sheet
from facebatch.schemas import Outcome

SHOWN: Final[Mapping[str, str]] = {
    "listed": "With candidates",
    "nobody": "Searched, no candidate",
    "unsearched": "A probe not searched",
    "refused": "Refused by policy",
    "news": "Standing, with news",
}
"""Kinds of cases that the page can show alone. A case with several probes can be of several kinds."""


@dataclass(frozen=True, slots=True)
class IndexedCase:
    """One case, in numbers."""

    case_id: str
    search_id: str
    outcomes: Mapping[Outcome, int]
    """Probes by outcome."""
    listed: int
    """Probes with candidates; all others that are OK were searched and have none."""
    candidates: int
    """Of all probes together."""
    bands: Mapping[Band, int]
    """Probes by quality band, of those that have one."""
    denials: int
    """Rules that refuse the case; 0: it is allowed."""
    news: int | None
    """Of a standing case that was searched before: how many things are new; None: of every other case."""
    erasures: int = 0
    """How often people were erased from its results: the counts are of who is left."""
    deleted: bool = False
    """Whether retention deleted some of its results; the counts are from before that."""
    doubts: int = 0
    """Probes whose media may show more than one person."""

    @property
    def probes(self) -> int:
        """All of the case."""
        return sum(self.outcomes.values())

    @property
    def searched(self) -> int:
        """Probes that were."""
        return self.outcomes.get(Outcome.OK, 0)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Those in SHOWN that it is of."""
        holds = {
            "listed": self.listed > 0,
            "nobody": self.searched > self.listed,
            "unsearched": not self.denials and self.probes > self.searched,
            "refused": self.denials > 0,
            "news": bool(self.news),
        }
        return tuple(kind for kind in SHOWN if holds[kind])


@dataclass(frozen=True, slots=True)
class RunIndex:
    """One run."""

    run: str
    """Its id."""
    made_at: datetime
    """Aware; shown in UTC."""
    gallery: str
    """URI."""
    snapshot: int
    model_name: str
    templates: int
    subjects: int | None
    """As in `Sheet`."""
    unlabelled: int
    cases: tuple[IndexedCase, ...]
    """In the order they are listed in."""


def indexed(sheet: Sheet) -> IndexedCase:
    """What the index tells of a case."""
    bands = Counter(probe.band for probe in sheet.probes if probe.band is not None)
    return IndexedCase(
        case_id=sheet.case_id,
        search_id=sheet.search_id,
        outcomes=dict(sorted(Counter(probe.outcome for probe in sheet.probes).items())),
        listed=sum(bool(probe.candidates) for probe in sheet.probes),
        candidates=sum(len(probe.candidates) for probe in sheet.probes),
        bands=dict(sorted(bands.items())),
        denials=len(sheet.denied),
        doubts=sum(bool(probe.doubts) for probe in sheet.probes),
        news=len(sheet.standing.news) if sheet.standing and sheet.standing.since is not None else None,
    )


def render_index(run: RunIndex, links: Mapping[str, str]) -> bytes:
    """The page, UTF-8; equal arguments give the same bytes.

    `links` lead from search ids to sheets: paths relative to the page, or http(s) URLs such as pre-signed ones, whose
    query is a secret and so is not printed. A case without one is listed without a link. ConfigError for other schemes.
    """
    for search, link in links.items():
        if urlsplit(link).scheme not in ("", "http", "https"):
            raise ConfigError(f"the link to the sheet of search {search} is no relative path and no http(s) URL")
    page = PAGES.get_template("case_index.html.j2").render(
        run=run,
        links=links,
        printed={search: link.partition("?")[0] for search, link in links.items()},
        shown={kind: (label, sum(kind in case.kinds for case in run.cases)) for kind, label in SHOWN.items()},
        totals=_totals(run.cases),
        notice=NOTICE,
        outcomes=OUTCOMES,
    )
    return page.encode()


def _totals(cases: Sequence[IndexedCase]) -> list[tuple[str, int]]:
    """Of the whole run, in words."""
    unsearched = Counter[Outcome]()
    for case in cases:
        unsearched.update({outcome: count for outcome, count in case.outcomes.items() if outcome != Outcome.OK})
    searched, listed = sum(case.searched for case in cases), sum(case.listed for case in cases)
    return [
        ("Cases", len(cases)),
        ("Cases refused", sum(case.denials > 0 for case in cases)),
        ("Probes", sum(case.probes for case in cases)),
        ("Probes searched", searched),
        ("With candidates", listed),
        ("Without a candidate", searched - listed),
        ("Candidates", sum(case.candidates for case in cases)),
        *((f"Not searched: {OUTCOMES[outcome]}", count) for outcome, count in sorted(unsearched.items())),
    ]
