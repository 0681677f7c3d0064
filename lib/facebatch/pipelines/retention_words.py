"""Retention in words for people."""

from collections.abc import Iterable, Iterator, Sequence

from facebatch.errors import StopError
from facebatch.evaluate.words import counted
from facebatch.pipelines.retention_delete import RetentionReport
from facebatch.pipelines.retention_folders import DueFolder
from facebatch.pipelines.retention_plan import DueObjects, RetentionPlan

SHOWN = 20
"""Lines of one kind told to a person; `--json` has them all."""

_BECAUSE = {
    "refused": "its authorisation was refused",
    "not_authorised": "no authorisation came before its deadline",
    "policy": "its policy packs allow no longer",
    "clock": "its time is over",
    "unfinished": "it was never finished",
    "revoked": "its authorisation was revoked",
}


def of_plan(plan: RetentionPlan | None) -> dict[str, str]:
    """What is due, held and waiting. None: no results are configured."""
    if plan is None:
        return {"searches": "not looked at; set results"}
    return {
        "searches": f"{plan.searches}; {plan.awaiting} await an authorisation, {plan.unfinished} are unfinished and "
        f"left alone, {plan.cases_open} wait for their case to be closed",
        **({"revoked": f"{plan.revoked} may be used by nobody, until their days are over"} if plan.revoked else {}),
        "due in searches": _listed([*_due(plan.due), *_folders(plan.folders)], f"{plan.objects} objects"),
        "held": _listed(
            [f"{held.search_id}: {', '.join(held.classes)}, by {', '.join(held.holds)}" for held in plan.held]
        ),
        "probe images": _media(plan),
        "audit events": _audit(plan),
        **({"problems": _listed(plan.problems)} if plan.problems else {}),
    }


def of_report(report: RetentionReport | None) -> dict[str, str]:
    """What was deleted, and what a scan found of it afterwards."""
    if report is None:
        return of_plan(None)
    count = sum(due.objects for due in report.deleted) + sum(folder.objects for folder in report.folders)
    told = of_plan(report.plan)
    del told["due in searches"]
    told.pop("problems", None)
    if report.plan.media and (report.media_deleted or report.media_kept):
        kept = [f"{kept.uri}: {kept.why}" for kept in report.media_kept]
        told["probe images"] = _listed(kept, f"{report.media_deleted} files deleted; kept: {len(kept)}")
    return {
        "deleted of searches": _listed([*_due(report.deleted), *_folders(report.folders)], f"{count} objects"),
        "scan afterwards": f"{report.left} objects left of what was deleted",
        **told,
        **({"held meanwhile": _listed(report.held_meanwhile)} if report.held_meanwhile else {}),
        **({"problems": _listed(report.problems)} if report.problems else {}),
    }


def of_scan(plan: RetentionPlan) -> Iterator[str]:
    """What a scan found that must be gone, as lines."""
    objects, searches = counted(plan.objects, "object"), counted(plan.searches, "search")
    yield f"searches: {objects} still found that must be gone, of {searches}"
    due = [*_due(plan.due), *_folders(plan.folders)]
    yield from (f"  {line}; run `facebatch expire --delete`" for line in _first(due))
    alone = f"unfinished and left alone {plan.unfinished}, awaiting an authorisation {plan.awaiting}"
    yield f"  held {len(plan.held)}, {alone}"
    yield from (f"  {problem}" for problem in plan.problems)


def require_judged(found: RetentionPlan | RetentionReport | None) -> None:
    """StopError when a search could not be judged, or something that was due is still there."""
    if found is not None and found.problems:
        raise StopError("\n".join([f"{len(found.problems)} findings among the searches:", *found.problems]))


def _due(due: Iterable[DueObjects]) -> Iterator[str]:
    for each in due:
        what = f"{each.objects} objects of {each.object_class.replace('_', ' ')}"
        yield f"{each.search_id}: {what}, {_BECAUSE[each.reason]} since {each.since:%Y-%m-%d %H:%M} UTC"


def _folders(folders: Iterable[DueFolder]) -> Iterator[str]:
    """Of runs, reviews and standing cases."""
    return (f"{folder.folder}: {folder.objects} objects, no search is left that it is about" for folder in folders)


def _media(plan: RetentionPlan) -> str:
    lines = [f"{source.images} images, {source.uri}" for source in plan.media]
    return _listed(lines, "to be deleted by their owner, unless retention.delete_probe_media is set" if lines else "")


def _audit(plan: RetentionPlan) -> str:
    least = "" if plan.audit_days is None else f", and must be kept {plan.audit_days} days at least"
    return f"never deleted here{least}"


def _listed(lines: Sequence[str], head: str = "") -> str:
    return "\n".join([*([head] if head else []), *_first(lines)]) or "none"


def _first(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield f"and {len(lines) - SHOWN} more"
