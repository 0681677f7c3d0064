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
from facebatch.gallery import drift
from facebatch.gallery.figures import GateFigure, History
from facebatch.gallery.gates import GateSpec
from facebatch.match import mates, strangers
from facebatch.match.settings import MatchSpec
from facebatch.spec import Spec
from facebatch.storage.digest import digest
from facebatch.storage.parquet import embeddings, read_templates
from facebatch.storage.tables import model_of

Search = Callable[[pa.Table], pa.Table]
"""Templates to their merged `schemas.CANDIDATES`, through the segments and masks to be published. `probe_id` is the
template_id of the probe; a probe may come without candidates."""


class CanarySpec(Spec):
    """Which canaries, and how they are searched."""

    file: str
    """URI of a Parquet file of `schemas.templates` by the gallery's model: mated canaries with a subject_id, impostors
    without. Held out: none of their images is enrolled, and no person of the impostors is."""
    threshold: float | None = Field(default=None, ge=-1, le=1)
    """Of the published leads; a candidate at or above it counts against an impostor. Absent: not measured."""
    length: int = Field(default=50, ge=1, le=10_000)
    """Of the candidate list on which a mate must be."""
    sample: int = Field(default=2000, ge=1)
    """Most new subjects that are compared with the impostors for drift, one template each."""

    @property
    def match(self) -> MatchSpec:
        """Settings of the search: un-thresholded, because the lowest place of a list is needed."""
        return MatchSpec(length=self.length)


@dataclass(frozen=True, slots=True)
class Canaries:
    """A file of canaries, in order of template_id."""

    mated: pa.Table
    impostors: pa.Table
    basis: str
    """Digest of the impostors: what figures measured with them have in common."""


def read_canaries(data: bytes, *, origin: str, model: str) -> Canaries:
    """The canaries in a file. StopError when they were made by another model, CorruptError for other damage."""
    stored = read_templates(data, origin)
    made_by = model_of(stored)
    if made_by != model:
        raise StopError(f"{origin}: canaries of model {made_by}, the gallery has {model}; embed them with that model")
    table = stored.sort_by("template_id").combine_chunks()
    if pc.count_distinct(table["template_id"]).as_py() != table.num_rows:
        raise CorruptError(f"{origin}: a template_id occurs twice among the canaries; make the file anew")
    stranger = pc.is_null(table["subject_id"])
    impostors = table.filter(stranger).combine_chunks()
    ids = "\n".join(impostors["template_id"].to_pylist()).encode()
    return Canaries(
        mated=table.filter(pc.invert(stranger)).combine_chunks(),
        impostors=impostors,
        basis=digest(ids + b"\n" + embeddings(impostors).astype("<f2").tobytes())[:16],
    )


@dataclass(frozen=True, slots=True)
class Night:
    """What a snapshot, not yet published, is measured by."""

    search: Search
    enrolled: pa.Table
    """Live templates of at least all subjects of the mated canaries, read from template parts and not from segments."""
    new: pa.Table
    """Live templates that came in since the parent snapshot."""
    exact: bool
    """Whether `search` promises exact lists."""


def measure(
    canaries: Canaries, night: Night, history: History, canary: CanarySpec, spec: GateSpec
) -> tuple[GateFigure, ...]:
    """All figures that need canaries. CorruptError when `search` names a probe that it was not asked for."""
    asked = pa.concat_tables([canaries.mated, canaries.impostors]).combine_chunks()
    found = night.search(asked)
    unknown = pc.filter(found["probe_id"], pc.invert(pc.is_in(found["probe_id"], asked["template_id"])))
    if len(unknown):
        raise CorruptError(f"candidates of {unknown[0].as_py()!r}, which is the template_id of no canary")
    best = mates.mate_similarities(canaries.mated, night.enrolled)
    return (
        mates.mated_recall(canaries.mated, best, found, exact=night.exact, length=canary.length, spec=spec),
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
