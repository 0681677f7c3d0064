"""`facebatch review`: blind review of candidate lists: assign cases, import sheets, see how far it is, export leads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import App

from facebatch.cli_output import DryRun, Flat, Output
from facebatch.errors import ConfigError
from facebatch.pipelines import review_assign, review_export, review_import, review_status
from facebatch.pipelines.review_assign import AssignConfig
from facebatch.pipelines.review_export import ExportConfig
from facebatch.pipelines.review_import import ImportConfig
from facebatch.pipelines.review_searches import require_none_left
from facebatch.pipelines.review_status import CaseStatus, StatusConfig, StatusReport

review_app = App(
    name="review",
    help="Blind review of candidate lists by two examiners: assign, import, status, export. What comes of it is leads.",
)


@review_app.command
def assign(*, config: Annotated[AssignConfig, Flat], output: Output = Output(), dry_run: DryRun = False) -> None:
    """Give finished searches to two examiners each, disputed ones to a third, and write a page per examiner."""
    report = review_assign.run(config, output.start(), dry_run=dry_run)
    output.show("review assign: the plan" if dry_run else "review assign", report)
    require_none_left(report.left, "the others are done")


@review_app.command(name="import")
def import_sheets(*sheets: Path, config: Annotated[ImportConfig, Flat], output: Output = Output()) -> None:
    """Take in the files that examiners' pages saved. Safe when repeated; a file that was changed is refused.

    Parameters
    ----------
    sheets
        The files.
    """
    output.start()
    if not sheets:
        raise ConfigError("give the files that the examiners' pages saved, review-<assignment>.json")
    report = review_import.run(config, sheets)
    output.show("review import", report)
    require_none_left(report.left, "the others are imported")


@review_app.command
def status(*, config: Annotated[StatusConfig, Flat], output: Output = Output()) -> None:
    """Cases that wait, for whom and how long; with the secret also what examiners agree on. Nothing is written."""
    output.start()
    report = review_status.run(config)
    output.tell("".join(f"{line}\n" for line in _lines(report)), report)
    require_none_left(report.left, "the others are told")


@review_app.command
def export(*, config: Annotated[ExportConfig, Flat], output: Output = Output()) -> None:
    """Write what two examiners agree on, leads and negative results, if the policy packs allow it at this moment."""
    output.start()
    report = review_export.run(config)
    output.show("review export (leads are not identifications)", report)
    require_none_left(report.left, "the others are exported")


def _lines(report: StatusReport) -> Iterator[str]:
    for case in report.cases:
        yield f"{case.search}  {case.state}{_probes(case)}, {case.days:g} days"
        yield from (f"  waits for {name}, {days:g} days" for name, days in case.waiting.items())
    told = ", ".join(f"{count} {state}" for state, count in report.states.items()) or "no cases"
    oldest = "" if report.oldest_days is None else f"; the oldest waits {report.oldest_days:g} days"
    yield f"{told}{oldest}"


def _probes(case: CaseStatus) -> str:
    told = ", ".join(f"{count} {state}" for state, count in case.probes.items())
    return f" (probes: {told})" if told else ""
