"""What leaves after a review, and what does not, on real photos."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from decided import pack_file
from examined import CaseWorld
from facebatch.config import ExpireConfig
from facebatch.governance import audit_chain
from facebatch.governance.pseudonyms import known_pseudonym
from facebatch.pipelines import expire
from facebatch.pipelines.retention_authorise import Authorisation, put_authorisation
from facebatch.pipelines.retention_holds import Hold, case_digest, put_hold
from facebatch.pipelines.review_export_files import BYTE_ORDER_MARK
from facebatch.storage import layout
from filled_pages import NOTE, UNSURE, fill, pages
from reviewing import FIRST, MATES, SECOND, Review, agreed, document, events, export, hand_in
from worlds import LOCAL, QUIET

pytestmark = pytest.mark.integration


def test_what_two_agree_on_leaves_and_is_recorded(review: Review, case: CaseWorld) -> None:
    agreed(review, case, {FIRST: MATES[FIRST], SECOND: UNSURE})
    done = export(review, case, "--csv")
    assert (done["code"], done["outcomes"], done["open"]) == (
        0,
        {"inconclusive": 1, "no_candidate": 4, "potential_candidate": 1},
        0,
    )
    told = {(row["search"], row["probe_id"]): row for row in document(case)["results"]}
    lead = told[case.searches[0], FIRST]
    assert (lead["subject_id"], lead["rank"], lead["agreed"], lead["examined"]) == (MATES[FIRST], 1, 2, 2)
    assert lead["similarity"] == max(row["similarity"] for row in case.lists() if row["probe_id"] == FIRST)
    assert "not identifications" in lead["notice"]
    assert {row["basis"] for (search, _), row in told.items() if search == case.searches[1]} == {"empty_list"}
    assert len(list(case.folder().list(layout.LEADS))) == 3
    rates = {(each["errors"], each["lists"], each["value"]) for each in document(case)["examiners"]}
    assert rates == {(0, 3, 0.0)}
    reviews, exports = events(case, "review"), events(case, "export")
    assert {event.actor for event in reviews} == {page.parent.name for page in pages(case)}
    assert [event.resource for event in exports] == [f"search:{name}" for name in sorted(case.searches[:2])]
    [subject] = next(event.subjects for event in exports if event.resource.endswith(case.searches[0]))
    assert subject == known_pseudonym(case.gallery, "subject", MATES[FIRST])
    assert audit_chain.verify(case.gallery) == []
    rows = list(csv.DictReader(io.StringIO((case.root / "out" / "leads.csv").read_bytes().decode(), newline="")))
    assert {row["notes"] for row in rows if row["basis"] == "review"} == {f"'{NOTE}\n'{NOTE}"}
    assert {row[f"{BYTE_ORDER_MARK}case_id"] for row in rows} == {"case 1", "case 2"}


def test_nothing_leaves_that_two_have_not_seen(review: Review, case: CaseWorld) -> None:
    one, _ = pages(case)
    hand_in(review, case, fill(case, one, MATES))
    done = export(review, case)
    assert (done["outcomes"], done["open"]) == ({"no_candidate": 3}, 3)
    assert {row["basis"] for row in document(case)["results"]} == {"empty_list"}
    assert not list(case.folder().list(layout.LEADS))


def hold(case: CaseWorld) -> None:
    act = {"reason": "r", "authority": "a", "by": "b"}
    wanted = Hold(name="h", case=case_digest("case 1"), at=datetime.now(UTC), **act)
    put_hold(case.results, wanted)


def refuse(case: CaseWorld) -> None:
    put_authorisation(case.folder(), Authorisation(outcome="refused", by="b", at=datetime.now(UTC)), None)


def let_pass(case: CaseWorld) -> None:
    request = case.manifest().request.model_dump(mode="json")
    case.change(request=request | {"authority": {"pending_until": "2026-01-01T00:00:00Z"}})


def ask_for_packs(case: CaseWorld) -> None:
    case.change(packs=case.manifest().packs | {"elsewhere": "a" * 64})


@pytest.mark.parametrize(
    ("hinder", "code", "words"),
    [
        (hold, 2, "is under legal hold (h)"),
        (refuse, 77, "authorisation of this search was refused"),
        (let_pass, 77, "did not come before 2026-01-01"),
        (ask_for_packs, 2, "packs elsewhere decided it and are not given"),
    ],
)
def test_what_may_not_leave_does_not_and_the_rest_does(
    review: Review, case: CaseWorld, hinder: Callable[[CaseWorld], None], code: int, words: str
) -> None:
    agreed(review, case, MATES)
    hinder(case)
    done = export(review, case)
    assert (done["code"], done["outcomes"]) == (code, {"no_candidate": 3})
    assert words in done["error"]
    assert not list(case.folder().list(layout.LEADS))


def test_packs_decide_again_at_the_export(review: Review, case: CaseWorld) -> None:
    agreed(review, case, MATES)
    forbid = {"id": "no", "kind": "forbid", "cite": "law 7", "message": "nothing leaves"}
    when = [
        {"fact": "action", "op": "equals", "value": "export"},
        {"fact": "case_id", "op": "equals", "value": "case 1"},
    ]
    spec = pack_file(case.root, forbid | {"when": when})
    done = export(review, case, "--policy.packs", *spec.packs)
    assert (done["code"], done["outcomes"]) == (77, {"no_candidate": 3})
    assert "law 7" in done["error"]
    assert [event.decision for event in events(case, "decision")][-2:].count("denied") == 1
    assert {event.resource for event in events(case, "export")} == {f"search:{case.searches[1]}"}


def test_who_was_erased_since_does_not_leave(review: Review, case: CaseWorld) -> None:
    agreed(review, case, MATES)
    orders = case.root / "orders.csv"
    orders.write_text(f"kind,id,reason,authority\nsubject,{MATES[FIRST]},asked for it,a court\n")
    expire.run(ExpireConfig(gallery=str(case.root / "gallery"), deletions=str(orders), run=LOCAL), QUIET, dry_run=False)
    done = export(review, case)
    assert done["withheld"] == {f"{case.searches[0]} {FIRST}": "the candidate was erased from the gallery since"}
    assert done["outcomes"] == {"no_candidate": 3, "potential_candidate": 2}
    assert MATES[FIRST] not in {row["subject_id"] for row in document(case)["results"]}
