"""Canaries: held-out probes whose answer is known, searched in a gallery before it is published.

Mated canaries have a subject in the gallery, and must find it. Impostor canaries are a frozen set of strangers without
a subject, and must go on finding nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from facebatch.errors import CorruptError, StopError
from facebatch.gallery import drift, snapshots
from facebatch.gallery.commits import read_part
from facebatch.gallery.figures import GateFigure, History
from facebatch.gallery.gates import GateSpec
from facebatch.gallery.tombstones import joined, read_tables, without
from facebatch.images.source import SourceSpec
from facebatch.match import mates, strangers
from facebatch.match.settings import MatchSpec
from facebatch.spec import Spec
from facebatch.storage.digest import digest
from facebatch.storage.documents import canonical_digest
from facebatch.storage.parquet import embeddings, read_templates
from facebatch.storage.store import ObjectStore

Search = Callable[[pa.Table], pa.Table]
"""Templates to their merged `schemas.CANDIDATES`, through the segments and masks to be published. `probe_id` is the
template_id of the probe; a probe may come without candidates."""


class CanarySpec(Spec):
    """Which canaries, and how they are searched."""

    gallery: str
    """Root of a gallery of their own, embedded from held-out photos with the pack and settings of the gallery they
    watch. Mated canaries have a subject_id, that of their subject there; impostors have none. None of their photos is
    enrolled there, and no person of the impostors is."""
    threshold: float | None = Field(default=None, ge=-1, le=1)
    """Of the published leads; a candidate at or above it counts against an impostor. Absent: not measured."""
    length: int = Field(default=50, ge=1, le=10_000)
    """Of the candidate list on which a mate must be."""
    sample: int = Field(default=2000, ge=1)
    """Most new subjects that are compared with the impostors for drift, one template each."""
    photos: SourceSpec | None = None
    """The photos that canaries were embedded from, all or some: embedded again before anything else is. Image ids must
    come out as they did, so give the same root. Absent: not measured."""
    photos_least: float = Field(default=0.99, ge=-1, le=1)
    """Least similarity of each of them to its template."""

    @property
    def match(self) -> MatchSpec:
        """Settings of the search: un-thresholded, because the lowest place of a list is needed."""
        return MatchSpec(length=self.length)


@dataclass(frozen=True, slots=True)
class Canaries:
    """All canaries, in order of template_id."""

    mated: pa.Table
    impostors: pa.Table
    basis: str
    """Digest of the impostors: what figures measured with them have in common."""
    subjects: str
    """Digest of the subjects of the mated ones: the same subjects have their mates in the same template parts."""

    @property
    def probes(self) -> pa.Table:
        """All of them."""
        return pa.concat_tables([self.mated, self.impostors]).combine_chunks()


def read_canaries(store: ObjectStore, *, model: str) -> Canaries:
    """The live templates of the head of a gallery of canaries; `model` is the fingerprint of the gallery they watch.

    StopError when they are of another model or there is none, NotFoundError without a snapshot, CorruptError for a part
    that is missing or damaged.
    """
    head = snapshots.require_head(store)
    if head.model != model:
        raise StopError(
            f"{store.uri}: snapshot {head.seq} holds canaries of model {head.model_name}, which is not the model of "
            "this run; embed them again with its pack"
        )
    if head.templates == 0:
        raise StopError(f"{store.uri}: snapshot {head.seq} holds no canary; embed photos there, or leave canaries out")
    parts = [shard.templates for shard in head.shards if shard.templates.rows]
    tables = [read_templates(read_part(store, part), f"{store.uri}/{part.key}") for part in parts]
    erased = joined(read_tables(store, head.tombstones))["template_id"].combine_chunks()
    return canaries_of(without(pa.concat_tables(tables), erased), origin=store.uri)


def canaries_of(stored: pa.Table, *, origin: str) -> Canaries:
    """The canaries in `schemas.templates`, in any order. CorruptError naming `origin` for one that is there twice."""
    table = stored.sort_by("template_id").combine_chunks()
    if pc.count_distinct(table["template_id"]).as_py() != table.num_rows:
        raise CorruptError(f"{origin}: a template_id occurs twice among the canaries; embed each photo from one source")
    stranger = pc.is_null(table["subject_id"])
    mated, impostors = (table.filter(rows).combine_chunks() for rows in (pc.invert(stranger), stranger))
    ids = "\n".join(impostors["template_id"].to_pylist()).encode()
    return Canaries(
        mated=mated,
        impostors=impostors,
        basis=digest(ids + b"\n" + embeddings(impostors).astype("<f2").tobytes())[:16],
        subjects=canonical_digest(sorted(set(mated["subject_id"].to_pylist())))[:16],
    )


@dataclass(frozen=True, slots=True)
class Night:
    """What a snapshot, not yet published, is measured by."""

    search: Search
    enrolled: pa.Table
    """Live templates of at least all subjects of the mated canaries, read from template parts and not from segments."""
    new: pa.Table
    """Live templates of shards that are new or changed since the parent snapshot; at least those that
    `strangers.sampled` takes of them."""
    exact: bool
    """Whether `search` promises exact lists."""
    parts: tuple[str, ...] = ()
    """sha256 of the template parts that hold `enrolled`."""


def measure(
    canaries: Canaries, night: Night, history: History, canary: CanarySpec, spec: GateSpec
) -> tuple[GateFigure, ...]:
    """All figures that need canaries. CorruptError when `search` names a probe that it was not asked for."""
    asked = canaries.probes
    found = night.search(asked)
    unknown = pc.filter(found["probe_id"], pc.invert(pc.is_in(found["probe_id"], asked["template_id"])))
    if len(unknown):
        raise CorruptError(f"candidates of {unknown[0].as_py()!r}, which is the template_id of no canary")
    best = mates.mate_similarities(canaries.mated, night.enrolled)
    recall = mates.mated_recall(canaries.mated, best, found, exact=night.exact, length=canary.length, spec=spec)
    return (
        recall.model_copy(update={"basis": canaries.subjects, "parts": night.parts}),
        _impostor_share(canaries, found, history, canary.threshold, spec),
        _drift(canaries, night.new, history, canary.sample, spec),
    )


def without_canaries() -> tuple[GateFigure, ...]:
    """The figures of a gallery without canaries: none is measured, and each says so."""
    return tuple(_not_measured(name, "no canaries are given") for name in (mates.NAME, strangers.NAME, drift.NAME))


def _impostor_share(
    canaries: Canaries, found: pa.Table, history: History, threshold: float | None, spec: GateSpec
) -> GateFigure:
    if canaries.impostors.num_rows == 0:
        return _not_measured(strangers.NAME, "no impostor canaries are given")
    if threshold is None:
        return _not_measured(strangers.NAME, "no threshold is given")
    return strangers.impostor_share(canaries.impostors, found, canaries.basis, history, threshold=threshold, spec=spec)


def _drift(canaries: Canaries, new: pa.Table, history: History, sample: int, spec: GateSpec) -> GateFigure:
    if canaries.impostors.num_rows == 0:
        return _not_measured(drift.NAME, "no impostor canaries are given")
    tonight = strangers.similarity_histogram(canaries.impostors, new, sample)
    return drift.drift(tonight, history, canaries.basis, spec)


def _not_measured(name: str, words: str) -> GateFigure:
    return GateFigure(name=name, passed=None, words=words)
