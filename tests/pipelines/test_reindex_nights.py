"""Many nights over synthetic templates, against a model of the gallery in plain sets."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.config import ReindexConfig
from facebatch.faces.models import ModelCard
from facebatch.gallery import snapshots
from facebatch.gallery.commits import put_part
from facebatch.gallery.deletions import Deletion, DeletionRequest
from facebatch.gallery.masks import read_live
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.gallery.template_ids import TemplateIds
from facebatch.gallery.tombstones import after_embed
from facebatch.images.source import SourceSpec
from facebatch.index.compact import CompactSpec
from facebatch.index.spec import IndexSpec
from facebatch.pipelines.composing import compose, next_snapshot
from facebatch.pipelines.masking import read_members
from facebatch.pipelines.reindex_erase import Wanted
from facebatch.pipelines.reindex_report import Content
from facebatch.pipelines.reindex_segments import Builder
from facebatch.runtime.open import open_executor
from facebatch.schemas import LEDGER
from facebatch.storage.documents import canonical_digest
from facebatch.storage.memory import MemoryStore
from facebatch.storage.parquet import write_table
from synthetic import template_table, unit
from worlds import LOCAL, QUIET

DIM, AMPLE = 4, 10_000
IMAGES = [f"i{number}" for number in range(8)]
COUNT = itertools.count()


def subject_of(image: str) -> str:
    """Two images a subject."""
    return f"s{int(image[1:]) // 2}"


def shard_of(image: str) -> int:
    """Neighbours in a shard are not of one subject."""
    return int(image[1:]) % 3


@dataclass
class Night:
    """What happens before a run, and how it runs."""

    changed: set[str]
    listed: set[str]
    deleted: set[tuple[str, str]]
    budget: int
    by_embed: bool


NIGHTS = st.lists(
    st.builds(
        Night,
        changed=st.sets(st.sampled_from(IMAGES), max_size=1),
        listed=st.sets(st.sampled_from(IMAGES), max_size=2).map(lambda absent: set(IMAGES) - absent),
        deleted=st.sets(
            st.one_of(
                st.tuples(st.just("image"), st.sampled_from(IMAGES)),
                st.tuples(st.just("subject"), st.sampled_from(sorted({subject_of(image) for image in IMAGES}))),
                st.tuples(st.just("template"), st.sampled_from([f"{image}v0" for image in IMAGES])),
            ),
            max_size=1,
        ),
        budget=st.sampled_from([0, 3, AMPLE]),
        by_embed=st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=6,
)


@dataclass
class Gallery:
    """The real one, and beside it the model."""

    store: MemoryStore
    versions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(IMAGES, 0))
    head: Snapshot | None = None
    gone: set[str] = field(default_factory=set)
    """Deleted templates."""
    people: set[str] = field(default_factory=set)
    """Deleted subjects."""

    def template(self, image: str) -> str:
        return f"{image}v{self.versions[image]}"

    def shards(self, listed: set[str]) -> tuple[ShardEntry, ...]:
        """The source's shards: as in the head where nothing changed."""
        entries = []
        for number in range(3):
            images = sorted(image for image in listed if shard_of(image) == number)
            if images:
                entries.append(self.shard(number, images))
        return tuple(entries)

    def shard(self, number: int, images: list[str]) -> ShardEntry:
        ids = [self.template(image) for image in images]
        key = canonical_digest(ids)[:12]
        standing = {shard.shard_key: shard for shard in self.head.shards} if self.head else {}
        if key in standing:
            return standing[key]
        seed = int(canonical_digest(ids)[:8], 16)
        vectors = unit(np.random.default_rng(seed).normal(size=(len(ids), DIM)))
        table = template_table(vectors, [subject_of(image) for image in images])
        files = [canonical_digest(name) for name in ids]
        for name, values in (("template_id", ids), ("image_id", images), ("image_sha256", files)):
            table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), [values])
        rows = [
            {"image_id": image, "member": image, "outcome": "ok", "faces_found": 1, "faces_kept": 1, "rejected": []}
            for image in images
        ]
        ledger = pa.Table.from_pylist(rows, schema=LEDGER)
        parts = {
            kind: put_part(
                self.store, f"{kind}/{key}-a.parquet", write_table(content, kind=kind, model="m"), len(images)
            )
            for kind, content in (("templates", table), ("ledger", ledger))
        }
        return ShardEntry(
            shard_key=key,
            shard_uri=str(number),
            source="s",
            images=len(images),
            outcomes={},
            next_expiry=None,
            **parts,
        )

    def expect(self, night: Night) -> dict[str, str]:
        """Subject by live template after the night; the model's side of the deletions."""
        self.versions.update({image: self.versions[image] + 1 for image in night.changed})
        here = {self.template(image): subject_of(image) for image in night.listed}
        if not night.by_embed:
            for kind, name in night.deleted:
                known = name in here if kind == "template" else True
                if kind == "subject" and name in here.values():
                    self.people.add(name)
                elif kind == "image" and name in night.listed:
                    self.gone.add(self.template(name))
                elif kind == "template" and known:
                    self.gone.add(name)
        return {
            template: subject
            for template, subject in here.items()
            if template not in self.gone and subject not in self.people
        }

    def live(self) -> list[tuple[str, str]]:
        found = []
        for segment in self.head.segments if self.head else ():
            members, live = read_members(self.store, segment), read_live(self.store, segment)
            rows = members if live is None else members.filter(pa.array(live))
            found += [(row["template_id"], row["subject_id"]) for row in rows.to_pylist()]
        return sorted(found)


CARD = ModelCard(
    name="m",
    dim=DIM,
    input_size=1,
    detector=None,  # type: ignore[arg-type]  # nothing is embedded here
    recogniser=None,  # type: ignore[arg-type]
    licence="",
    research_only=False,
    fingerprint="m",
)


@contextmanager
def builder(gallery: Gallery, budget: int) -> Iterator[Builder]:
    config = ReindexConfig(
        gallery=gallery.store.uri,
        sources=(SourceSpec(uri="s"),),
        run=LOCAL,
        index=IndexSpec(kind="Flat", segment_rows=5),
        compaction=CompactSpec(rows=budget),
    )
    with open_executor(config.run) as executor:
        yield Builder(config, gallery.store, executor, QUIET)


def by_embed(gallery: Gallery, shards: tuple[ShardEntry, ...]) -> Snapshot:
    """What embed publishes: no segments, deletions carried on."""
    tombstones, orders = after_embed(gallery.store, gallery.head, shards)
    return Snapshot(
        seq=gallery.head.seq + 1 if gallery.head else 1,
        parent=None,
        run_id="embed",
        created_at=datetime(2024, 1, 1, tzinfo=UTC),
        model="m",
        model_name="m",
        dim=DIM,
        shards=shards,
        tombstones=tombstones,
        orders=orders,
    )


def by_reindex(gallery: Gallery, shards: tuple[ShardEntry, ...], night: Night, number: int) -> Content:
    lines = tuple(Deletion("line", kind, name, "r", "a") for kind, name in sorted(night.deleted))
    request = DeletionRequest(f"request {number}", lines) if lines else None
    wanted = Wanted(request, date(2024, 1, 1), "m")
    with builder(gallery, night.budget) as built:
        content = compose(gallery.head, snapshots.in_order(shards), wanted, built, CARD)
        gallery.head = next_snapshot(gallery.head, content, CARD)
        settle(gallery, night, wanted, built)
    return content


def settle(gallery: Gallery, night: Night, wanted: Wanted, built: Builder) -> None:
    """Run again until nothing is left to do: at once without compaction, else after what there was to merge."""
    assert gallery.head is not None
    for _ in range(len(gallery.head.segments) + 1 if night.budget else 1):
        standing = snapshots.in_order(gallery.shards(night.listed))
        content = compose(gallery.head, standing, wanted, built, CARD)
        assert (content.compaction.erasure.deleted, content.compaction.erasure.expired) == (0, 0)
        if content.is_in(gallery.head):
            return
        gallery.head = next_snapshot(gallery.head, content, CARD)
    raise AssertionError("there is always more to do")


@settings(max_examples=40, deadline=None)
@given(NIGHTS)
def test_whatever_happens_exactly_the_live_templates_are_searched(nights: list[Night]) -> None:
    gallery = Gallery(MemoryStore(f"nights{next(COUNT)}"))
    for number, night in enumerate(nights):
        want = gallery.expect(night)
        shards = gallery.shards(night.listed)
        if night.by_embed:
            gallery.head = by_embed(gallery, shards)
            assert gallery.head.templates == len(want)
            continue
        content = by_reindex(gallery, shards, night, number)
        assert gallery.head is not None
        assert gallery.live() == sorted(want.items())
        assert gallery.head.templates == len(want)
        assert content.compaction.rows <= night.budget
        if night.budget == AMPLE:
            assert gallery.head.tombstones == ()
            held = TemplateIds(gallery.store).templates([shard.templates for shard in gallery.head.shards])
            assert set(held.to_pylist()) == set(want)
