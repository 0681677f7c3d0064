"""Which templates left because their source no longer has the image, and which for a reason that someone gave."""

from datetime import UTC, date, datetime

import pytest

from facebatch.gallery import snapshots
from facebatch.gallery.deletions import parse_request
from facebatch.gallery.gone import Asked, count_gone, count_held
from facebatch.gallery.snapshots import ShardEntry
from gallery.small import Shard, SmallGallery

IN, ELSEWHERE = "s3://in", "s3://elsewhere"
TODAY = date(2026, 3, 1)
NOTHING = Asked(None, TODAY)
SOON = (datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))


@pytest.fixture
def gallery() -> SmallGallery:
    """Ten templates of one source, two of another."""
    made = SmallGallery()
    made.embed(Shard("a", 5, photos="a"), Shard("b", 3, photos="b"), Shard("c", 2, expires=SOON, photos="c"))
    made.embed(Shard("d", 2, photos="d"), source=ELSEWHERE)
    return made


def left(gallery: SmallGallery, *kept: str, new: tuple[ShardEntry, ...] = (), asked: Asked = NOTHING) -> dict[str, int]:
    """What a night loses that keeps these shards of the head and has these new ones."""
    head = gallery.head
    return count_gone(
        gallery.store, head, [*(shard for shard in head.shards if shard.shard_uri[-1] in kept), *new], asked
    )


def entry(gallery: SmallGallery, shard: Shard, source: str = IN) -> ShardEntry:
    return snapshots.entry(gallery.commit(shard, source))


def asking(line: str) -> Asked:
    return Asked(parse_request(f"kind,id,reason,authority\n{line},r,a\n".encode(), "request.csv"), TODAY)


def test_shards_that_are_no_longer_listed_are_counted_by_source(gallery: SmallGallery) -> None:
    assert left(gallery, *"abcd") == {}
    assert left(gallery, *"acd") == {IN: 3}
    assert left(gallery, "b") == {IN: 6, ELSEWHERE: 2}


def test_a_night_on_which_nothing_left_reads_nothing(gallery: SmallGallery) -> None:
    new = entry(gallery, Shard("e", photos="e"))
    for info in gallery.store.list():
        if not info.key.startswith("snapshots/"):
            gallery.store.delete(info.key)
    assert left(gallery, *"abcd", new=(new,)) == {}


def test_an_image_that_was_changed_is_not_gone_and_one_that_left_its_shard_is(gallery: SmallGallery) -> None:
    assert left(gallery, *"bcd", new=(entry(gallery, Shard("a", 5, photos="new")),)) == {}
    assert left(gallery, *"bcd", new=(entry(gallery, Shard("a", 4, photos="new")),)) == {IN: 1}


def test_a_name_counts_at_its_own_source_alone(gallery: SmallGallery) -> None:
    changed = entry(gallery, Shard("a", 5, photos="new"), ELSEWHERE)
    assert left(gallery, *"bcd", new=(changed,)) == {IN: 5}


def test_the_same_image_under_another_name_is_not_gone(gallery: SmallGallery) -> None:
    for source in (IN, ELSEWHERE):
        assert left(gallery, *"bcd", new=(entry(gallery, Shard("z", 5, photos="a"), source),)) == {}
    assert left(gallery, *"bcd", new=(entry(gallery, Shard("y", 2, photos="a")),)) == {IN: 3}


def test_what_was_erased_before_does_not_leave_now(gallery: SmallGallery) -> None:
    gallery.erase("a000001", "a000002", "d000000")
    assert left(gallery, *"bc") == {IN: 3, ELSEWHERE: 1}


@pytest.mark.parametrize(
    ("line", "count"), [("template,a000000", 4), ("subject,a-0", 3), ("image,a/000004.jpg", 4), ("subject,b-0", 5)]
)
def test_what_the_request_names_leaves_because_it_is_asked_for(gallery: SmallGallery, line: str, count: int) -> None:
    assert left(gallery, *"bcd", asked=asking(line)) == {IN: count}


@pytest.mark.parametrize(("day", "count"), [(date(2026, 2, 28), 2), (date(2026, 3, 1), 1), (date(2026, 3, 2), 0)])
def test_what_expires_by_the_end_of_the_day_leaves_for_that(gallery: SmallGallery, day: date, count: int) -> None:
    assert left(gallery, *"abd", asked=Asked(None, day)).get(IN, 0) == count


def test_erased_templates_of_a_source_are_looked_for_only_where_they_could_decide(gallery: SmallGallery) -> None:
    head = gallery.erase("a000000", "a000001", "b000000", "d000000")
    assert count_held(gallery.store, head, {IN: 4, ELSEWHERE: 1}, 0.5) == {IN: 7, ELSEWHERE: 1}
    assert count_held(gallery.store, head, {IN: 2}, 0.5) == {IN: 10}
    assert count_held(gallery.store, head, {}, 0.5) == {}


def test_where_nothing_is_erased_no_part_is_read_to_count_what_a_source_held(gallery: SmallGallery) -> None:
    head = gallery.head
    for info in gallery.store.list():
        gallery.store.delete(info.key)
    assert count_held(gallery.store, head, {IN: 9}, 0.0) == {IN: 10}
