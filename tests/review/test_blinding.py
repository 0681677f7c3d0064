"""Blinded sheets: every face once, in an order that nothing but the secret decides, and nothing else on them."""

import dataclasses
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import CorruptError, PlanError
from facebatch.review.assignments import assign_third, assign_two
from facebatch.review.blinding import Blinded, CaseLists, Face, Shown, blind, docket_of
from facebatch.review.secret import ReviewSecret
from facebatch.storage.documents import dump
from reviewed import AT, LOAD, SECRET, case, docket, faces, pair

cases = st.builds(
    case,
    number=st.integers(1, 9**9),
    counts=st.lists(st.integers(0, 8), min_size=1, max_size=3).filter(any).map(tuple),
    rate=st.floats(0, 1),
)


def shown(blinded: Blinded) -> list[Shown]:
    return [each for probe in blinded.faces.values() for each in probe.values()]


def subjects(blinded: Blinded, probe: str = "1") -> list[str]:
    return [each.face.subject_id for each in blinded.faces[probe].values()]


@given(cases)
def test_every_candidate_is_shown_once_and_decoys_are_strangers(lists: CaseLists) -> None:
    blinded = blind(lists, pair(lists)[0], SECRET)
    real = {face.subject_id for probe in lists.probes for face in probe.candidates}
    assert sorted(blinded.probe_ids.values()) == sorted(probe.probe_id for probe in lists.probes if probe.candidates)
    for label, probe_id in blinded.probe_ids.items():
        probe = next(each for each in lists.probes if each.probe_id == probe_id)
        behind = blinded.faces[label].values()
        assert Counter(each.face for each in behind if not each.is_decoy) == Counter(probe.candidates)
        assert {each.face for each in behind if each.is_decoy} <= set(probe.non_mates)
        assert len({each.face.subject_id for each in behind}) == len(behind)
    assert real.isdisjoint(each.face.subject_id for each in shown(blinded) if each.is_decoy)


@given(cases)
def test_a_sheet_holds_labels_and_nothing_that_tells_faces_apart(lists: CaseLists) -> None:
    sheet = blind(lists, pair(lists)[0], SECRET).sheet
    assert set(sheet.model_dump()) == {"review", "assignment", "case", "examiner", "probes"}
    assert [len(probe.faces) for probe in sheet.probes] == list(docket(lists).shown)
    assert all(list(probe.faces) == [chr(65 + at) for at in range(len(probe.faces))] for probe in sheet.probes)
    text = dump(sheet).decode()
    assert not any(word in text for word in ("candidate", "stranger", "template", "decoy", "rank", "rate"))


@given(st.integers(0, 4), st.integers(0, 4))
def test_sheets_of_as_many_faces_differ_in_nothing_but_names(one: int, other: int) -> None:
    """However many of the faces are decoys."""
    sheets = []
    for decoys in (one, other):
        lists = case(decoys + 1, (8 - decoys,), decoys / (8 - decoys))
        sheet = blind(lists, pair(lists)[0], SECRET).sheet
        sheets.append(sheet.model_copy(update=dict.fromkeys(("review", "assignment", "case", "examiner"), "")))
    assert dump(sheets[0]) == dump(sheets[1])


@given(cases)
def test_examiners_of_a_case_see_the_same_faces_each_in_another_order(lists: CaseLists) -> None:
    first, second = pair(lists)
    third = assign_third((first, second), LOAD, "seed", AT)
    sheets = [blind(lists, assignment, SECRET) for assignment in (first, second, third)]
    for label in sheets[0].faces:
        orders = [tuple(subjects(blinded, label)) for blinded in sheets]
        assert len({frozenset(order) for order in orders}) == 1
        assert len(set(orders)) == min(3, len(orders[0]))


def test_neither_a_place_nor_a_neighbour_tells_rank_or_decoy() -> None:
    places, gaps = Counter(), Counter()
    for number in range(1, 601):
        lists = case(number, (4,), 0.25)
        blinded = blind(lists, pair(lists)[0], SECRET)
        order = subjects(blinded)
        best, second = (order.index(f"candidate-{number}-0-{rank}") for rank in (0, 1))
        [decoy] = (at for at, each in enumerate(blinded.faces["1"].values()) if each.is_decoy)
        places.update({("best", best): 1, ("decoy", decoy): 1})
        gaps.update({("second", (second - best) % 5): 1, ("decoy", (decoy - best) % 5): 1})
    assert all(80 < places[who, place] < 165 for who in ("best", "decoy") for place in range(5)), places
    assert all(105 < gaps[who, gap] < 195 for who in ("second", "decoy") for gap in range(1, 5)), gaps


def test_without_the_secret_nothing_follows_from_the_lists() -> None:
    lists = case(1, (6,))
    found = set()
    for number in range(20):
        secret = ReviewSecret(bytes([number]) * 32)
        opened = docket_of(lists, secret)
        assert opened is not None
        blinded = blind(lists, assign_two(opened, LOAD, "seed", AT)[0], secret)
        found.add((opened.review, frozenset(subjects(blinded)), tuple(subjects(blinded))))
    assert len({review for review, _, _ in found}) == len({order for _, _, order in found}) == 20
    assert len({drawn for _, drawn, _ in found}) > 15


def test_decoys_are_as_frequent_as_asked() -> None:
    counted = [
        blind(lists, pair(lists)[0], SECRET) for lists in (case(number, (3, 4), 0.3) for number in range(1, 301))
    ]
    decoys = sum(each.is_decoy for blinded in counted for each in shown(blinded))
    assert 0.3 * 7 * 300 * 0.9 < decoys < 0.3 * 7 * 300 * 1.1
    whole = case(1, (4,), 0.5)
    assert docket(whole).shown == (6,)
    assert docket(case(1, (4,), 0.0)).shown == (4,)


def test_the_way_back_is_found_again_and_only_with_the_same_lists() -> None:
    lists = case()
    assignment = pair(lists)[0]
    assert blind(lists, assignment, SECRET) == blind(lists, assignment, SECRET)
    assert docket(dataclasses.replace(lists, decoy_rate=0.501)).review != assignment.docket.review
    swapped = dataclasses.replace(lists.probes[0], candidates=lists.probes[0].candidates[::-1])
    for other in (
        dataclasses.replace(lists, probes=(swapped, *lists.probes[1:])),
        dataclasses.replace(lists, decoy_rate=0.4),
        dataclasses.replace(lists, search="6" * 24),
        case(1, (0,)),
    ):
        with pytest.raises(PlanError, match=f"not those that assignment {assignment.assignment} was made for"):
            blind(other, assignment, SECRET)
    with pytest.raises(PlanError, match="review secret"):
        blind(lists, assignment, ReviewSecret(b"x" * 32))


def test_who_is_a_candidate_anywhere_in_the_case_is_no_decoy() -> None:
    lists = case(1, (2, 2), 1.0, pool=2)
    borrowed = dataclasses.replace(lists.probes[0], non_mates=(*lists.probes[1].candidates, *faces("stranger", 1)))
    with pytest.raises(PlanError, match="probe 'probe-0' needs 2 decoys, but only 1"):
        docket_of(dataclasses.replace(lists, probes=(borrowed, lists.probes[1])), SECRET)


def test_a_case_without_candidates_has_nothing_to_examine() -> None:
    assert docket_of(case(1, (0, 0)), SECRET) is None
    lists = case(1, (0, 3), 0.0)
    blinded = blind(lists, pair(lists)[0], SECRET)
    assert dict(blinded.probe_ids) == {"1": "probe-1"}


def test_lists_that_are_none_are_refused() -> None:
    lists = case()
    twice = dataclasses.replace(lists.probes[0], candidates=(Face("a", "1"), Face("a", "2")))
    for probes in ((twice,), (lists.probes[0], lists.probes[0])):
        with pytest.raises(CorruptError, match="occurs twice"):
            docket_of(dataclasses.replace(lists, probes=probes), SECRET)
    for rate in (-0.1, 1.1, float("nan")):
        with pytest.raises(PlanError, match="give one in"):
            docket_of(dataclasses.replace(lists, decoy_rate=rate), SECRET)
    with pytest.raises(PlanError, match="up to 64 probes with 250 faces"):
        docket_of(case(1, (251,), 0.0), SECRET)
