"""What was done in a year in one jurisdiction, as counts that give no single event away.

Each table stands beside the same total and no table crosses two others, so the total is all that one tells of another.
Reports of one year made at different times can be subtracted from each other: publish one, after the year.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from facebatch.governance.audit import AuditEvent
from facebatch.governance.condition import lies_within
from facebatch.governance.small_counts import LEGEND, protect, protect_one

NOT_STATED = "not stated"
TABLES = ("month", "purpose", "action", "decision")


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Events of one year and jurisdiction. Counts are words: digits, `<5` or `withheld`."""

    year: int
    """UTC."""
    jurisdiction: str
    events: str
    """How many."""
    tables: Mapping[str, Mapping[str, str]]
    """By each of TABLES; an empty one could not be told without giving small counts away."""
    no_jurisdiction: str
    """Events of the year that state none and are in nobody's report."""


def summarise(events: Iterable[AuditEvent], year: int, jurisdiction: str) -> AuditReport:
    """Count the events of a year; one that was recorded twice under one id counts once. Case does not matter."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in TABLES}
    unstated = 0
    for event in of_year(events, year):
        if event.jurisdiction is None:
            unstated += 1
        elif lies_within(event.jurisdiction, jurisdiction):
            for name, value in _columns(event).items():
                counts[name][value] += 1
    tables = {name: protect(table) for name, table in counts.items()}
    return AuditReport(year, jurisdiction, protect_one(counts["action"].total()), tables, protect_one(unstated))


def text(report: AuditReport) -> str:
    """The report in lines."""
    lines = [
        f"audit report {report.year}, jurisdiction {report.jurisdiction}",
        f"events           {report.events}",
        f"no jurisdiction  {report.no_jurisdiction} (of all events of the year)",
    ]
    for name, table in report.tables.items():
        lines += ["", f"by {name}"]
        lines += [f"  {value:<30} {count:>10}" for value, count in table.items()] or [f"  {_nothing(report)}"]
    return "\n".join([*lines, "", LEGEND, ""])


def of_year(events: Iterable[AuditEvent], year: int) -> Iterator[AuditEvent]:
    """The events of a year, UTC; one that was recorded twice under one id comes once."""
    seen: set[str] = set()
    for event in events:
        if event.at.year == year and event.event_id not in seen:
            seen.add(event.event_id)
            yield event


def _nothing(report: AuditReport) -> str:
    return "none" if report.events == "0" else "withheld: too few to be told apart"


def _columns(event: AuditEvent) -> dict[str, str]:
    return {
        "month": f"{event.at:%Y-%m}",
        "purpose": event.purpose or NOT_STATED,
        "action": event.action,
        "decision": event.decision,
    }
