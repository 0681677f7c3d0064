"""The yearly report that laws ask for: each field that a pack names, as counts that give no single event away.

Requests of the place, events of the whole gallery, and what was decided about the results of past searches are counted
apart, and no event is in two of them. Each kind of event is
told beside its total; searches are told by a second property only where their number is told, so that their number is
all that one table tells of another. A report of `audit_report` counts the same events by other properties and can be
subtracted from this one, and so can reports of places within each other: publish one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from facebatch.governance.audit import AuditEvent
from facebatch.governance.audit_report import NOT_STATED, of_year
from facebatch.governance.condition import lies_within
from facebatch.governance.packs import PackSpec
from facebatch.governance.report_fields import FIELDS, Demand, Source, demands
from facebatch.governance.small_counts import LEGEND, WITHHELD, protect, protect_one

ELSEWHERE = "not recorded here: keep it beside the case"
REFUSED = "refused"
GALLERY = frozenset({"deletion", "policy_change", "publish", "rollback"})
"""Actions on the gallery as a whole."""
RETENTION = frozenset({"authorisation", "hold", "release", "case_close"})
"""Actions on results of past searches, of the whole gallery too; all others are on a request."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a law. Counts are words: digits, `<5`, `withheld` or ELSEWHERE."""

    name: str
    source: Source
    count: str | None
    """None: `table` has it."""
    table: Mapping[str, str] | None
    """Searches by a property; empty: none, or too few to be told apart. None: `count` has it."""


@dataclass(frozen=True, slots=True)
class PackFields:
    """What one pack asks for."""

    pack: str
    version: str
    title: str
    cite: str
    reviewed_on: date
    fields: tuple[Field, ...]
    checks: tuple[str, ...]
    """What is to be checked with the official text."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """Events by what they are: an action that was allowed, or REFUSED; an authorisation that was taken back is too."""

    events: str
    """How many."""
    table: Mapping[str, str]
    """Empty: none, or too few to be told apart."""


@dataclass(frozen=True, slots=True)
class StatuteReport:
    """Events of one year, for the packs that cover a place."""

    year: int
    """UTC."""
    jurisdiction: str
    requests: Kinds
    """On requests of the place."""
    gallery: Kinds
    """On the whole gallery, whoever it is used by."""
    retention: Kinds
    """On whether results of past searches may be used and when they are deleted, whoever searched."""
    no_jurisdiction: str
    """Events on requests of the year that state none, and are in nobody's report."""
    probes: str
    """Of all searches of the place; ELSEWHERE where an event does not state how many."""
    packs: tuple[PackFields, ...]
    """Those that cover the place and ask for a report."""


@dataclass(frozen=True, slots=True)
class _Counts:
    requests: Mapping[str, int]
    gallery: Mapping[str, int]
    retention: Mapping[str, int]
    searches: Sequence[AuditEvent]
    unstated: int

    def told(self, kind: str) -> str:
        """The number of one kind of event, as it may be printed."""
        counts = self.gallery if kind in GALLERY else self.requests
        table = protect(counts)
        return table.get(kind, "0") if table or not any(counts.values()) else WITHHELD

    def by(self, values: Callable[[AuditEvent], Iterable[str]]) -> Mapping[str, str]:
        """Searches by a property; one that has several of its values counts for each."""
        if not self.told("search").isdigit():
            return {}
        return protect(Counter(value for event in self.searches for value in values(event)))

    def probes(self) -> str:
        if not self.told("search").isdigit():
            return WITHHELD
        stated = [event.probes for event in self.searches if event.probes is not None]
        return protect_one(sum(stated)) if len(stated) == len(self.searches) else ELSEWHERE


def report(events: Iterable[AuditEvent], year: int, jurisdiction: str, packs: Sequence[PackSpec]) -> StatuteReport:
    """Fill in what packs ask for; an event that was recorded twice under one id counts once. Case does not matter."""
    counts = _count(of_year(events, year), jurisdiction)
    return StatuteReport(
        year=year,
        jurisdiction=jurisdiction,
        requests=_kinds(counts.requests),
        gallery=_kinds(counts.gallery),
        retention=_kinds(counts.retention),
        no_jurisdiction=protect_one(counts.unstated),
        probes=counts.probes(),
        packs=tuple(_filled(demand, counts) for demand in demands(packs, year, jurisdiction)),
    )


def text(found: StatuteReport) -> str:
    """The report in lines."""
    lines = [f"audit report {found.year}, jurisdiction {found.jurisdiction}, as the packs ask for it"]
    groups = {
        "on requests": found.requests,
        "on the whole gallery": found.gallery,
        "on results of past searches": found.retention,
    }
    for what, kinds in groups.items():
        lines += ["", f"events {what}: {kinds.events}", *(_rows(kinds.table, "") if kinds.events != "0" else ())]
    lines += ["", f"events on requests that state no jurisdiction: {found.no_jurisdiction}"]
    for pack in found.packs:
        lines += ["", f"{pack.pack} {pack.version}: {pack.title} [{pack.cite}], reviewed {pack.reviewed_on}"]
        lines += [line for field in pack.fields for line in _field(field, found.probes)]
        lines += [f"  check with the official text: {check}" for check in pack.checks]
    if not found.packs:
        lines += ["", f"no pack that covers {found.jurisdiction} asks for a report"]
    return "\n".join([*lines, "", LEGEND, ""])


def _count(events: Iterable[AuditEvent], jurisdiction: str) -> _Counts:
    requests: Counter[str] = Counter()
    gallery: Counter[str] = Counter()
    retention: Counter[str] = Counter()
    searches: list[AuditEvent] = []
    unstated = 0
    for event in events:
        kind = REFUSED if event.decision == "denied" else event.action
        if event.action in GALLERY:
            gallery[kind] += 1
        elif event.action in RETENTION:
            retention[f"{event.action}, {REFUSED}" if kind == REFUSED else kind] += 1
        elif event.jurisdiction is None:
            unstated += 1
        elif lies_within(event.jurisdiction, jurisdiction):
            requests[kind] += 1
            searches += [event] if kind == "search" else []
    return _Counts(requests, gallery, retention, searches, unstated)


def _kinds(counts: Mapping[str, int]) -> Kinds:
    return Kinds(protect_one(sum(counts.values())), protect(counts))


def _filled(demand: Demand, counts: _Counts) -> PackFields:
    pack = demand.pack
    fields = tuple(_fill(name, FIELDS.get(name, "elsewhere"), counts) for name in demand.fields)
    return PackFields(pack.id, pack.version, pack.title, pack.cite, pack.reviewed_on, fields, demand.checks)


def _fill(name: str, source: Source, counts: _Counts) -> Field:
    if source in _PROPERTIES:
        return Field(name, source, None, counts.by(_PROPERTIES[source]))
    kind = _KINDS.get(source)
    return Field(name, source, ELSEWHERE if kind is None else counts.told(kind), None)


def _classes(event: AuditEvent) -> tuple[str, ...]:
    if event.offences is None:
        return (NOT_STATED,)
    return tuple(sorted(set(event.offences))) or ("none of the classes",)


_KINDS: Mapping[Source, str] = {
    "searches": "search",
    "refused requests": REFUSED,
    "leads exported": "export",
    "deletions": "deletion",
    "publications": "publish",
}
_PROPERTIES: Mapping[Source, Callable[[AuditEvent], Iterable[str]]] = {
    "by offence class": _classes,
    "by purpose": lambda event: (event.purpose or NOT_STATED,),
    "by authority": lambda event: (event.authority or NOT_STATED,),
    "by kind of gallery": lambda event: (event.gallery_source or NOT_STATED,),
    "by quarter": lambda event: (f"{event.at.year} Q{(event.at.month + 2) // 3}",),
}


def _field(field: Field, probes: str) -> Iterator[str]:
    if field.table is not None:
        yield f"  {field.name}: searches {field.source}"
        yield from _rows(field.table, "none, or ")
    elif field.source == "elsewhere":
        yield f"  {field.name}: {field.count}"
    else:
        more = f", of probes {probes}" if field.source == "searches" else ""
        more += f"; what they led to is {ELSEWHERE}" if field.name == "leads_to_action" else ""
        yield f"  {field.name}: {field.source} {field.count}{more}"


def _rows(table: Mapping[str, str], otherwise: str) -> list[str]:
    told = [f"    {name:<30} {count:>10}" for name, count in table.items()]
    return told or [f"    {otherwise}{WITHHELD}: too few to be told apart"]
