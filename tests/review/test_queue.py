"""Assignments in a store: whoever assigns first has decided, and what does not fit together is refused."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from facebatch.errors import CorruptError
from facebatch.review.assignments import Assignment, assign_third, assign_two
from facebatch.review.queue import find_review, list_reviews, open_cases, put_pair, put_third
from facebatch.storage import layout
from facebatch.storage.documents import dump
from facebatch.storage.memory import MemoryStore
from reviewed import AT, LOAD, REQUESTER, case, docket, pair, saved

LISTS = case()
PAIR = pair(LISTS)
REVIEW = PAIR[0].docket.review


@pytest.fixture
def results() -> MemoryStore:
    return MemoryStore(uuid.uuid4().hex)


def test_a_case_assigned_by_several_at_once_has_two_examiners(results: MemoryStore) -> None:
    wanted = [assign_two(docket(LISTS), LOAD, str(seed), AT) for seed in range(8)]
    assert len(set(wanted)) > 1
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda pair: put_pair(results, pair), wanted))
    assert len(set(told)) == 1
    thirds = [assign_third(told[0], LOAD, str(seed), AT) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        decided = list(pool.map(lambda third: put_third(results, third), thirds))
    assert len(set(decided)) == 1
    review = find_review(results, REVIEW)
    assert review is not None
    assert review.assignments == (*told[0], decided[0])
    assert len({assignment.examiner for assignment in review.assignments} | {REQUESTER}) == 4


def test_what_waits_is_what_has_no_sheet(results: MemoryStore) -> None:
    other = pair(case(2))
    put_pair(results, PAIR)
    put_pair(results, other)
    results.put(layout.review_sheet(REVIEW, PAIR[0].assignment), saved(LISTS, PAIR[0], {}))
    results.put(f"{layout.REVIEWS}notes.txt", b"")
    reviews = list_reviews(results)
    assert [review.assignments for review in reviews] == sorted((PAIR, other), key=lambda two: two[0].docket.review)
    found = find_review(results, REVIEW)
    assert found is not None
    assert found.waiting == (PAIR[1],)
    waiting = [PAIR[1].examiner, *(assignment.examiner for assignment in other)]
    assert open_cases(reviews, LOAD) == {name: waiting.count(name) for name in LOAD}
    assert find_review(results, "0" * 32) is None


def bad_thirds() -> list[Assignment]:
    third = assign_third(PAIR, LOAD, "seed", AT)
    elsewhere = third.docket.model_copy(update={"case": "9" * 24})
    changes = [{"examiner": PAIR[1].examiner}, {"examiner": REQUESTER}, {"seat": 1}, {"docket": elsewhere}]
    return [third.model_copy(update=change) for change in changes]


@pytest.mark.parametrize("third", bad_thirds())
def test_a_third_who_may_not_is_refused_when_put_and_when_read(results: MemoryStore, third: Assignment) -> None:
    put_pair(results, PAIR)
    with pytest.raises(CorruptError, match="neither the requester nor one of the first two"):
        put_third(results, third)
    assert find_review(results, REVIEW) is not None
    results.put(layout.review_third(REVIEW), dump(third))
    with pytest.raises(CorruptError, match="neither the requester nor one of the first two"):
        find_review(results, REVIEW)
    with pytest.raises(CorruptError, match="neither the requester nor one of the first two"):
        put_third(results, assign_third(PAIR, LOAD, "seed", AT))


def test_a_third_without_a_first_two_is_refused(results: MemoryStore) -> None:
    with pytest.raises(CorruptError, match="never given to two examiners"):
        put_third(results, assign_third(PAIR, LOAD, "seed", AT))


def test_a_stored_pair_that_is_none_is_refused(results: MemoryStore) -> None:
    put_pair(results, PAIR)
    data = results.get(layout.review_pair(REVIEW))
    for old, new in (
        (PAIR[1].examiner, PAIR[0].examiner),
        (PAIR[1].examiner, REQUESTER),
        ('"seat":2', '"seat":1'),
        (PAIR[0].docket.case, "9" * 24),
    ):
        results.put(layout.review_pair(REVIEW), data.replace(old.encode(), new.encode(), 1))
        with pytest.raises(CorruptError, match="assignments: "):
            find_review(results, REVIEW)
    results.put(layout.review_pair("a" * 32), data)
    with pytest.raises(CorruptError, match="holds another review"):
        find_review(results, "a" * 32)
