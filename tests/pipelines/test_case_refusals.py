"""What is kept of a case that is refused: by it retention and holds know what was refused, and when."""

import json

import pytest

from casework import Case, Desk, case_of
from decided import Meanwhile, pack_file
from dying import Crash
from facebatch.cli import main
from facebatch.config import ExpireConfig
from facebatch.gallery.commits import find
from facebatch.governance import audit
from facebatch.governance.audit import AuditEvent
from facebatch.governance.retention import RetentionSpec
from facebatch.pipelines import case_search, cases, expire
from facebatch.pipelines.case_refusal import CaseRefusal, RefusingRule
from facebatch.pipelines.expire_report import ExpirePlan
from facebatch.pipelines.retention_holds import case_digest
from facebatch.pipelines.retention_survey import Results, StoredSearch, survey
from facebatch.storage import layout
from facebatch.storage.local import LocalStore
from facebatch.storage.settings import S3Spec
from worlds import LOCAL, QUIET, World

pytestmark = pytest.mark.integration
NAME = "case of Jo Doe"
RULE = {
    "id": "no-test",
    "kind": "forbid",
    "cite": "§ 1",
    "message": "no tests here",
    "when": [{"fact": "narrative", "op": "equals", "value": "forbidden"}],
}
DENIED: Case = case_of(NAME, {"uri": "does-not-exist.jpg"}, request={"narrative": "forbidden"})


@pytest.fixture
def desk(searchable: World) -> Desk:
    return Desk(searchable)


def refusals(desk: Desk) -> list[CaseRefusal]:
    keys = sorted(info.key for info in desk.results.list() if info.key.endswith(f"/{layout.REFUSAL}"))
    found = [find(desk.results, key, CaseRefusal) for key in keys]
    return [each for each in found if each is not None]


def expiring(desk: Desk) -> ExpireConfig:
    """Lists, and what counts as such, are due on the day itself."""
    spec = RetentionSpec(candidate_lists_days=0)
    return ExpireConfig(
        gallery=str(desk.root / "gallery"), results=str(desk.root / "results"), retention=spec, run=LOCAL
    )


def events(desk: Desk, action: str) -> list[AuditEvent]:
    gallery = LocalStore(desk.root / "gallery")
    every = (audit.read_event(gallery, seq) for seq in range(1, audit.last_seq(gallery) + 1))
    return [event for event in every if event.action == action]


def test_it_tells_who_asked_for_what_when_and_what_refused_it(desk: Desk) -> None:
    desk.run([DENIED], policy=pack_file(desk.root, RULE))
    [told] = refusals(desk)
    [event] = events(desk, "decision")
    assert (event.decision, event.resource) == ("denied", f"request:{told.request_sha256}")
    assert (told.event_id, told.actor, told.at, told.purpose) == (event.event_id, event.actor, event.at, "system_test")
    assert (told.case, told.rules, told.reason) == (
        case_digest(NAME),
        (RefusingRule(rule="tested.no-test", cite="§ 1"),),
        None,
    )
    assert {"floor", "tested"} <= told.packs.keys()
    stored = desk.results.get(f"{told.search_id}/{layout.REFUSAL}").decode()
    assert NAME not in stored
    assert "forbidden" not in stored


def test_what_no_pack_denies_has_its_reason_and_counts_as_refused_on_the_index(desk: Desk) -> None:
    probe = case_of("many", {"uri": "x.jpg"}, request={"gallery": {"evaluated": True}})
    report = desk.run([probe])
    [told] = refusals(desk)
    assert (report.refused, told.rules) == (1, ())
    assert "no evaluation approved snapshot" in str(told.reason)
    page = desk.results.get(report.index.partition("/results/")[2]).decode()
    assert "Cases refused</dt><dd>1<" in page
    assert "no evaluation approved snapshot" in desk.results.get(f"{told.search_id}/{layout.SHEET}").decode()


def test_it_is_there_before_a_probe_of_another_case_is_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*arguments: object) -> None:
        raise Crash

    monkeypatch.setattr(case_search, "embed_cases", dies)
    allowed = case_of("a", {"uri": desk.photo(desk.people[0])}, request={"narrative": "fine"})
    with pytest.raises(Crash):
        desk.run([allowed, DENIED], policy=pack_file(desk.root, RULE))
    assert [told.case for told in refusals(desk)] == [case_digest(NAME)]


def test_refused_while_it_is_searched_what_it_left_and_its_refusal_are_both_of_the_case(desk: Desk) -> None:
    listed = [case_of(NAME, {"uri": desk.photo(desk.people[0])}, request={"narrative": "forbidden"})]
    policy = pack_file(desk.root, {**RULE, "when": [{"fact": "narrative", "op": "equals", "value": "nothing"}]})
    cases.run(desk.config(listed, policy=policy), Meanwhile("match", lambda: pack_file(desk.root, RULE)))
    [told] = refusals(desk)
    found = {each.search_id: each for each in survey(Results(desk.results, S3Spec())) if isinstance(each, StoredSearch)}
    assert {each.about.case for each in found.values()} == {case_digest(NAME)}
    assert {search: each.state.is_finished for search, each in found.items()} == {
        search: search == told.search_id for search in found
    }
    assert len(found) == 2


def test_refused_again_its_record_and_its_sheet_are_of_the_last_time(desk: Desk) -> None:
    policy = pack_file(desk.root, RULE)
    desk.run([DENIED], policy=policy)
    [first] = refusals(desk)
    desk.run([DENIED], policy=policy)
    [again] = refusals(desk)
    assert (again.search_id, again.at > first.at) == (first.search_id, True)
    assert json.loads(desk.results.get(f"{again.search_id}/{layout.CASE}"))["made_at"] == again.at.isoformat()


def test_refused_again_after_retention_deleted_it_the_run_tells_both(desk: Desk) -> None:
    policy = pack_file(desk.root, RULE)
    desk.run([DENIED], policy=policy)
    config = expiring(desk)
    expire.run(config, QUIET, dry_run=False)
    assert refusals(desk) == []
    report = desk.run([DENIED], policy=policy)
    [told] = refusals(desk)
    assert f"{told.search_id}/sheet.html" in desk.results.get(report.index.partition("/results/")[2]).decode()
    found = expire.verify(config, QUIET)
    assert found.results is not None
    assert found.results.runs == ()
    assert found.searches is not None
    assert {due.search_id for due in found.searches.due} == {told.search_id}


def test_a_hold_of_its_case_covers_it_and_is_in_the_chain_of_the_gallery(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.run([DENIED], policy=pack_file(desk.root, RULE))
    [told] = refusals(desk)
    words = ["retention", "hold", "complaint", "--results", str(desk.root / "results"), "--case", NAME, "--json"]
    main([*words, "--reason", "a complaint", "--authority", "court 4", "--by", "unit 1"])
    answer = json.loads(capsys.readouterr().out)
    assert (answer["searches"], answer["not_recorded"]) == (1, [])
    assert [event.resource for event in events(desk, "hold")] == [f"case:{case_digest(NAME)}"]
    plan = expire.run(expiring(desk), QUIET)
    assert isinstance(plan, ExpirePlan)
    assert plan.searches is not None
    assert (plan.searches.due, plan.searches.unfinished) == ((), 0)
    assert [(held.search_id, held.classes) for held in plan.searches.held] == [
        (told.search_id, ("sheets", "candidate_lists"))
    ]
