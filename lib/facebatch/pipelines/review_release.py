"""Whether what examiners agreed on may leave: decided again at that moment, by the packs, for this search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from facebatch.errors import ConfigError, ForbiddenError, StopError
from facebatch.gallery import snapshots
from facebatch.gallery.orders import read_orders
from facebatch.gallery.tombstones import joined, read_tables
from facebatch.governance import policy
from facebatch.governance.floor import FLOOR
from facebatch.governance.packs import PackSpec
from facebatch.governance.policy import Decision
from facebatch.pipelines.auditing import record_decision, record_export, refusal_recorded
from facebatch.pipelines.retention_deleted import require_undeleted
from facebatch.pipelines.retention_holds import Hold, held_by
from facebatch.pipelines.review_results import ReviewedResult
from facebatch.pipelines.review_searches import FinishedSearch
from facebatch.pipelines.search_request import stated_then
from facebatch.storage import layout
from facebatch.storage.documents import canonical_digest, dump
from facebatch.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Rules:
    """By what is decided."""

    packs: Sequence[PackSpec]
    holds: Sequence[Hold]
    """In force."""


@dataclass(frozen=True, slots=True)
class Released:
    """What of one search leaves."""

    results: tuple[ReviewedResult, ...]
    withheld: Mapping[str, str]
    """Why not, by probe."""
    decision: Decision


def require_unhindered(search: FinishedSearch, rules: Rules) -> None:
    """StopError where a hold keeps a search or its leads were deleted, ConfigError where packs of it are not given."""
    require_undeleted(search.folder, "leads")
    held = held_by(rules.holds, search.search_id, search.case)
    if held:
        raise StopError(
            f"search {search.search_id}: is under legal hold ({', '.join(held)}), and nothing of it is exported before "
            "`facebatch retention release`"
        )
    known = {pack.id for pack in rules.packs} | {FLOOR.id}
    missing = sorted(set(search.manifest.packs) - known)
    if missing:
        raise ConfigError(
            f"search {search.search_id}: packs {', '.join(missing)} decided it and are not given; name their files or "
            "folder with --policy.packs, for they decide again"
        )


def release(search: FinishedSearch, found: Sequence[ReviewedResult], rules: Rules, gallery: ObjectStore) -> Released:
    """Decide, record it, and put what leaves into the search's folder. ForbiddenError, which is recorded, where the
    packs do not allow it; StopError where its leads were deleted meanwhile.
    """
    request = search.manifest.request.model_copy(update={"action": "export"})
    stated = stated_then(search.folder, search.manifest.request, search.manifest.request_sha256)
    decision = policy.decide(request, rules.packs, datetime.now(UTC), stated)
    with refusal_recorded(gallery, decision):
        policy.require_allowed(decision)
    withheld = dict(_withheld(search, found, decision, gallery))
    kept = tuple(each for each in found if each.probe_id not in withheld)
    if kept:
        record_decision(gallery, decision)
        record_export(gallery, decision, search.search_id, [each.subject_id for each in kept if each.subject_id])
        _put(search.folder, kept)
    return Released(kept, withheld, decision)


def _withheld(
    search: FinishedSearch, found: Sequence[ReviewedResult], decision: Decision, gallery: ObjectStore
) -> list[tuple[str, str]]:
    wanted = max(search.reviewers, decision.obligations.reviewers or 0)
    templates, subjects = _erased(gallery)
    told = []
    for each in found:
        refusal = decision.refusals.of(each.probe_id)
        if refusal is not None:
            told.append((each.probe_id, f"refused by the policy packs: {refusal.reason}"))
        elif each.basis == "review" and each.examined < wanted:
            told.append((each.probe_id, f"{each.examined} of {wanted} examiners have looked"))
        elif each.template_id in templates or each.subject_id in subjects:
            told.append((each.probe_id, "the candidate was erased from the gallery since"))
    return told


def _erased(gallery: ObjectStore) -> tuple[frozenset[str | None], frozenset[str | None]]:
    """Templates and subjects that no search may find any more."""
    head = snapshots.head(gallery)
    if head is None:
        return frozenset(), frozenset()
    orders = read_orders(gallery, head.orders)
    templates = joined(read_tables(gallery, head.tombstones))["template_id"].to_pylist()
    return frozenset(templates) | frozenset(orders.of("template")), frozenset(orders.of("subject"))


def _put(folder: ObjectStore, kept: Sequence[ReviewedResult]) -> None:
    """Into the folder of the leads; taken out again where that was deleted at the same time."""
    keys = [layout.lead(canonical_digest(each.probe_id)[:24]) for each in kept]
    for key, each in zip(keys, kept, strict=True):
        folder.put(key, dump(each))
    try:
        require_undeleted(folder, "leads")
    except (StopError, ForbiddenError):
        for key in keys:
            folder.delete(key)
        raise
