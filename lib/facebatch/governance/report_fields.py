"""What laws ask to be reported each year, by the names that packs have for it, and which of it audit events hold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from facebatch.governance.condition import Situation, all_of
from facebatch.governance.packs import PackSpec
from facebatch.governance.rules import RuleSpec

Source = Literal[
    "searches",
    "by offence class",
    "by purpose",
    "by authority",
    "by quarter",
    "by kind of gallery",
    "refused requests",
    "leads exported",
    "deletions",
    "publications",
    "elsewhere",
]
"""Where the value of a field comes from. `elsewhere`: no audit event holds it."""

FIELDS: Mapping[str, Source] = {
    "accountability_report": "elsewhere",
    "arrests_and_convictions": "elsewhere",
    "breaches": "elsewhere",
    "databases": "by kind of gallery",
    "deletions": "deletions",
    "leads_by_age_race_gender": "elsewhere",
    "leads_exported": "leads exported",
    "leads_to_action": "leads exported",
    "notice_of_intent": "elsewhere",
    "offences": "by offence class",
    "publications": "publications",
    "refused_requests": "refused requests",
    "searches": "searches",
    "searches_by_authority": "by authority",
    "searches_by_crime_type": "by offence class",
    "searches_by_purpose": "by purpose",
    "searches_per_quarter": "by quarter",
    "searches_to_data_protection_authority": "searches",
    "searches_to_market_surveillance_authority": "searches",
    "systems": "elsewhere",
    "unauthorised_uses": "elsewhere",
    "use_policy": "elsewhere",
}
"""The fields known. A pack may name others; then they are taken to be elsewhere, and `policy lint` says so."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one pack asks to be reported of a place and a year."""

    pack: PackSpec
    fields: tuple[str, ...]
    """By name, sorted; at least one."""
    checks: tuple[str, ...]
    """What of the rules that ask was not read in the official text."""


def demands(packs: Sequence[PackSpec], year: int, place: str) -> Iterator[Demand]:
    """What packs that cover `place` ask for, by id of the pack; of those in force in `year`."""
    for pack in sorted(packs, key=lambda pack: pack.id):
        rules = [rule for rule in pack.rules if rule.obligations.report_fields and _asks(pack, rule, year, place)]
        if rules:
            fields = sorted({field for rule in rules for field in rule.obligations.report_fields})
            yield Demand(pack, tuple(fields), tuple(rule.check for rule in rules if rule.check))


def unknown_fields(pack: PackSpec) -> list[str]:
    """Fields that the pack asks for and nobody here knows, sorted."""
    return sorted({field for rule in pack.rules for field in rule.obligations.report_fields} - FIELDS.keys())


def _asks(pack: PackSpec, rule: RuleSpec, year: int, place: str) -> bool:
    conditions = [each for each in (*pack.applies, *rule.when) if each.fact == "requester.jurisdiction"]
    situation = Situation({"requester.jurisdiction": place}, datetime(year, 12, 31, tzinfo=UTC))
    spans = ((each.start, each.end) for each in (pack, rule))
    return all_of(conditions, situation) is True and all(_touches(year, *span) for span in spans)


def _touches(year: int, start: date | None, end: date | None) -> bool:
    """Whether a span of days, `start` inclusive and `end` exclusive, has a day in the year."""
    return (start is None or start.year <= year) and (end is None or end > date(year, 1, 1))
