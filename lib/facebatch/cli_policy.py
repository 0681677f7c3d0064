"""`facebatch policy`: check packs of rules, explain what they decide, and what another set would change."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App

from facebatch.cli_output import Flat, Output, plain, words
from facebatch.errors import ConfigError, StopError
from facebatch.evaluate.words import counted
from facebatch.governance.explain import explain as explain_decision
from facebatch.governance.obligations import asked
from facebatch.governance.policy import Decision, decide
from facebatch.governance.probe_rules import Stated
from facebatch.pipelines import policy_check, policy_diff, policy_files, policy_past
from facebatch.pipelines.policy_check import PackLint
from facebatch.pipelines.policy_diff import Outcome, PolicyDiff
from facebatch.pipelines.policy_past import PastRequest
from facebatch.pipelines.probe_facts import read_probe_facts
from facebatch.spec import Spec
from facebatch.storage.open import open_store
from facebatch.storage.settings import S3Spec

policy_app = App(
    name="policy",
    help="Policy packs: lint, test, explain, diff; and whose decisions count. Examples are in configs/policies/.",
)


class PastSpec(Spec):
    """Where past requests are read from: one of the two."""

    requests: Path | None = None
    """A JSON Lines file of past requests: id, at, request, and by probe id what was stated of single probes
    (stated)."""
    results: str | None = None
    """Root of the results of searches, a local path or s3://bucket/prefix: the request of each finished one, with what
    was stated of its single probes."""
    s3: S3Spec = S3Spec()

    def read(self) -> list[PastRequest]:
        """The requests. ConfigError unless exactly one place is given."""
        if self.requests is not None and self.results is None:
            return policy_past.read_lines(self.requests)
        if self.results is not None and self.requests is None:
            return policy_past.read_results(open_store(self.results, self.s3), self.s3)
        raise ConfigError("give the past requests with --requests FILE or with --results URI, one of the two")


class ProbesSpec(Spec):
    """What is stated of single probes."""

    probe_facts: str | None = None
    """As in match: a .csv, .jsonl or .parquet file of facts of single probes. Absent: the request speaks for all."""
    s3: S3Spec = S3Spec()

    def read(self) -> Mapping[str, Stated]:
        """The facts by probe id."""
        return {} if self.probe_facts is None else read_probe_facts(self.probe_facts, self.s3).facts


Past = Annotated[PastSpec, Flat]
Probes = Annotated[ProbesSpec, Flat]
_UNSAID, _UNSTATED = PastSpec(), ProbesSpec()


@policy_app.command
def lint(packs: Path, /, *, output: Output = Output()) -> None:
    """Read packs and tell every fault with file and line; warn of late reviews and of rules that no case tests.

    Parameters
    ----------
    packs
        A pack, or a folder of packs (*.yaml).
    """
    output.start()
    found = policy_check.lint(policy_files.read_packs(packs), datetime.now(UTC).date())
    output.tell("".join(f"{line}\n" for line in _linted(found)), {"packs": [plain(pack) for pack in found]})


@policy_app.command(name="test")
def run_tables(packs: Path, /, *, output: Output = Output()) -> None:
    """Decide every case of every pack's own table; exit code 2 when a decision differs from the table.

    Parameters
    ----------
    packs
        A pack, or a folder of packs (*.yaml).
    """
    output.start()
    report = policy_check.run_tables(policy_files.read_packs(packs))
    lines = [f"{each.pack}: {each.case}: {'; '.join(each.faults)}" for each in report.failed]
    table = f"{counted(report.cases, 'case')} of {counted(report.packs, 'pack')}"
    lines.append(f"{table}, {len(report.failed)} not as expected")
    output.tell("\n".join(lines) + "\n", report)
    if report.failed:
        raise StopError(
            f"{packs}: {len(report.failed)} of {counted(report.cases, 'case')} not decided as their table says"
        )


@policy_app.command
def explain(
    request: Path, /, *, packs: Path, probes: Probes = _UNSTATED, at: str | None = None, output: Output = Output()
) -> None:
    """Print what packs decide about a request, every reason with its citation, and how each rule came out.

    The built-in floor decides beside the packs, as in every search: purpose, case and requester must be stated.

    Parameters
    ----------
    request
        A YAML file of facts; what it leaves out is unknown.
    packs
        A pack, or a folder of packs (*.yaml).
    at
        The moment of the decision with time zone, as 2026-11-22T12:00:00Z; absent: now.
    """
    output.start()
    facts = policy_files.read_request(request)
    when = policy_files.moment(at, datetime.now(UTC))
    decision = decide(facts, policy_files.read_packs(packs), when, probes.read())
    output.tell(explain_decision(decision), _told(decision))


@policy_app.command
def diff(before: Path, after: Path, /, *, past: Past = _UNSAID, output: Output = Output()) -> None:
    """Print which past requests are decided differently by another set of packs.

    The built-in floor decides beside both, and the facts that were stated of single probes count as they did then.

    Parameters
    ----------
    before
        A pack, or a folder of packs (*.yaml).
    after
        The same, of the other set.
    """
    output.start()
    packs = policy_files.read_packs(before), policy_files.read_packs(after)
    found = policy_diff.compare(*packs, past.read())
    output.tell("".join(f"{line}\n" for line in _differences(found)), found)


def _linted(found: Sequence[PackLint]) -> Iterator[str]:
    for pack in found:
        yield f"{pack.id} {pack.version}: {counted(pack.rules, 'rule')}, {counted(pack.cases, 'case')}"
        yield from (f"  {warning}" for warning in pack.warnings)
    warnings = counted(sum(len(pack.warnings) for pack in found), "warning")
    yield f"{counted(len(found), 'pack')}, 0 faults, {warnings}"


def _told(decision: Decision) -> dict[str, object]:
    others = decision.refusals.others
    return {
        "allowed": decision.allowed,
        "at": decision.at.isoformat(),
        "denials": [plain(denial) for denial in decision.denials],
        "permits": list(decision.verdict.permits),
        "obligations": asked(decision.obligations),
        "warnings": list(decision.verdict.warnings),
        "packs": decision.digests,
        "probes": {
            "stated": len(decision.stated),
            "refused": {probe: found.reason for probe, found in decision.refusals.named.items() if found is not None},
            "others_refused": None if others is None else others.reason,
        },
    }


def _differences(found: PolicyDiff) -> Iterator[str]:
    for each in found.changed:
        yield each.id
        yield f"  before: {_outcome(each.before)}"
        yield f"  after:  {_outcome(each.after)}"
        if each.probes:
            yield f"  probes decided differently: {each.probes}"
    yield f"{len(found.changed)} of {counted(found.requests, 'past request')} decided differently"


def _outcome(outcome: Outcome) -> str:
    if not outcome.allowed:
        return f"refused by {', '.join(outcome.denied_by)}"
    refused = f"; probes refused: {outcome.refused}, by {', '.join(outcome.refused_by)}" if outcome.refused else ""
    return f"allowed{refused}; obligations: {words(outcome.obligations)}"
