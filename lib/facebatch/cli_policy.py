"""`facebatch policy`: check packs of rules, explain what they decide, and what another set would change."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App

from facebatch.cli_output import Flat, Output, plain, words
from facebatch.errors import ConfigError, StopError
from facebatch.governance.explain import explain as explain_verdict
from facebatch.governance.obligations import asked
from facebatch.governance.verdict import Verdict, decide
from facebatch.pipelines import policy_check, policy_diff, policy_files, policy_past
from facebatch.pipelines.policy_check import PackLint
from facebatch.pipelines.policy_diff import Outcome, PolicyDiff
from facebatch.pipelines.policy_past import PastRequest
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
    """A JSON Lines file of past requests: id, at, request."""
    results: str | None = None
    """Root of the results of searches: the request of each finished one, a local path or s3://bucket/prefix."""
    s3: S3Spec = S3Spec()

    def read(self) -> list[PastRequest]:
        """The requests. ConfigError unless exactly one place is given."""
        if self.requests is not None and self.results is None:
            return policy_past.read_lines(self.requests)
        if self.results is not None and self.requests is None:
            return policy_past.read_results(open_store(self.results, self.s3))
        raise ConfigError("give the past requests with --requests FILE or with --results URI, one of the two")


Past = Annotated[PastSpec, Flat]
_UNSAID = PastSpec()


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
    lines.append(f"{report.cases} cases of {report.packs} packs, {len(report.failed)} not as expected")
    output.tell("\n".join(lines) + "\n", report)
    if report.failed:
        raise StopError(f"{packs}: {len(report.failed)} of {report.cases} cases are not decided as their table says")


@policy_app.command
def explain(request: Path, /, *, packs: Path, at: str | None = None, output: Output = Output()) -> None:
    """Print what packs decide about a request, every reason with its citation, and how each rule came out.

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
    verdict = decide(policy_files.read_packs(packs), facts, when)
    output.tell(explain_verdict(verdict), _told(verdict))


@policy_app.command
def diff(before: Path, after: Path, /, *, past: Past = _UNSAID, output: Output = Output()) -> None:
    """Print which past requests are decided differently by another set of packs.

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
        yield f"{pack.id} {pack.version}: {pack.rules} rules, {pack.cases} cases"
        yield from (f"  {warning}" for warning in pack.warnings)
    yield f"{len(found)} packs, 0 faults, {sum(len(pack.warnings) for pack in found)} warnings"


def _told(verdict: Verdict) -> dict[str, object]:
    return {
        "allowed": verdict.allowed,
        "at": verdict.situation.at.isoformat(),
        "denials": [plain(denial) for denial in verdict.denials],
        "permits": list(verdict.permits),
        "obligations": asked(verdict.obligations),
        "warnings": list(verdict.warnings),
        "packs": {found.pack.id: found.pack.digest() for found in verdict.findings},
    }


def _differences(found: PolicyDiff) -> Iterator[str]:
    for each in found.changed:
        yield each.id
        yield f"  before: {_outcome(each.before)}"
        yield f"  after:  {_outcome(each.after)}"
    yield f"{len(found.changed)} of {found.requests} past requests decided differently"


def _outcome(outcome: Outcome) -> str:
    if not outcome.allowed:
        return f"refused by {', '.join(outcome.denied_by)}"
    return f"allowed; obligations: {words(outcome.obligations)}"
