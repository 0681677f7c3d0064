"""Boundaries depend on names: an added file changes the shards around it and no other."""

import pickle
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.images.grouping import LONGEST, grouped
from facebatch.images.records import Member

AVERAGE = 8


def member(name: str, etag: str = "e") -> Member:
    return Member(name, f"/root/{name}", 10, etag)


def shards(names, average=AVERAGE):
    return list(grouped([member(name) for name in sorted(names)], average, "/root"))


names = st.sets(st.text("abcdef0123456789/", min_size=1, max_size=12), max_size=200)


@given(names)
def test_every_member_is_in_one_shard_in_order(found):
    made = shards(found)
    assert [m.image_id for shard in made for m in shard.members] == sorted(found)
    assert all(1 <= len(shard.members) <= LONGEST * AVERAGE for shard in made)
    assert len({shard.uri for shard in made}) == len(made)
    assert all(shard.size == 10 * len(shard.members) for shard in made)


@given(names, st.text("abcdef0123456789/", min_size=1, max_size=12))
def test_an_added_name_changes_only_its_neighbourhood(found, added):
    """At most the shard it falls in and, where a too long run was cut by length, those up to the run's end."""
    before = {(shard.uri, shard.etag): shard for shard in shards(found - {added})}
    after = {(shard.uri, shard.etag): shard for shard in shards(found | {added})}
    gone = [before[key] for key in before.keys() - after.keys()]
    by_length = sum(len(shard.members) == LONGEST * AVERAGE for shard in gone)
    assert len(gone) <= 1 + by_length
    assert len(after.keys() - before.keys()) <= len(gone) + 2


def test_most_additions_change_one_shard():
    found = [f"person-{i:05d}.jpg" for i in range(3000)]
    before = {shard.etag for shard in shards(found, 64)}
    assert 30 < len(before) < 70
    changed = [len(before - {shard.etag for shard in shards([*found, f"person-{i:05d}x.jpg"], 64)})
               for i in range(0, 3000, 60)]  # fmt: skip
    assert max(changed) <= 2
    assert sum(changed) <= 1.1 * len(changed)


@given(st.sampled_from(["image_id", "size", "etag", "fields", "uri"]))
@settings(max_examples=10)
def test_the_etag_covers_every_part_of_a_member(part):
    old = member("a")
    new = replace(old, **{part: {"k": "v"} if part == "fields" else 11 if part == "size" else "changed"})
    (one,), (two,) = grouped([old], 4, "/root"), grouped([new], 4, "/root")
    assert one.etag != two.etag
    assert pickle.loads(pickle.dumps(two)) == two
