"""Two who agree conclude, a third decides, decoys agree with nobody, and who chose one is counted."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import CorruptError
from facebatch.evaluate.intervals import rate
from facebatch.review.blinding import Blinded, Face, blind
from facebatch.review.resolution import Opinion, decoy_errors, opinions, resolve
from reviewed import SECRET, case, examiner, finished, pair

X, Y, D = Face("x", "1"), Face("y", "1"), Face("d", "1")


def says(number: int, word: str) -> Opinion:
    """One of: x and y are candidates, d a decoy, - none, ? cannot tell."""
    face = {"x": X, "y": Y, "d": D}.get(word)
    outcome = "potential_candidate" if face else "no_candidate" if word == "-" else "inconclusive"
    return Opinion(examiner(number), "p", outcome, face, word == "d", 1, "")


def told(words: str) -> tuple[str, str | None, str | None, int]:
    found = resolve("p", [says(number, word) for number, word in enumerate(words)])
    assert found.examined == len(words)
    return found.state, found.outcome, found.face.subject_id if found.face else None, found.agreed


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ("waiting", None, None, 0)),
        ("x", ("waiting", None, None, 0)),
        ("xx", ("concluded", "potential_candidate", "x", 2)),
        ("--", ("concluded", "no_candidate", None, 2)),
        ("??", ("concluded", "inconclusive", None, 2)),
        ("xy", ("disagreement", None, None, 0)),
        ("x-", ("disagreement", None, None, 0)),
        ("dd", ("disagreement", None, None, 0)),
        ("d-", ("disagreement", None, None, 0)),
        ("xyx", ("concluded", "potential_candidate", "x", 2)),
        ("x--", ("concluded", "no_candidate", None, 2)),
        ("d-d", ("unresolved", "inconclusive", None, 0)),
        ("ddd", ("unresolved", "inconclusive", None, 0)),
        ("ddx", ("unresolved", "inconclusive", None, 0)),
        ("dxx", ("concluded", "potential_candidate", "x", 2)),
        ("x-?", ("unresolved", "inconclusive", None, 0)),
        ("xxx", ("concluded", "potential_candidate", "x", 3)),
    ],
)
def test_what_examiners_say_and_what_follows(words: str, expected: tuple[str, str | None, str | None, int]) -> None:
    for order in itertools.permutations(words):
        assert told("".join(order)) == expected


@given(st.text("xyd-?", max_size=3))
def test_only_what_two_said_leaves_and_never_a_decoy(words: str) -> None:
    found = resolve("p", [says(number, word) for number, word in enumerate(words)])
    assert found.face != D
    most = max((words.count(word) for word in words if word != "d"), default=0)
    assert found.exportable == (most >= 2)
    assert found.is_lead == (max(words.count("x"), words.count("y")) >= 2)
    if not found.exportable:
        assert (found.face, found.agreed) == (None, 0)


def test_opinions_that_are_not_of_one_review_are_refused() -> None:
    other = Opinion(examiner(2), "q", "no_candidate", None, False, 0, "")
    for every in ([says(1, "x"), says(1, "x")], [says(1, "x"), other], [says(number, "x") for number in range(4)]):
        with pytest.raises(CorruptError, match="probe 'p': takes one finding about it"):
            resolve("p", every)


def label_of(blinded: Blinded, probe: str, decoy: bool) -> str:
    return next(label for label, shown in blinded.faces[probe].items() if shown.is_decoy is decoy)


def test_letters_become_faces_again() -> None:
    lists = case(1, (4, 4))
    assignment = pair(lists)[0]
    blinded = blind(lists, assignment, SECRET)
    real, decoy = label_of(blinded, "1", False), label_of(blinded, "2", True)
    first, second = opinions(finished(blinded, {"1": real, "2": decoy}, "n"), blinded)
    assert (first.face, first.is_decoy) == (blinded.faces["1"][real].face, False)
    assert (second.face, second.is_decoy) == (blinded.faces["2"][decoy].face, True)
    assert first.face in lists.probes[0].candidates
    assert second.face in lists.probes[1].non_mates
    assert (first.probe_id, second.probe_id, first.decoys_shown, first.note) == ("probe-0", "probe-1", 2, "n")
    assert opinions(finished(blinded, {}), blinded)[0].face is None


def test_a_sheet_is_read_with_its_own_labels_only() -> None:
    lists = case()
    first, second = (blind(lists, assignment, SECRET) for assignment in pair(lists))
    with pytest.raises(CorruptError, match="cannot be read with the labels of"):
        opinions(finished(first, {}), second)
    with pytest.raises(CorruptError, match="probe 1 shows no face Z"):
        opinions(finished(first, {"1": "Z"}), first)


def test_decoys_chosen_are_counted_per_examiner_over_lists_that_had_one() -> None:
    bare = Opinion(examiner(2), "q", "no_candidate", None, False, 0, "")
    every = [says(1, word) for word in "d-x?d"] + [says(3, "x")] + [bare]
    found = decoy_errors(every)
    assert found == {examiner(1): rate(2, 5), examiner(2): rate(0, 0), examiner(3): rate(0, 1)}
    assert list(found) == sorted(found)
    assert found[examiner(2)].value is None
    assert found[examiner(1)].low == pytest.approx(0.1176, abs=1e-4)
    assert found[examiner(1)].high == pytest.approx(0.7693, abs=1e-4)
