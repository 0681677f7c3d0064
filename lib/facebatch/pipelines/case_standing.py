"""Standing cases: searched again in what is new since they were last, probe by probe, and never in the same twice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from facebatch.cases.manifest import CaseSpec
from facebatch.gallery.commits import find, put_first
from facebatch.gallery.history import numbers
from facebatch.pipelines.case_plan import PlannedCase, RefusedCase, Setting, plan_case
from facebatch.pipelines.case_search import SearchedCase
from facebatch.pipelines.retention_holds import case_digest
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.documents import canonical_digest
from facebatch.storage.store import ObjectStore


class StandingRecord(Spec):
    """Up to which snapshot probes of a case were compared with everything, by one search or by several."""

    format_version: int = FORMAT_VERSION
    search_id: str
    gallery: str
    model: str
    snapshot: int
    settings: str
    """Digest of what decides where lists end: with other settings, what was searched may be listed now."""
    probes: dict[str, str]
    """Key of the media of each probe, by probe id."""


@dataclass(frozen=True, slots=True)
class UnchangedCase:
    """A standing case, or the probes of one, for which nothing came into the gallery since the last time."""

    case: CaseSpec
    since: int


def plan_standing(
    setting: Setting, results: ObjectStore, planned: PlannedCase
) -> list[PlannedCase | RefusedCase | UnchangedCase]:
    """The same case, its probes apart by the snapshot up to which they were searched before: what is new since then for
    each, everything for new probes, and for those whose last snapshot is not kept any more.
    """
    known = _last(setting, read_records(results, planned.case.case_id), set(numbers(setting.gallery)))
    keys = dict(zip((probe.probe_id for probe in planned.case.probes), planned.search.probes.keys, strict=True))
    by_since: dict[int | None, list[str]] = {}
    for probe, key in keys.items():
        by_since.setdefault(known.get((probe, key)), []).append(probe)
    if list(by_since) == [None]:
        return [planned]
    return [
        _part(setting, planned.case, frozenset(probes), since)
        for since, probes in sorted(by_since.items(), key=lambda each: each[0] or 0)
    ]


def read_records(results: ObjectStore, case_id: str) -> list[StandingRecord]:
    """All records of a case, by snapshot."""
    keys = sorted(info.key for info in results.list(layout.standing(case_digest(case_id))))
    found = (find(results, key, StandingRecord) for key in keys)
    return [record for record in found if record is not None]


def record_standing(setting: Setting, results: ObjectStore, searched: SearchedCase) -> None:
    """That the probes of a searched case are done up to this snapshot. Put after the certificate: a run that was killed
    in between searches the same again.
    """
    search = searched.planned.search
    ids = (probe.probe_id for probe in searched.planned.case.probes)
    record = StandingRecord(
        search_id=search.search_id,
        gallery=setting.gallery.uri,
        model=search.card.fingerprint,
        snapshot=search.snapshot.seq,
        settings=_settings(setting),
        probes=dict(zip(ids, search.probes.keys, strict=True)),
    )
    case = case_digest(searched.planned.case.case_id)
    put_first(results, layout.standing_record(case, record.snapshot, record.search_id), record)


def _last(setting: Setting, records: Iterable[StandingRecord], kept: set[int]) -> Mapping[tuple[str, str], int]:
    """The newest snapshot that each probe, by id and key, was searched up to, of those that are kept."""
    ours = (setting.gallery.uri, setting.card.fingerprint, _settings(setting))
    found: dict[tuple[str, str], int] = {}
    for record in records:
        is_ours = (record.gallery, record.model, record.settings) == ours
        if is_ours and record.snapshot in kept and record.snapshot <= setting.snapshot.seq:
            for probe in record.probes.items():
                found[probe] = max(record.snapshot, found.get(probe, 0))
    return found


def _part(
    setting: Setting, case: CaseSpec, probes: frozenset[str], since: int | None
) -> PlannedCase | RefusedCase | UnchangedCase:
    part = case.model_copy(update={"probes": tuple(probe for probe in case.probes if probe.probe_id in probes)})
    if since == setting.snapshot.seq:
        return UnchangedCase(part, since)
    return plan_case(setting, part, since)


def _settings(setting: Setting) -> str:
    spec = setting.match.model_dump(mode="json", include={"length", "floor", "fpir"})
    return canonical_digest([spec, dict(setting.thresholds), setting.bands.model_dump(mode="json")])
