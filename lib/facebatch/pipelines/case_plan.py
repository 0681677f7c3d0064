"""The plan of a run of cases: each is decided by itself, and bound to snapshot and probes, before a medium is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facebatch.cases.bands import Band, BandSpec, published_limits
from facebatch.cases.manifest import MAX_BYTES, CaseSpec, parse_cases, request_of
from facebatch.cases.media import list_probe, unread
from facebatch.cases.probes import SEARCHED, JoinSpec
from facebatch.config import CasesConfig, MatchConfig
from facebatch.errors import ForbiddenError
from facebatch.faces.directions import Directions, directions
from facebatch.faces.models import ModelCard
from facebatch.faces.packs import find_pack, load_card
from facebatch.faces.tracks import TrackSpec
from facebatch.gallery import snapshots
from facebatch.gallery.snapshots import Snapshot
from facebatch.governance import policy
from facebatch.governance.obligations import Obligations
from facebatch.governance.packs import PackSpec
from facebatch.governance.policy import Decision
from facebatch.images.source import SourceSpec
from facebatch.images.video import VideoSpec
from facebatch.match.settings import MatchSpec
from facebatch.pipelines.authorising import require_few, require_kept, require_true, sign
from facebatch.pipelines.embedding import RowsSpec
from facebatch.pipelines.grants import Grant
from facebatch.pipelines.planned_centroid import planned_centroid
from facebatch.pipelines.policy_files import read_packs
from facebatch.pipelines.probe_faces import probe_faces
from facebatch.pipelines.search import MatchPlan
from facebatch.pipelines.search_plan import ID_LENGTH, bind, check_searchable, with_threshold
from facebatch.storage import layout
from facebatch.storage.documents import canonical_digest
from facebatch.storage.open import open_store, split_object
from facebatch.storage.store import ObjectStore

NOT_APPROVED = (
    "everybody in a video is searched for only where somebody approves of it; name who does in request.approver, or "
    "designate one face"
)


class CaseRowsSpec(RowsSpec):
    """All settings that change what a probe's media become."""

    video: VideoSpec
    tracks: TrackSpec
    join: JoinSpec

    def key_part(self) -> Mapping[str, Any]:
        """See `RowsSpec.key_part`."""
        told = {name: getattr(self, name).model_dump(mode="json") for name in ("video", "tracks", "join")}
        return {**super().key_part(), **told}


@dataclass(frozen=True, slots=True)
class Setting:
    """What all cases of a run have in common."""

    config: CasesConfig
    cases_uri: str
    gallery: ObjectStore
    snapshot: Snapshot
    card: ModelCard
    packs: Sequence[PackSpec]
    match: MatchSpec
    """With the lowest threshold of any band as its floor."""
    bands: BandSpec
    thresholds: Mapping[Band, float]
    """Where lists of a band end; empty: all end at `match.floor`."""

    @property
    def searched(self) -> tuple[Band, ...]:
        """Bands whose probes are searched: where lists end by band, those that have a threshold."""
        return tuple(band for band in SEARCHED if band in self.thresholds or not self.thresholds)

    def refreshed(self) -> "Setting":
        """With the policy packs as their files are now."""
        return replace(self, packs=all_packs(self.config))

    def decide(self, case: CaseSpec) -> Decision:
        """The decision of this moment about a case."""
        return policy.decide(request_of(self.config.request, case), self.packs, datetime.now(UTC), case.stated)


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """A case that may be searched."""

    case: CaseSpec
    decision: Decision
    search: MatchPlan


@dataclass(frozen=True, slots=True)
class RefusedCase:
    """A case of which nothing is read."""

    case: CaseSpec
    decision: Decision
    search_id: str
    root: str
    words: str
    """Why, each denial on a line."""


def prepare(config: CasesConfig) -> tuple[Setting, tuple[CaseSpec, ...]]:
    """What the run is bound to, and its cases. ConfigError, PlanError or StopError before a case is looked at."""
    folder, key = split_object(config.cases)
    store = open_store(folder, config.s3)
    uri = f"{store.uri}/{key}"
    cases = parse_cases(store.get(key, max_bytes=MAX_BYTES + 1), uri)
    gallery = open_store(config.gallery, config.s3)
    chosen = config.match.snapshot
    snapshot = snapshots.require_head(gallery) if chosen is None else snapshots.read(gallery, chosen)
    card = load_card(find_pack(config.model))
    check_searchable(snapshot, card)
    bands = published_limits(snapshot.evaluated)
    match = with_threshold(config.match, snapshot)
    thresholds = _thresholds(config.match, snapshot)
    if thresholds:
        match = match.model_copy(update={"floor": min(thresholds.values())})
    packs = all_packs(config)
    setting = Setting(config, uri, gallery, snapshot, card, packs, match, bands or config.join.bands, thresholds)
    return setting, cases


def all_packs(config: CasesConfig) -> list[PackSpec]:
    """Those of the config's files. ConfigError for one that cannot be read."""
    return [pack for path in config.policy.packs for pack in read_packs(Path(path))]


def plan_case(setting: Setting, case: CaseSpec, since: int | None = None) -> PlannedCase | RefusedCase:
    """Decide a case, and bind it where it is allowed: only then is anything asked about its media. `since` limits the
    search to what is new since that snapshot.
    """
    decision = setting.decide(case)
    source = SourceSpec(uri=f"{setting.cases_uri}#{case.case_id}", kind="manifest")
    try:
        policy.require_allowed(decision)
        require_true(decision.request, setting.snapshot)
        require_few(decision, len(case.probes))
        match = kept(setting.match, decision.obligations).model_copy(update={"since": since})
        require_kept(decision.obligations, match)
        rows = _rows(setting, case, decision, source)
    except ForbiddenError as error:
        return _refused(setting, case, decision, str(error))
    shards = [
        list_probe(case, probe, setting.cases_uri, setting.config.s3)
        if rows.directions.refusal(probe.probe_id) is None
        else unread(probe, case)
        for probe in case.probes
    ]
    config = _as_search(setting, source, decision, match)
    return PlannedCase(case, decision, bind(config, decision, setting.snapshot, rows, shards))


def kept(match: MatchSpec, asked: Obligations) -> MatchSpec:
    """With lists as short as the packs of one case oblige them to be: another case of the run may have longer ones."""
    most = asked.max_candidates
    return match if most is None or match.length <= most else match.model_copy(update={"length": most})


def renew(setting: Setting, planned: PlannedCase) -> PlannedCase | RefusedCase:
    """The same case under a decision of this moment; refused where it no longer is as the search was planned."""
    decision = setting.decide(planned.case)
    try:
        policy.require_allowed(decision)
        require_kept(decision.obligations, planned.search.config.match)
        _require_same_probes(decision, planned.decision)
    except ForbiddenError as error:
        return _refused(setting, planned.case, decision, str(error))
    binding = replace(planned.search.grant.binding, packs=tuple(sorted(decision.digests.values())))
    token = sign(decision, binding, setting.config.policy, setting.gallery)
    grant = Grant(token, binding, planned.search.grant.shard_keys)
    return replace(planned, decision=decision, search=replace(planned.search, grant=grant))


def _require_same_probes(decision: Decision, since: Decision) -> None:
    if decision.refusals.beyond(since.refusals):
        raise ForbiddenError(
            "the policy packs now refuse probes that they allowed when the case was planned; run the cases again, "
            "which leaves those out"
        )


def _as_search(setting: Setting, source: SourceSpec, decision: Decision, match: MatchSpec) -> MatchConfig:
    """What `match` would be asked for the same search; its probes are the case's."""
    config = setting.config
    return MatchConfig(
        gallery=config.gallery,
        results=config.results,
        request=decision.request,
        policy=config.policy,
        probes=source,
        decode=config.decode,
        model=config.model,
        faces=config.faces,
        match=match,
        run=config.run,
        s3=config.s3,
    )


def _rows(setting: Setting, case: CaseSpec, decision: Decision, source: SourceSpec) -> CaseRowsSpec:
    config = setting.config
    faces = config.faces.model_copy(update={"keep": "designated"})
    return CaseRowsSpec(
        centroid=planned_centroid(config.model, config.faces, setting.card.fingerprint),
        source=source,
        decode=config.decode,
        model=config.model,
        faces=probe_faces(faces, decision.request, decision.obligations, designated=True),
        directions=_directions(case, decision),
        video=config.video,
        tracks=config.tracks,
        join=config.join.model_copy(update={"bands": setting.bands, "searched": setting.searched}),
    )


def _directions(case: CaseSpec, decision: Decision) -> Directions:
    """Which probes are refused: by the packs, and scans of videos that nobody approved of."""
    decided = directions(decision.refusals, {})
    if (decision.request.approver or "").strip():
        return decided
    scans = {
        probe.probe_id: decided.refusal(probe.probe_id) or NOT_APPROVED for probe in case.probes if probe.everybody
    }
    return Directions({**decided.refused, **scans}, decided.others)


def _refused(setting: Setting, case: CaseSpec, decision: Decision, words: str) -> RefusedCase:
    asked = [decision.request_sha256, case.model_dump(mode="json"), setting.gallery.uri, setting.snapshot.seq]
    refused_id = canonical_digest(["refused", *asked])[:ID_LENGTH]
    root = layout.below(open_store(setting.config.results, setting.config.s3).uri, refused_id)
    return RefusedCase(case, decision, refused_id, root, words)


def _thresholds(match: MatchSpec, snapshot: Snapshot) -> dict[Band, float]:
    """By band, of those that were published for the FPIR target; empty where none is asked for."""
    published = snapshot.evaluated.bands if snapshot.evaluated else ()
    return {
        each.band: each.threshold
        for each in published
        if match.fpir is not None and each.fpir == match.fpir and each.band in SEARCHED
    }
