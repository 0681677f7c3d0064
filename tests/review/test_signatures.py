"""Seals: what a page saved is taken, and nothing that differs from it in any value or was made for another page."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import CorruptError, StopError
from facebatch.review.blinding import blind
from facebatch.review.outcomes import FinishedSheet, ProbeFinding
from facebatch.review.secret import ReviewSecret
from facebatch.review.signatures import (
    MAX_SHEET_BYTES,
    SealedSheet,
    check_sealed,
    read_sealed,
    seal,
    sealed_bytes,
    sheet_key,
)
from facebatch.storage.documents import dump, load
from reviewed import SECRET, case, examiner, finished, pair, saved
from sealed_vectors import VECTORS, vector_sheet

LISTS = case()
FIRST, SECOND = pair(LISTS)
notes = st.text(st.characters(exclude_categories=("Cc", "Cs"), include_characters="\t\n"), max_size=40)
Edit = Callable[[dict[str, Any]], Any]


def check(data: bytes) -> FinishedSheet:
    sealed = read_sealed(data, origin="sheet.json")
    check_sealed(sealed, FIRST, SECRET, origin="sheet.json")
    return sealed.sheet


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vectors(vector) -> None:
    sheet = load(FinishedSheet, json.dumps(vector_sheet(vector)).encode(), origin="vector")
    assert sealed_bytes(sheet) == vector.sealed
    assert seal(sheet, bytes.fromhex(vector.key)).seal == vector.seal


@given(notes)
def test_what_a_page_saves_is_read_however_it_is_laid_out(note: str) -> None:
    data = saved(LISTS, FIRST, {"1": "B"}, note)
    values = json.loads(data)
    values["sheet"] = dict(reversed(values["sheet"].items()))
    for other in (data, json.dumps(values, indent=3).encode(), json.dumps(values, ensure_ascii=False).encode()):
        assert [finding.note for finding in check(other).findings] == [note, note]


EDITS: list[Edit] = [
    lambda file: file["sheet"]["findings"][0].update(candidate="C"),
    lambda file: file["sheet"]["findings"][0].update(outcome="inconclusive", candidate=None),
    lambda file: file["sheet"]["findings"][1].update(note="seen"),
    lambda file: file["sheet"]["findings"].pop(),
    lambda file: file["sheet"].update(finished_at="2026-03-01T09:07:00.006Z"),
    lambda file: file["sheet"].update(examiner=examiner(9)),
    lambda file: file["sheet"].update(case="9" * 24),
    lambda file: file["sheet"].update(assignment=SECOND.assignment),
    lambda file: file["sheet"].update(review="9" * 32),
    lambda file: file.update(seal=file["seal"][:-1] + ("0" if file["seal"][-1] != "0" else "1")),
]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_file_is_refused(edit: Edit) -> None:
    file = json.loads(saved(LISTS, FIRST, {"1": "B"}))
    assert check(json.dumps(file).encode()).findings[0].candidate == "B"
    edit(file)
    with pytest.raises(CorruptError, match=r"sheet.json: its seal is not that of assignment"):
        check(json.dumps(file).encode())


def test_a_foreign_file_is_refused() -> None:
    sheet = finished(blind(LISTS, FIRST, SECRET), {})
    elsewhere = sheet_key(ReviewSecret(b"x" * 32), FIRST.assignment)
    for data in (saved(LISTS, SECOND, {}), dump(seal(sheet, elsewhere)), dump(seal(sheet, b""))):
        with pytest.raises(CorruptError, match="its seal is not that of assignment"):
            check(data)


def sealed_as(**change: object) -> bytes:
    """Sealed by somebody who has the page and its key, and fills in something else."""
    sheet = finished(blind(LISTS, FIRST, SECRET), {}).model_copy(update=change)
    return dump(seal(sheet, sheet_key(SECRET, FIRST.assignment)))


NONE = ProbeFinding(probe="1", outcome="no_candidate", candidate=None, note="")
FAR = ProbeFinding(probe="1", outcome="potential_candidate", candidate="Z", note="")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"examiner": examiner(9)}, "names another review, case or examiner"),
        ({"case": "9" * 24}, "names another review, case or examiner"),
        ({"review": "9" * 32}, "names another review, case or examiner"),
        ({"assignment": SECOND.assignment}, "names another review, case or examiner"),
        ({"findings": (NONE,)}, "has 1 findings for 2 probes"),
        ({"findings": (FAR, NONE.model_copy(update={"probe": "2"}))}, "probe 1 has no face Z among its"),
    ],
)
def test_a_key_seals_answers_to_its_own_assignment_only(change: dict[str, object], words: str) -> None:
    with pytest.raises(CorruptError, match=words):
        check(sealed_as(**change))


def test_keys_differ_and_are_not_what_faces_are_ordered_by() -> None:
    keys = [sheet_key(SECRET, FIRST.assignment), sheet_key(SECRET, SECOND.assignment), SECRET.value]
    assert len(set(keys)) == 3
    assert all(len(key) == 32 for key in keys)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "sheet.json: is empty; save the sheet again from the page$"),
        (b"\xff\xfe{}", "sheet.json: is not JSON; save the sheet again from the page$"),
        (b"[]", "a JSON object is expected, found list"),
        (b"{}", "sheet: Field required"),
        (b"[" * 100_000, "sheet.json: "),
        (b'{"sheet":' * 50_000, "sheet.json: "),
        (saved(LISTS, FIRST, {}).replace(b'"note":""', b'"note":"\\ud800"', 1), "sheet.json: "),
        (saved(LISTS, FIRST, {}).replace(b'{"seal"', b'{"by":"me","seal"', 1), "unknown key 'by'"),
    ],
)
def test_what_is_no_sheet_is_refused_with_its_name(data: bytes, words: str) -> None:
    with pytest.raises(StopError, match=words):
        check(data)


def test_a_file_larger_than_any_sheet_is_not_read() -> None:
    with pytest.raises(StopError, match=f"a finished sheet at most {MAX_SHEET_BYTES}"):
        check(b" " * (MAX_SHEET_BYTES + 1))


def test_the_largest_sheet_is_read() -> None:
    lists = case(1, (1,) * 64, 0.0)
    assignment = pair(lists)[0]
    file = json.loads(saved(lists, assignment, {}, "\U0001f600" * 2000))
    data = json.dumps(file, indent=2).encode()
    assert len(data) > 64 * 2000 * 12
    check_sealed(read_sealed(data, origin="large"), assignment, SECRET, origin="large")


def test_a_sealed_sheet_survives_its_stored_form() -> None:
    data = saved(LISTS, FIRST, {"1": "B"}, "é\n\u2028😀")
    assert dump(load(SealedSheet, data, origin="here")) == data
