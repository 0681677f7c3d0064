"""plan_delta: every live part is in exactly one place, whatever came and went before."""

from hypothesis import given
from hypothesis import strategies as st

from facebatch.gallery.commits import PartFile
from facebatch.gallery.snapshots import SegmentEntry
from facebatch.index.delta import Covered, plan_delta


def part(name: str, rows: int = 2) -> PartFile:
    return PartFile(key=f"templates/{name}.parquet", sha256=name, size=1, rows=rows)


def segment(name: str, *parts: str) -> Covered:
    entry = SegmentEntry(segment_id=name, kind="Flat", rows=2 * len(parts), manifest_sha256=name)
    return Covered(entry, parts)


def test_a_part_that_came_is_uncovered_and_one_that_left_is_told_by_segment() -> None:
    delta = plan_delta([segment("s", "a", "b")], {"a", "b"}, [part("b"), part("c")])
    (kept,) = delta.kept
    assert (kept.entry.segment_id, kept.parts, kept.left) == ("s", ("b",), ("a",))
    assert delta.uncovered == (part("c"),)
    assert delta.dropped == ()


def test_a_segment_without_live_parts_is_dropped() -> None:
    delta = plan_delta([segment("s", "a"), segment("t", "b")], {"a", "b"}, [part("b")])
    assert [entry.segment_id for entry in delta.dropped] == ["s"]
    assert delta.uncovered == ()


def test_a_part_that_left_once_is_not_found_in_the_segment_where_it_is_masked() -> None:
    back = plan_delta([segment("s", "a", "b")], {"b"}, [part("a"), part("b")])
    assert back.uncovered == (part("a"),)
    after = [segment("s", "a", "b"), segment("t", "a")]
    gone_again = plan_delta(after, {"a", "b"}, [part("b")])
    assert [(kept.entry.segment_id, kept.left) for kept in gone_again.kept] == [("s", ())]
    assert [entry.segment_id for entry in gone_again.dropped] == ["t"]


def test_parts_without_rows_need_no_segment() -> None:
    assert plan_delta([], set(), [part("a", rows=0)]).uncovered == ()


@given(st.lists(st.sets(st.sampled_from("abcdef")), min_size=1, max_size=8))
def test_over_many_nights_each_live_part_is_in_exactly_one_segment(nights: list[set[str]]) -> None:
    """A model of the gallery: segments with the rows that are live in them."""
    segments: list[Covered] = []
    live_in: dict[str, set[str]] = {}
    before: set[str] = set()
    for number, night in enumerate(nights):
        after = [part(name) for name in sorted(night)]
        delta = plan_delta(segments, before, after)
        kept = {kept.entry.segment_id: kept for kept in delta.kept}
        live_in = {name: live_in[name] - set(kept[name].left) for name in kept}
        assert all(set(kept[name].parts) == live_in[name] for name in kept)
        segments = [item for item in segments if item.entry.segment_id in kept]
        if delta.uncovered:
            new = segment(f"n{number}", *(item.sha256 for item in delta.uncovered))
            segments.append(new)
            live_in[new.entry.segment_id] = set(new.parts)
        assert sorted(name for names in live_in.values() for name in names) == sorted(night)
        before = night
