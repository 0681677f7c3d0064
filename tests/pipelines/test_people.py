"""How many people a snapshot holds: each once, whichever segments hold them, and nobody who is not live."""

from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.errors import CorruptError
from facebatch.index.segment import read_manifest
from facebatch.pipelines.people import People, count_people
from gallery.small import DIM, Shard, SmallGallery
from synthetic import template_table, unit


@dataclass(frozen=True)
class Named(Shard):
    """A shard whose rows are of these subjects."""

    subjects: tuple[str | None, ...] = ()

    def table(self) -> pa.Table:
        vectors = unit(np.random.default_rng(ord(self.name)).standard_normal((self.rows, DIM)))
        return template_table(vectors, list(self.subjects), prefix=self.name, shard=f"s3://in/{self.name}")


def gallery_of(*subjects: tuple[str | None, ...]) -> tuple[SmallGallery, list[Named]]:
    """A shard for each, of which a segment holds at most six rows."""
    shards = [Named(name, len(each), subjects=each) for name, each in zip("abcdef", subjects, strict=False)]
    gallery = SmallGallery()
    gallery.embed(*shards)
    return gallery, shards


def test_who_is_in_several_segments_counts_once_and_unlabelled_templates_each() -> None:
    gallery, _ = gallery_of(("x", "x", "y", None, None), ("y", "z", "x", "w"), (None,))
    assert len(gallery.head.segments) > 1
    found = count_people(gallery.store, gallery.head)
    assert (found, found.most) == (People(subjects=4, unlabelled=3), 7)


def test_who_was_erased_is_not_counted() -> None:
    gallery, _ = gallery_of(("x", "x", "y", None), ("z", "x"))
    gallery.erase("a000002", "a000003", "b000001")
    assert count_people(gallery.store, gallery.head) == People(subjects=2, unlabelled=0)


labels = st.lists(st.none() | st.sampled_from("tuvwxyz"), min_size=1, max_size=6).map(tuple)


@settings(deadline=None, max_examples=15)
@given(st.lists(labels, min_size=1, max_size=4), st.data())
def test_the_count_is_that_of_the_live_templates(subjects: list[tuple[str | None, ...]], data: st.DataObject) -> None:
    gallery, shards = gallery_of(*subjects)
    known = dict(chain.from_iterable(zip(each.template_ids, each.subjects, strict=True) for each in shards))
    erased = data.draw(st.sets(st.sampled_from(sorted(known)), max_size=len(known) - 1))
    if erased:
        gallery.erase(*sorted(erased))
    live = [subject for name, subject in known.items() if name not in erased]
    found = count_people(gallery.store, gallery.head)
    assert found == People(subjects=len({*live} - {None}), unlabelled=live.count(None))


def test_members_that_are_not_as_recorded_are_not_counted() -> None:
    gallery, _ = gallery_of(("x", "y"))
    [segment] = gallery.head.segments
    key = read_manifest(gallery.store, segment).members.key
    gallery.store.put(key, gallery.store.get(key)[:-1] + b"!")
    with pytest.raises(CorruptError, match="members"):
        count_people(gallery.store, gallery.head)
