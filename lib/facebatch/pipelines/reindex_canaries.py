"""The canaries of a night: read before anything is embedded, and searched in what is about to be published."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from facebatch import schemas
from facebatch.config import ReindexConfig
from facebatch.errors import ConfigError, NotFoundError, StopError
from facebatch.gallery import snapshots
from facebatch.gallery.commits import PartFile, read_part
from facebatch.gallery.figures import GateFigure
from facebatch.gallery.gates import GateSpec, new_shards
from facebatch.gallery.history import Measured, measured
from facebatch.gallery.snapshots import Snapshot
from facebatch.gallery.tombstones import joined, read_tables, without
from facebatch.match import mates
from facebatch.match.canaries import Canaries, CanarySpec, Night, measure, read_canaries, without_canaries
from facebatch.match.strangers import sampled
from facebatch.pipelines.canary_search import check_listed, search
from facebatch.pipelines.reindex_segments import Builder
from facebatch.storage.open import open_store
from facebatch.storage.parquet import read_templates
from facebatch.storage.store import ObjectStore

READERS = 8
"""Parts in memory at a time."""
COLUMNS = ["template_id", "subject_id", "embedding"]


@dataclass(frozen=True, slots=True)
class PartPlan:
    """Which template parts of a snapshot are read for its canaries."""

    mates: frozenset[str]
    """sha256 of those in which mates of the canaries may be."""
    new: frozenset[str]
    """sha256 of those of shards that are new or changed since the parent: embedded since. Not those that were only
    purged."""

    @property
    def parts(self) -> frozenset[str]:
        """All of them."""
        return self.mates | self.new


@dataclass(frozen=True, slots=True)
class Rows:
    """Live templates, COLUMNS of them."""

    enrolled: pa.Table
    """Of the subjects of the mated canaries."""
    new: pa.Table
    """The `sampled` of new and changed shards."""
    holding: tuple[str, ...]
    """sha256 of the parts with templates of these subjects, erased ones too: a rollback may bring them back. Sorted."""


def open_canaries(config: ReindexConfig, store: ObjectStore, model: str) -> Canaries | None:
    """The canaries that the config names, None where it names none; errors as in `read_canaries`.

    ConfigError when they are in the gallery they are to watch; PlanError when they are too many.
    """
    if config.canaries is None:
        return None
    own = open_store(config.canaries.gallery, config.s3)
    if own.uri == store.uri:
        raise ConfigError(
            f"canaries.gallery: {own.uri} is the gallery that is reindexed; embed the canaries into one of their own"
        )
    try:
        canaries = read_canaries(own, model=model)
    except NotFoundError as error:
        raise NotFoundError(f"canaries.gallery: {error}") from None
    check_listed(len(canaries.probes), config.canaries.length)
    return canaries


def describe_canaries(
    store: ObjectStore, head: Snapshot | None, canaries: Canaries | None, config: ReindexConfig
) -> Mapping[str, Any]:
    """Figures for a dry run; `canary_parts_to_read` are of the head, besides the parts that come in."""
    if canaries is None:
        return {"canaries_mated": None, "canaries_impostors": None, "canary_parts_to_read": 0}
    past = earlier(store, head, config.gates)
    planned = plan_parts(store, head, head, past, canaries) if head else PartPlan(frozenset(), frozenset())
    return {
        "canaries_mated": canaries.mated.num_rows,
        "canaries_impostors": canaries.impostors.num_rows,
        "canary_parts_to_read": len(planned.parts),
    }


def canary_figures(
    canaries: Canaries | None,
    snapshot: Snapshot,
    parent: Snapshot | None,
    past: Sequence[Measured],
    builder: Builder,
) -> tuple[GateFigure, ...]:
    """The figures of `match.canaries` for a snapshot that is stored and not published. Nothing is written.

    All segments are read, as `search` says, and the template parts of `plan_parts`. StopError naming a canary whose
    photo is enrolled.
    """
    spec = builder.config.canaries
    if canaries is None or spec is None:
        return without_canaries()
    planned = plan_parts(builder.store, snapshot, parent, past, canaries)
    rows = read_rows(builder.store, snapshot, planned, canaries, spec)
    night = Night(
        search=lambda probes: search(probes, snapshot, spec.match, builder),
        enrolled=rows.enrolled,
        new=rows.new,
        exact=True,
        parts=rows.holding,
    )
    return measure(canaries, night, [before.gates for before in past], spec, builder.config.gates)


def earlier(store: ObjectStore, parent: Snapshot | None, spec: GateSpec) -> list[Measured]:
    """What a night is compared with: the latest snapshots up to its parent. Some measured nothing, hence twice."""
    return measured(store, parent.seq, 2 * spec.nights_most) if parent else []


def plan_parts(
    store: ObjectStore, snapshot: Snapshot, parent: Snapshot | None, past: Sequence[Measured], canaries: Canaries
) -> PartPlan:
    """Which parts to read: those of new and changed shards, and those that may hold mates of the canaries.

    Neither segments nor listings say in which part a subject is, and a segment that lost a mate must not be asked. So
    the figure of a night names the parts in which it found the mates, and the next night reads these and the parts that
    have come since: at most as many as there are mates, and what was embedded. All parts are read, once, when canaries
    are new or are of other subjects. Parts never change, so nothing that was looked at can become a mate.
    """
    live = frozenset(shard.templates.sha256 for shard in snapshot.shards if shard.templates.rows)
    fresh = new_shards(snapshot, parent) if canaries.impostors.num_rows else ()
    new = live & {shard.templates.sha256 for shard in fresh}
    if canaries.mated.num_rows == 0:
        return PartPlan(frozenset(), new)
    last = _last_of(past, canaries)
    if last is None:
        return PartPlan(live, new)
    seq, figure = last
    seen = _parts_of(parent if parent and parent.seq == seq else snapshots.read(store, seq))
    return PartPlan((live - seen) | (live & frozenset(figure.parts)), new)


def read_rows(store: ObjectStore, snapshot: Snapshot, planned: PartPlan, canaries: Canaries, spec: CanarySpec) -> Rows:
    """The rows without a tombstone of the planned parts, READERS parts at a time."""
    reader = _Reader(
        store, canaries, joined(read_tables(store, snapshot.tombstones))["template_id"].combine_chunks(), planned.new
    )
    parts = [shard.templates for shard in snapshot.shards if shard.templates.sha256 in planned.parts]
    empty = schemas.templates(snapshot.dim).empty_table().select(COLUMNS)
    enrolled, new, holding = [empty], empty, []
    with ThreadPoolExecutor(READERS, thread_name_prefix="canaries") as pool:
        for begin in range(0, len(parts), READERS):
            found = list(pool.map(reader, parts[begin : begin + READERS]))
            enrolled += [rows.enrolled for rows in found if rows.holding]
            new = sampled(pa.concat_tables([new, *(rows.new for rows in found)]), spec.sample)
            holding += [sha256 for rows in found for sha256 in rows.holding]
    return Rows(pa.concat_tables(enrolled).combine_chunks(), new, tuple(sorted(holding)))


@dataclass(frozen=True, slots=True)
class _Reader:
    """What of one part is wanted."""

    store: ObjectStore
    canaries: Canaries
    erased: pa.Array
    new: frozenset[str]

    def __call__(self, part: PartFile) -> Rows:
        """Its rows. StopError when one of them is of a canary's photo."""
        table = read_templates(read_part(self.store, part), f"{self.store.uri}/{part.key}")
        live = without(table, self.erased)
        require_held_out(self.canaries, live, f"{self.store.uri}/{part.key}")
        subjects = self.canaries.mated["subject_id"].combine_chunks()
        mine = pc.any(pc.is_in(table["subject_id"], value_set=subjects), min_count=0).as_py()
        return Rows(
            enrolled=live.filter(pc.is_in(live["subject_id"], value_set=subjects)).select(COLUMNS),
            new=live.select(COLUMNS) if part.sha256 in self.new else live.select(COLUMNS).slice(0, 0),
            holding=(part.sha256,) if mine else (),
        )


def require_held_out(canaries: Canaries, live: pa.Table, origin: str) -> None:
    """StopError naming the first canary whose photo is enrolled in these rows: the same bytes, or under the same
    image_id for the same subject. It would find itself, whatever became of the index.
    """
    for probes, keys in ((canaries.probes, ["image_sha256"]), (canaries.mated, ["subject_id", "image_id"])):
        mine, theirs = (_joined_text(table, keys) for table in (probes, live))
        hits = probes.filter(pc.is_in(mine, value_set=theirs))
        if hits.num_rows:
            raise StopError(
                f"canary {hits['template_id'][0].as_py()} is no held-out photo: {origin} has it enrolled; embed the "
                "canaries without it, or delete it there"
            )


def _joined_text(table: pa.Table, keys: Sequence[str]) -> pa.Array:
    """One text per row; null where a key is."""
    return pc.binary_join_element_wise(*(table[key] for key in keys), "\x00").combine_chunks()


def _parts_of(snapshot: Snapshot) -> frozenset[str]:
    return frozenset(shard.templates.sha256 for shard in snapshot.shards)


def _last_of(past: Sequence[Measured], canaries: Canaries) -> tuple[int, GateFigure] | None:
    """The latest snapshot that was measured with canaries of these subjects, and the figure of their mates."""
    told = ((night.seq, figure) for night in reversed(past) for figure in night.gates)
    return next(((seq, f) for seq, f in told if (f.name, f.basis) == (mates.NAME, canaries.subjects)), None)
