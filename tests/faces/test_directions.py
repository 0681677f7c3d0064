"""What is settled about single images: whom it concerns, and whose shard key it changes."""

import pickle

from hypothesis import given
from hypothesis import strategies as st

from facebatch.faces.directions import NOTHING_SETTLED, Directions, directions
from facebatch.governance.denial import Denial
from facebatch.governance.probe_rules import Refusal, Refusals
from facebatch.images.records import ImageShard, Member

REFUSAL = Refusal((Denial("p.r", "law 1", "not this one"),))
TAR = ImageShard("memory://in/a.tar", "tar", 10, "e", name="a.tar")
NAMES = st.sampled_from("abcde")
SETTLED = st.builds(
    Directions,
    refused=st.dictionaries(NAMES, st.none() | st.sampled_from(["one", "two"])),
    others=st.none() | st.just("others"),
    points=st.dictionaries(NAMES, st.tuples(st.floats(0, 9), st.floats(0, 9))),
)


def loose(*names: str) -> ImageShard:
    members = tuple(Member(name, f"memory://in/{name}", 1, "e") for name in names)
    return ImageShard(f"memory://in#{names[0]}", "objects", len(names), "e", members)


def treatment(settled: Directions, name: str) -> tuple[str | None, object]:
    reason = settled.refusal(name)
    return reason, settled.point(name) if reason is None else None


def test_nothing_settled_adds_nothing_to_a_key() -> None:
    assert NOTHING_SETTLED.key_part(TAR) == NOTHING_SETTLED.key_part(loose("a")) == {}
    assert Directions(refused={"a": None}).key_part(TAR) == {}


@given(SETTLED, SETTLED)
def test_keys_of_a_shard_differ_exactly_where_its_images_are_treated_otherwise(
    one: Directions, two: Directions
) -> None:
    shard = loose("a", "b", "c")
    same = all(treatment(one, member.image_id) == treatment(two, member.image_id) for member in shard.members)
    assert (one.key_part(shard) == two.key_part(shard)) == same
    alike = all(treatment(one, name) == treatment(two, name) for name in "abcdef")
    assert (one.key_part(TAR) == two.key_part(TAR)) <= alike


@given(SETTLED)
def test_it_survives_the_way_to_a_worker_and_any_order(settled: Directions) -> None:
    turned = Directions(dict(reversed(settled.refused.items())), settled.others, dict(reversed(settled.points.items())))
    assert pickle.loads(pickle.dumps(settled)) == settled == turned


def test_refusals_become_reasons() -> None:
    some = directions(Refusals({"a": REFUSAL, "b": None}), {"b": (3.0, 4.0)})
    assert [some.refusal(name) for name in "abc"] == ["p.r [law 1]: not this one", None, None]
    assert [some.point(name) for name in "abc"] == [None, (3.0, 4.0), None]
    most = directions(Refusals({"a": REFUSAL, "b": None}, REFUSAL), {})
    assert [most.refusal(name) for name in "abc"] == [REFUSAL.reason, None, REFUSAL.reason]
    assert directions(Refusals({"a": None}), {}).digest == ""
