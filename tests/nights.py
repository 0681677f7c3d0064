"""A gallery that grows night by night, with canaries, measured by every gate; a fault is a changed field."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.gallery.commits import PartFile
from facebatch.gallery.figures import GateFigure
from facebatch.gallery.gates import GateSpec, rates, reconcile
from facebatch.gallery.snapshots import SegmentEntry, ShardEntry, Snapshot
from facebatch.index.order import order_of
from facebatch.match.canaries import Canaries, CanarySpec, Night, canaries_of, measure
from facebatch.match.candidates import merge, to_table
from facebatch.match.scan import Gallery, scan
from facebatch.storage.parquet import embeddings
from synthetic import template_table, unit

DIM = 64
MATED, STRANGERS, BASE, PER_NIGHT = 40, 120, 200, 15
CANARY, GATES = CanarySpec(gallery="memory://canaries", threshold=0.6, length=10), GateSpec()


@dataclass(frozen=True)
class Segment:
    """Templates in the order of a segment, and which of its rows are masked."""

    members: pa.Table
    dead: frozenset[str] = frozenset()
    shift: int = 0
    """Planted fault: rows of the vectors are not those of the members."""

    def search(self, probes: pa.Table) -> pa.Table:
        order = order_of(self.members)
        dead = pc.is_in(self.members["template_id"], pa.array(sorted(self.dead), pa.string()))
        live = ~dead.to_numpy()
        vectors = np.roll(embeddings(self.members), self.shift, axis=0)
        hits = scan(embeddings(probes), Gallery(vectors, order.starts, order.template_rank, live), CANARY.match)
        return to_table(hits, probes["template_id"], self.members, 1)


@dataclass(frozen=True)
class World:
    """Everything a night is measured by. A fault is a changed field."""

    base: Segment
    delta: Segment
    new: pa.Table
    erased: frozenset[str] = frozenset()
    tonight: dict[str, int] = field(default_factory=lambda: {"ok": PER_NIGHT})

    def snapshot(self, old: int) -> tuple[Snapshot, Snapshot]:
        """The head and what is to be published; `old` of the templates were there before."""
        shards = [shard("old", {"ok": old, "no_face": old // 50}), shard("tonight", self.tonight)]
        rows = [len(segment.members) for segment in (self.base, self.delta)]
        dead = [part(len(segment.dead)) if segment.dead else None for segment in (self.base, self.delta)]
        facts = {"seq": 1, "parent": None, "run_id": "r", "created_at": datetime(2026, 1, 1, tzinfo=UTC), "model": "m"}
        segments = [
            SegmentEntry(segment_id=str(place), kind="Flat", rows=n, manifest_sha256="0" * 64, dead=mask)
            for place, (n, mask) in enumerate(zip(rows, dead, strict=True))
        ]
        tombstones = (part(len(self.erased)),) if self.erased else ()
        head = Snapshot(**facts, model_name="m", dim=DIM, shards=tuple(shards[:1]))
        changes = {"shards": tuple(shards), "segments": tuple(segments), "tombstones": tombstones}
        return head, head.model_copy(update=changes)

    def night(self) -> Night:
        enrolled = pa.concat_tables([self.base.members, self.delta.members]).combine_chunks()
        live = pc.invert(pc.is_in(enrolled["template_id"], pa.array(sorted(self.erased), pa.string())))

        def search(probes: pa.Table) -> pa.Table:
            return merge([segment.search(probes) for segment in (self.base, self.delta)], CANARY.length)

        return Night(search, enrolled.filter(live).combine_chunks(), self.new, exact=True)

    def figures(self, canaries: Canaries, history: list[tuple[GateFigure, ...]]) -> tuple[GateFigure, ...]:
        new = self.tonight["ok"]
        head, planned = self.snapshot(len(self.base.members) + len(self.delta.members) - new)
        counts = reconcile(planned, {"tonight": new})
        return (
            *counts,
            *rates(planned, head, history, GATES),
            *measure(canaries, self.night(), history, CANARY, GATES),
        )


Series = tuple[Canaries, list[tuple[GateFigure, ...]], World, np.random.Generator]


def part(rows: int) -> PartFile:
    return PartFile(key="k", sha256="0" * 64, size=1, rows=rows)


def shard(key: str, outcomes: dict[str, int]) -> ShardEntry:
    images = sum(outcomes.values())
    return ShardEntry(
        shard_key=key,
        shard_uri=f"mem://{key}",
        source="mem://",
        images=images,
        outcomes=outcomes,
        templates=part(outcomes["ok"]),
        ledger=part(images),
    )


def people(rng: np.random.Generator, n: int) -> np.ndarray:
    """Directions of n people; all share a part, as the faces that a network knows do."""
    common = np.zeros(DIM)
    common[0] = 0.6
    return common + rng.standard_normal((n, DIM)) / np.sqrt(DIM)


def photos(rng: np.random.Generator, who: np.ndarray) -> np.ndarray:
    return unit(who + 0.4 * rng.standard_normal(who.shape) / np.sqrt(DIM))


def enrol(rng: np.random.Generator, who: np.ndarray, first: int) -> pa.Table:
    ids = [f"s{first + number:05d}" for number in range(len(who))]
    return template_table(photos(rng, who), ids, prefix=f"t{first:05d}-")


def series(seed: int, nights: int) -> Series:
    """A gallery with canaries after some quiet nights: canaries, all figures, the last night."""
    rng = np.random.default_rng(seed)
    known, strangers = people(rng, BASE), people(rng, STRANGERS)
    base = Segment(enrol(rng, known, 0))
    probes = np.concatenate([photos(rng, known[:MATED]), photos(rng, strangers)])
    subjects = [*base.members["subject_id"].to_pylist()[:MATED], *[None] * STRANGERS]
    canaries = canaries_of(template_table(probes, subjects, prefix="c"), origin="canaries")
    world = World(base, Segment(base.members.slice(0, 0)), base.members)
    history: list[tuple[GateFigure, ...]] = []
    for _ in range(nights):
        world = grown(world, rng, people(rng, PER_NIGHT))
        world = replace(world, tonight={"ok": PER_NIGHT, "no_face": int(rng.binomial(PER_NIGHT, 0.02))})
        history.append(world.figures(canaries, history))
    return canaries, history, world, rng


def grown(world: World, rng: np.random.Generator, who: np.ndarray) -> World:
    new = enrol(rng, who, len(world.base.members) + len(world.delta.members))
    delta = pa.concat_tables([world.delta.members, new]).combine_chunks()
    return replace(world, delta=Segment(delta), new=new, tonight={"ok": len(who)})
