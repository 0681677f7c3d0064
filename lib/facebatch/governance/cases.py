"""A pack's own table of requests and expected decisions, carried out. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from facebatch.governance.obligations import asked
from facebatch.governance.packs import CaseSpec, PackSpec
from facebatch.governance.verdict import Verdict, decide


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One row of a table."""

    pack: str
    case: str
    faults: tuple[str, ...]
    """How the decision differs from what the table says; empty: it does not."""


def check_cases(pack: PackSpec) -> Iterator[CaseResult]:
    """Decide every case of the table by the pack alone."""
    for case in pack.cases:
        verdict = decide([pack], pack.request(case), case.at)
        yield CaseResult(pack.id, case.name, tuple(_faults(pack, case, verdict)))


def _faults(pack: PackSpec, case: CaseSpec, verdict: Verdict) -> Iterator[str]:
    found = {denial.rule.removeprefix(f"{pack.id}.") for denial in verdict.denials}
    if found != set(case.denied_by):
        yield f"denied by {_list(found)}, expected {_list(set(case.denied_by))}"
    if case.obligations is not None and case.obligations != verdict.obligations:
        yield f"obliges {asked(verdict.obligations)}, expected {asked(case.obligations)}"


def _list(rules: set[str]) -> str:
    return ", ".join(sorted(rules)) or "nothing"
