"""The plan of a search: what a request is bound to, before anything of a probe is read."""

from collections.abc import Sequence
from dataclasses import replace

from facebatch.config import MatchConfig
from facebatch.errors import ConfigError, PlanError, StopError
from facebatch.faces.directions import directions
from facebatch.faces.models import ModelCard
from facebatch.faces.packs import find_pack, load_card
from facebatch.gallery import snapshots
from facebatch.gallery.commits import committed_keys
from facebatch.gallery.evaluation import check_current, threshold_for
from facebatch.gallery.snapshots import Snapshot
from facebatch.governance.policy import Decision
from facebatch.governance.tokens import Binding
from facebatch.images.records import ImageShard
from facebatch.images.shards import list_shards
from facebatch.images.source import SourceSpec
from facebatch.match.cells import block_size, shape_of
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import embed
from facebatch.pipelines.authorising import require_few, require_kept, require_true, sign
from facebatch.pipelines.embedding import RowsSpec
from facebatch.pipelines.grants import Grant, probe_set
from facebatch.pipelines.plan_match import expected_probes
from facebatch.pipelines.planned_centroid import planned_centroid
from facebatch.pipelines.probe_faces import probe_faces
from facebatch.pipelines.probe_facts import StatedProbes, read_probe_facts
from facebatch.pipelines.search import MatchPlan
from facebatch.storage import layout
from facebatch.storage.documents import canonical_digest
from facebatch.storage.open import open_store
from facebatch.storage.store import ObjectStore

ID_LENGTH = 24
"""Hex digits of a search id (96 bits)."""


def plan(config: MatchConfig, decision: Decision) -> MatchPlan:
    """Bind the request to snapshot and probe set, and settle the size of a probe block, which is part of the search.

    The token is issued here, for exactly these. ForbiddenError where the settings or the listed probes go beyond what
    the packs allow, or the request states what is not so.
    """
    gallery = open_store(config.gallery, config.s3)
    chosen = config.match.snapshot
    snapshot = snapshots.require_head(gallery) if chosen is None else snapshots.read(gallery, chosen)
    card = load_card(find_pack(config.model))
    check_searchable(snapshot, card)
    require_true(decision.request, snapshot)
    config = config.model_copy(update={"match": with_threshold(config.match, snapshot)})
    require_kept(decision.obligations, config.match)
    source = embed.whole_uri(config.probes, config.s3)
    stated = None if config.probe_facts is None else read_probe_facts(config.probe_facts, config.s3)
    rows = _rows(config, source, decision, stated, card.fingerprint)
    shards = list_shards(source, config.s3)
    require_few(decision, sum(len(shard.members) for shard in shards))  # those in archives are counted when read
    planned = bind(config, decision, snapshot, rows, shards)
    return planned if stated is None else replace(planned, probe_facts_sha256=stated.sha256)


def bind(
    config: MatchConfig, decision: Decision, snapshot: Snapshot, rows: RowsSpec, shards: list[ImageShard]
) -> MatchPlan:
    """The plan of a search whose settings and probes are settled, with its token."""
    gallery, card = open_store(config.gallery, config.s3), load_card(find_pack(config.model))
    listed = embed.plan(shards, frozenset(), rows, card.fingerprint)
    block = block_size(config.match, shape_of(snapshot, config.match, expected_probes(shards)))
    config = config.model_copy(update={"match": config.match.model_copy(update={"probe_block": block})})
    searched = [probe_set(listed.keys), gallery.uri, snapshot.seq, snapshot.content_sha256, card.fingerprint]
    search_id = _search_id(decision, searched, config.match)
    root = layout.below(open_store(config.results, config.s3).uri, search_id)
    committed = committed_keys(open_store(layout.below(root, "probes"), config.s3))
    probes = embed.plan(shards, committed, rows, card.fingerprint)
    binding = Binding(
        request=decision.request_sha256,
        packs=tuple(sorted(decision.digests.values())),
        results=root,
        probe_set=probe_set(listed.keys),
        gallery=gallery.uri,
        snapshot=snapshot.seq,
    )
    grant = Grant(sign(decision, binding, config.policy, gallery), binding, frozenset(listed.keys))
    return MatchPlan(config, search_id, root, snapshot, rows, probes, grant, card)


def _search_id(decision: Decision, searched: Sequence[object], spec: MatchSpec) -> str:
    """Digest of the request, of what is searched in what, and of the settings that change lists."""
    request = decision.request_sha256 if decision.stated else decision.request.model_dump(mode="json")
    settings = spec.model_dump(mode="json", include={"length", "floor", "probe_block"})
    if spec.since is not None:
        settings["since"] = spec.since
    return canonical_digest([request, *searched, settings])[:ID_LENGTH]


def _rows(
    config: MatchConfig, source: SourceSpec, decision: Decision, stated: StatedProbes | None, model: str
) -> RowsSpec:
    """With the crowd guard, without the probes that are refused, and with the faces that are designated."""
    points = {} if stated is None else stated.points
    return RowsSpec(
        source=source,
        decode=config.decode,
        model=config.model,
        faces=probe_faces(config.faces, decision.request, decision.obligations, designated=bool(points)),
        directions=directions(decision.refusals, points),
        centroid=planned_centroid(config.model, config.faces, model),
    )


def renew(planned: MatchPlan, decision: Decision, gallery: ObjectStore) -> MatchPlan:
    """The same search under a decision of this moment."""
    binding = replace(planned.grant.binding, packs=tuple(sorted(decision.digests.values())))
    token = sign(decision, binding, planned.config.policy, gallery)
    return replace(planned, grant=Grant(token, binding, planned.grant.shard_keys))


def check_searchable(snapshot: Snapshot, card: ModelCard) -> None:
    """StopError when the snapshot is of another model, empty, or not indexed."""
    if snapshot.model != card.fingerprint:
        raise StopError(
            f"snapshot {snapshot.seq} holds templates of model {snapshot.model_name} (dim {snapshot.dim}), the pack "
            f"is {card.name} (dim {card.dim}): similarities between two models mean nothing; use the gallery's pack"
        )
    if snapshot.templates == 0:
        raise StopError(f"snapshot {snapshot.seq} holds no template, so there is nothing to search")
    if not snapshot.indexed:
        raise PlanError(f"snapshot {snapshot.seq} is not indexed; run `facebatch index` first")


def with_threshold(spec: MatchSpec, snapshot: Snapshot) -> MatchSpec:
    """The settings with the published threshold as their floor, where they ask for an FPIR target.

    PlanError for a snapshot that may not be searched, or has no such threshold; ConfigError for a floor beside it.
    """
    where = f"snapshot {snapshot.seq}"
    if not spec.unevaluated:
        check_current(snapshot.evaluated, snapshot.templates, spec.grown_most, where=where)
    if spec.fpir is None:
        return spec
    if spec.floor is not None:
        raise ConfigError("match.fpir and match.floor both set where lists end; leave one of them out")
    return spec.model_copy(update={"floor": threshold_for(snapshot.evaluated, spec.fpir, where=where)})
