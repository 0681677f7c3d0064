"""Imports: each sheet once, the first of an assignment stands, whatever happens on the way and however many import."""

import itertools
import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facebatch.errors import CorruptError, FacebatchError, NotFoundError, RetryableError, StopError
from facebatch.review.assignments import assign_third
from facebatch.review.imports import import_sheet, read_sheets
from facebatch.review.outcomes import FinishedSheet
from facebatch.review.queue import find_review, put_pair, put_third
from facebatch.storage import layout
from facebatch.storage.local import LocalStore
from facebatch.storage.memory import MemoryStore
from facebatch.storage.store import ObjectStore
from reviewed import AT, LOAD, SECRET, case, pair, saved
from simulation.faults import Faults
from simulation.scheduler import Scheduler
from simulation.store import SimulatedStore

LISTS = case()
PAIR = pair(LISTS)
FIRST, SECOND = PAIR
REVIEW = FIRST.docket.review
FILE = saved(LISTS, FIRST, {"1": "A"})
OTHERS = [saved(LISTS, FIRST, {"1": "A"}, f"note {number}") for number in range(8)]
names = itertools.count()


@pytest.fixture(params=["local", "memory"])
def results(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    store: ObjectStore = LocalStore(tmp_path) if request.param == "local" else MemoryStore(uuid.uuid4().hex)
    put_pair(store, PAIR)
    return store


def stored(results: ObjectStore) -> list[str]:
    return [info.key for info in results.list(layout.review_sheets(REVIEW))]


def take(results: ObjectStore, data: bytes) -> FinishedSheet:
    return import_sheet(results, data, SECRET, origin="sheet.json").sheet


def test_the_same_sheet_twice_is_one_import(results: ObjectStore) -> None:
    first = import_sheet(results, FILE, SECRET, origin="sheet.json")
    again = import_sheet(results, json.dumps(json.loads(FILE), indent=2).encode(), SECRET, origin="copy.json")
    assert (first.assignment, first.repeated, again.repeated) == (FIRST, False, True)
    assert again.sheet == first.sheet
    assert stored(results) == [layout.review_sheet(REVIEW, FIRST.assignment)]
    assert read_sheets(results, REVIEW, SECRET) == ((FIRST, first.sheet),)


def test_another_sheet_of_the_same_assignment_is_refused(results: ObjectStore) -> None:
    take(results, FILE)
    before = results.get(stored(results)[0])
    with pytest.raises(StopError, match=r"finished 2026-03-01 09:07 UTC, was imported before and stands"):
        take(results, OTHERS[0])
    assert results.get(stored(results)[0]) == before


def test_sheets_are_read_by_seat(results: ObjectStore) -> None:
    third = put_third(results, assign_third(PAIR, LOAD, "seed", AT))
    for assignment in (third, SECOND, FIRST):
        take(results, saved(LISTS, assignment, {}))
    assert [assignment for assignment, _ in read_sheets(results, REVIEW, SECRET)] == [FIRST, SECOND, third]
    review = find_review(results, REVIEW)
    assert review is not None
    assert review.waiting == ()


def test_nothing_is_stored_of_what_is_refused(results: ObjectStore) -> None:
    third = assign_third(PAIR, LOAD, "seed", AT)
    elsewhere = case(7)
    refused = [
        (FILE.replace(b'"candidate":"A"', b'"candidate":"B"'), CorruptError, "was edited or comes from elsewhere"),
        (saved(LISTS, third, {}), NotFoundError, f"has no assignment {third.assignment}"),
        (saved(elsewhere, pair(elsewhere)[0], {}), NotFoundError, "import the sheet into the results"),
        (b"{}", CorruptError, "sheet: Field required"),
    ]
    for data, kind, words in refused:
        with pytest.raises(kind, match=words):
            take(results, data)
    assert stored(results) == []
    with pytest.raises(NotFoundError, match="has no review"):
        read_sheets(results, "0" * 32, SECRET)


def test_a_stored_sheet_that_was_altered_is_told_when_it_is_read(results: ObjectStore) -> None:
    take(results, FILE)
    key = stored(results)[0]
    results.put(key, results.get(key).replace(b'"candidate":"A"', b'"candidate":"B"'))
    with pytest.raises(CorruptError, match=f"{FIRST.assignment}.json: its seal is not that"):
        read_sheets(results, REVIEW, SECRET)


def test_of_many_imports_at_once_one_stands_and_its_copies_are_told_so(results: ObjectStore) -> None:
    files = [data for data in OTHERS for _ in range(2)]
    together = threading.Barrier(len(files))

    def race(data: bytes) -> FinishedSheet | None:
        together.wait()
        try:
            return take(results, data)
        except StopError:
            return None

    with ThreadPoolExecutor(len(files)) as pool:
        told = list(pool.map(race, files))
    [(_, stands)] = read_sheets(results, REVIEW, SECRET)
    winners = [sheet for sheet in told if sheet is not None]
    assert winners == [stands, stands]
    assert len(stored(results)) == 1


@pytest.mark.parametrize("faults", [Faults(lost=0.4), Faults(late=0.4), Faults(refused=0.4), Faults(crash=0.2)])
def test_whatever_happens_on_the_way_one_sheet_stands_and_nobody_is_told_wrong(faults: Faults) -> None:
    taken = 0
    for seed in range(60):
        results = SimulatedStore(f"imports-{next(names)}")
        put_pair(results, PAIR)
        told: dict[str, FinishedSheet | str | None] = {}

        def run(name: str, data: bytes, results: SimulatedStore = results, told: dict = told) -> None:
            try:
                told[name] = take(results, data)
            except RetryableError:
                told[name] = "unknown"
            except FacebatchError:
                told[name] = None

        scheduler = Scheduler(seed, 0.0, faults)
        for name, data in zip("abcd", OTHERS[:1] * 2 + OTHERS[1:2] * 2, strict=True):
            scheduler.spawn(name, lambda name=name, data=data: run(name, data))
        while scheduler.step():
            pass
        stands = [sheet for _, sheet in read_sheets(results, REVIEW, SECRET)]
        assert len(stored(results)) == len(stands) <= 1
        assert [sheet for sheet in told.values() if isinstance(sheet, FinishedSheet) and [sheet] != stands] == []
        if any(sheet is None for sheet in told.values()):
            assert len(stands) == 1
        for data in OTHERS[:2]:  # the same command again settles it
            try:
                take(results, data)
                taken += 1
            except StopError:
                assert [sheet for _, sheet in read_sheets(results, REVIEW, SECRET)] != []
    assert taken == 60
