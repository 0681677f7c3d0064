"""What is stored of a case for people and programs: its sheet, and the same as a record."""

from collections.abc import Iterable, Mapping
from typing import Any

from facebatch.evaluate.words import plural
from facebatch.governance.denial import Denial
from facebatch.governance.facts import Facts
from facebatch.governance.policy import Decision
from facebatch.pipelines.case_banner import banner_lines
from facebatch.pipelines.case_plan import RefusedCase, Setting
from facebatch.pipelines.case_probe import searched_probes, unread_probe
from facebatch.pipelines.case_search import SearchedCase
from facebatch.pipelines.case_tables import CaseTables
from facebatch.pipelines.people import People
from facebatch.review.sheet import RequestFact, Sheet, Standing

_NO_PACK = ("facebatch.kept", "no policy pack denies it: settings, probes, gallery or authorisation do not allow it")
"""Rule and citation of what is refused by none."""


def sheet_of(setting: Setting, searched: SearchedCase, tables: CaseTables) -> Sheet:
    """A searched case as it is shown."""
    manifest = searched.manifest
    return Sheet(
        case_id=searched.planned.case.case_id,
        search_id=manifest.search_id,
        made_at=manifest.decided_at,
        probes=tuple(searched_probes(setting, searched, tables)),
        denied=(),
        standing=_standing(searched, tables),
        **_shared(setting, searched.planned.decision, manifest.people),
    )


def refused_sheet(setting: Setting, refused: RefusedCase) -> Sheet:
    """A refused case as it is shown: nothing of its probes was read."""
    return Sheet(
        case_id=refused.case.case_id,
        search_id=refused.search_id,
        made_at=refused.decision.at,
        probes=tuple(map(unread_probe, refused.case.probes)),
        denied=refused.decision.denials or (Denial(*_NO_PACK, refused.words),),
        standing=None,
        **_shared(setting, refused.decision, None),
    )


def _shared(setting: Setting, decision: Decision, people: People | None) -> dict[str, Any]:
    snapshot = setting.snapshot
    evaluated = snapshot.evaluated
    return {
        "gallery": setting.gallery.uri,
        "snapshot": snapshot.seq,
        "snapshot_sha256": snapshot.content_sha256,
        "model_name": snapshot.model_name,
        "templates": snapshot.templates,
        "subjects": people.most if people else None,
        "unlabelled": people.unlabelled if people else 0,
        "evaluated_at": evaluated.at if evaluated else None,
        "approved_for_use": bool(evaluated and evaluated.approved_for_use),
        "request": tuple(request_facts(decision.request)),
        "banner": banner_lines(decision.verdict),
    }


def request_facts(request: Facts) -> Iterable[RequestFact]:
    """What a request states, group by group; unknown facts are left out."""
    for name, value in request.model_dump(mode="json", exclude_none=True, exclude_defaults=True).items():
        if isinstance(value, Mapping):
            for inner, each in value.items():
                yield RequestFact(f"{name} {inner}".replace("_", " "), _told(each))
        else:
            yield RequestFact(name.replace("_", " "), _told(value))


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(each).replace("_", " ") for each in value) or "none"
    return str(value)


def _standing(searched: SearchedCase, tables: CaseTables) -> Standing | None:
    if not searched.planned.case.standing:
        return None
    since = searched.manifest.since
    if since is None:
        return Standing(None, ())
    news = [f"{probe}: {plural(len(rows), 'new candidate')}" for probe, rows in tables.candidates.items() if rows]
    return Standing(since, tuple(news))
