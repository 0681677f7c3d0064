"""The log of a gallery, and its pins."""

from collections import Counter
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from facebatch.errors import ConfigError, NotFoundError, StopError
from facebatch.gallery.history import Entry, ShardChanges, log, numbers
from facebatch.gallery.pins import Pin, pin, read_pins, unpin
from facebatch.storage import layout
from facebatch.storage.memory import MemoryStore
from gallery.small import Shard, SmallGallery

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def entries(gallery: SmallGallery, limit: int = 0) -> list[Entry]:
    return list(log(gallery.store, limit))


def three() -> SmallGallery:
    gallery = SmallGallery(created_at=NOW)
    gallery.embed(Shard("a"), Shard("b", 2), index=False)
    gallery.embed(Shard("b", 4, version=1), Shard("c", 5))
    return gallery


def test_the_log_is_newest_first_with_what_changed_against_the_parent() -> None:
    gallery = three()
    gallery.erase("c000000")
    last, indexed, second, first = entries(gallery)
    assert [entry.seq for entry in entries(gallery)] == [4, 3, 2, 1]
    assert (first.parent, first.templates, first.templates_change) == (None, 5, 5)
    assert first.shard_changes == ShardChanges(added=2, changed=0, removed=0)
    assert (second.templates, second.templates_change) == (9, 4)
    assert second.shard_changes == ShardChanges(added=1, changed=1, removed=1)
    assert (second.is_indexed, indexed.is_indexed) == (False, True)
    assert (indexed.templates_change, indexed.segments) == (0, 2)
    assert (last.tombstones, last.templates, last.templates_change, last.created_at) == (1, 8, -1, NOW)
    assert [entry.is_head for entry in (last, indexed, second, first)] == [True, False, False, False]


def test_a_limit_takes_the_newest_and_each_document_is_read_once() -> None:
    reads: Counter[str] = Counter()

    class Counting(MemoryStore):
        def get(self, key: str, **checks: object) -> bytes:
            reads[key] += 1
            return super().get(key, **checks)

    gallery = three().copy(Counting(uuid4().hex))
    assert [entry.seq for entry in entries(gallery, 2)] == [3, 2]
    assert reads == {layout.snapshot(seq): 1 for seq in (1, 2, 3)}


def test_where_the_parent_is_gone_nothing_is_said_about_changes() -> None:
    gallery = three()
    gallery.store.delete(layout.snapshot(1))
    last = entries(gallery)[-1]
    assert (last.seq, last.parent, last.templates_change, last.shard_changes) == (2, 1, None, None)
    assert numbers(gallery.store) == [2, 3]


def test_a_gallery_without_snapshots_says_what_to_run_first() -> None:
    with pytest.raises(NotFoundError, match="facebatch embed"):
        entries(SmallGallery())


def test_pins_are_told_and_removed_by_name() -> None:
    gallery = three()
    wanted = Pin(name="before-march", snapshot=2, at=NOW, by="unit 4")
    assert pin(gallery.store, wanted) == wanted
    pin(gallery.store, Pin(name="b", snapshot=2, at=NOW))
    assert [entry.pins for entry in entries(gallery)] == [(), ("b", "before-march"), ()]
    assert unpin(gallery.store, "b").snapshot == 2
    assert read_pins(gallery.store) == [wanted]


def test_the_first_pin_of_a_name_stands() -> None:
    gallery = three()
    first = pin(gallery.store, Pin(name="x", snapshot=2, at=NOW))
    assert pin(gallery.store, Pin(name="x", snapshot=2, at=datetime.now(UTC))) == first
    with pytest.raises(StopError, match=r"pins/x\.json: pins snapshot 2 since 2026-03-01.*unpin x"):
        pin(gallery.store, Pin(name="x", snapshot=3, at=NOW))


@pytest.mark.parametrize("name", ["", "a/b", "../x", "-x", "a b", "x" * 65, "é"])
def test_a_pin_needs_a_word_for_its_name(name: str) -> None:
    gallery = three()
    with pytest.raises(ConfigError, match="cannot name a pin"):
        pin(gallery.store, Pin(name=name, snapshot=2, at=NOW))
    with pytest.raises(NotFoundError, match="its pins are: none"):
        unpin(gallery.store, name)
    assert read_pins(gallery.store) == []


def test_a_snapshot_that_is_not_there_cannot_be_pinned() -> None:
    gallery = three()
    with pytest.raises(NotFoundError, match="no snapshot 9"):
        pin(gallery.store, Pin(name="x", snapshot=9, at=NOW))
    assert read_pins(gallery.store) == []
