"""What is kept of a case that was refused, beside its sheet: who asked for what, when, under which packs, and what
refused it. The audit chain has the same as an event; by this record retention and holds know whose folder it is.
"""

from pydantic import AwareDatetime

from facebatch.governance.audit import AuditEvent
from facebatch.governance.request import Purpose
from facebatch.pipelines.case_plan import RefusedCase, Setting
from facebatch.pipelines.retention_holds import case_digest
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.documents import dump
from facebatch.storage.open import open_store


class RefusingRule(Spec):
    """One rule that denied."""

    rule: str
    cite: str


class CaseRefusal(Spec):
    """The record of a refusal, put before the sheet that shows it. It is of the last time: a run that refuses the same
    again writes it anew, and its sheet too.
    """

    format_version: int = FORMAT_VERSION
    event_id: str
    """Of the audit event that tells of it."""
    search_id: str
    """Of the folder that it lies in. What a search left that was refused after it had begun is in a folder of its own,
    with the request."""
    case: str
    """Digest of the id of the case."""
    at: AwareDatetime
    """When it was decided."""
    actor: str
    """Who asked, by the pseudonym that the audit event has."""
    purpose: Purpose | None
    """None: not stated."""
    request_sha256: str
    """Digest of all that was stated."""
    packs: dict[str, str]
    """sha256 of every policy pack that was asked, by its id."""
    rules: tuple[RefusingRule, ...]
    """All that denied; empty: no pack did."""
    reason: str | None
    """Where no pack denied: what the settings, the probes, the gallery or the authorisation do not allow."""
    gallery: str
    """URI."""
    snapshot: int


def put_refusal(setting: Setting, refused: RefusedCase, event: AuditEvent) -> CaseRefusal:
    """Record a refusal that the audit chain has as `event`, in the folder of its sheet."""
    decision = refused.decision
    record = CaseRefusal(
        event_id=event.event_id,
        search_id=refused.search_id,
        case=case_digest(refused.case.case_id),
        at=decision.at,
        actor=event.actor,
        purpose=decision.request.purpose,
        request_sha256=decision.request_sha256,
        packs=decision.digests,
        rules=tuple(RefusingRule(rule=denial.rule, cite=denial.citation) for denial in decision.denials),
        reason=None if decision.denials else refused.words,
        gallery=setting.gallery.uri,
        snapshot=setting.snapshot.seq,
    )
    open_store(refused.root, setting.config.s3).put(layout.REFUSAL, dump(record))
    return record
