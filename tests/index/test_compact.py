"""choose: within the budget, the worst first, and never without end."""

from hypothesis import given
from hypothesis import strategies as st

from facebatch.gallery.commits import PartFile
from facebatch.gallery.snapshots import SegmentEntry
from facebatch.index.compact import Outlook, choose, outlook, rewritten


def segment(name: str, rows: int, dead: int = 0) -> SegmentEntry:
    mask = PartFile(key=name, sha256=name, size=8 * dead, rows=dead) if dead else None
    return SegmentEntry(segment_id=name, kind="Flat", rows=rows, manifest_sha256=name, dead=mask)


def names(chosen: tuple[SegmentEntry, ...]) -> str:
    return "".join(segment.segment_id for segment in chosen)


def test_the_largest_dead_share_comes_first() -> None:
    segments = [segment("a", 100, 10), segment("b", 100, 50), segment("c", 100, 30)]
    assert names(choose(segments, 0, 125, 10_000)) == "bc"


def test_the_smallest_are_merged_as_long_as_the_budget_and_one_segment_hold_them() -> None:
    segments = [segment("a", 50), segment("b", 10), segment("c", 20)]
    assert names(choose(segments, 0, 100, 1000)) == "abc"
    assert names(choose(segments, 0, 79, 1000)) == "bc"
    assert names(choose(segments, 0, 100, 40)) == "bc"
    assert names(choose(segments, 25, 100, 40)) == "b"


def test_one_segment_alone_is_not_rewritten_for_nothing() -> None:
    assert choose([segment("a", 10)], 0, 100, 1000) == ()
    assert names(choose([segment("a", 10)], 1, 100, 1000)) == "a"
    assert names(choose([segment("a", 10, 1)], 0, 100, 1000)) == "a"


def test_what_is_larger_than_the_budget_waits() -> None:
    assert choose([segment("a", 100, 1), segment("b", 200)], 5, 50, 1000) == ()


def test_without_a_budget_nothing_is_chosen_and_all_of_it_waits() -> None:
    segments = [segment("a", 100, 10), segment("b", 20), segment("c", 30)]
    assert choose(segments, 5, 0, 1000) == ()
    assert outlook(segments, 0, 1000) == Outlook(rows_waiting=140, nights=None)


def test_the_outlook_counts_the_nights_until_nothing_waits() -> None:
    segments = [segment("a", 100, 10), segment("b", 100, 20), segment("c", 100, 30)]
    assert outlook(segments, 90, 100) == Outlook(rows_waiting=240, nights=3)
    assert outlook(segments, 240, 100) == Outlook(rows_waiting=240, nights=1)
    assert outlook(segments, 89, 100) == Outlook(rows_waiting=240, nights=None)
    assert outlook([segment("a", 100)], 0, 100) == Outlook(rows_waiting=0, nights=0)


def test_what_is_rewritten_is_put_into_as_few_segments_as_can_hold_it() -> None:
    segments = [segment("a", 100, 10), segment("b", 50), segment("c", 70)]
    after = rewritten(segments, segments[:2], 25, 100)
    assert [item.live_rows for item in after] == [70, 100, 65]
    assert rewritten(segments, (), 0, 100) == tuple(segments)


SEGMENTS = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 59)).filter(lambda pair: pair[1] < pair[0]), min_size=1, max_size=8
)


@given(SEGMENTS, st.integers(0, 50), st.integers(1, 200), st.integers(60, 100))
def test_it_stays_within_the_budget_and_comes_to_an_end(
    sizes: list[tuple[int, int]], new: int, budget: int, limit: int
) -> None:
    segments = [segment(f"{number:02d}", rows, dead) for number, (rows, dead) in enumerate(sizes)]
    for night in range(len(segments) + 2):
        chosen = choose(segments, new, budget, limit)
        rewritten = sum(item.live_rows for item in chosen)
        assert rewritten <= budget
        if not chosen:
            break
        assert any(item.dead for item in chosen) or len(chosen) + (new > 0) > 1
        rest = [item for item in segments if item not in chosen]
        fresh = _packed([item.live_rows for item in chosen] + ([new] if new else []), limit, night)
        assert len(rest) + len(fresh) < len(segments) + (new > 0) or any(item.dead for item in chosen)
        segments, new = rest + fresh, 0
    else:
        raise AssertionError("it never ends")


def _packed(rows: list[int], limit: int, night: int) -> list[SegmentEntry]:
    groups: list[int] = []
    for count in rows:
        if not groups or groups[-1] + count > limit:
            groups.append(0)
        groups[-1] += count
    return [segment(f"n{night}-{number}", count) for number, count in enumerate(groups)]


@given(SEGMENTS, st.integers(0, 200), st.integers(60, 100))
def test_the_outlook_is_what_the_nights_then_do(sizes: list[tuple[int, int]], budget: int, limit: int) -> None:
    segments: tuple[SegmentEntry, ...] = tuple(
        segment(f"{number:02d}", rows, dead) for number, (rows, dead) in enumerate(sizes)
    )
    said = outlook(segments, budget, limit)
    nights = 0
    while chosen := choose(segments, 0, budget, limit):
        segments = rewritten(segments, chosen, 0, limit)
        nights += 1
    left = choose(segments, 0, 10**9, limit)
    assert said.nights == (None if left else nights)
    assert (said.rows_waiting == 0) == (nights == 0 and not left)
    assert sum(item.live_rows for item in segments) == sum(rows - dead for rows, dead in sizes)
