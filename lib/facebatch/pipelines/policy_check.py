"""policy lint and policy test: whether packs are whole and lately reviewed, and decide as their tables say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from facebatch.governance.cases import CaseResult, check_cases
from facebatch.governance.packs import PackSpec
from facebatch.governance.report_fields import unknown_fields


@dataclass(frozen=True, slots=True)
class PackLint:
    """One pack that can be read."""

    id: str
    version: str
    sha256: str
    rules: int
    cases: int
    warnings: tuple[str, ...]
    """What a person should look at; none of it stops a decision, but an overdue review."""


@dataclass(frozen=True, slots=True)
class TableReport:
    """The tables of all packs."""

    packs: int
    cases: int
    failed: tuple[CaseResult, ...]


def lint(packs: Sequence[PackSpec], day: date) -> tuple[PackLint, ...]:
    """What is to be said of each pack on `day`."""
    return tuple(
        PackLint(
            id=pack.id,
            version=pack.version,
            sha256=pack.digest(),
            rules=len(pack.rules),
            cases=len(pack.cases),
            warnings=_warnings(pack, day),
        )
        for pack in packs
    )


def run_tables(packs: Sequence[PackSpec]) -> TableReport:
    """Decide every case of every pack by that pack alone."""
    results = [result for pack in packs for result in check_cases(pack)]
    return TableReport(len(packs), len(results), tuple(result for result in results if result.faults))


def _warnings(pack: PackSpec, day: date) -> tuple[str, ...]:
    words = {
        "current": None,
        "due": f"its review was due by {pack.review_by}; it will deny {pack.grace_days} days after that",
        "overdue": f"its review was due by {pack.review_by}; it denies everything in its scope",
    }[pack.review(day)]
    tested = {rule for case in pack.cases for rule in case.denied_by}
    idle = [rule.id for rule in pack.rules if rule.kind in ("forbid", "require") and rule.id not in tested]
    return (
        *([words] if words else []),
        *(f"no case of the table is denied by {name}" for name in idle),
        *(f"no report knows the field {name}; it will be told as not recorded" for name in unknown_fields(pack)),
        *(f"{rule.id}: check with the official text: {rule.check}" for rule in pack.rules if rule.check),
    )
