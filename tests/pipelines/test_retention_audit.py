"""What people decide about past searches is in the chain of every gallery that was searched, before it takes effect."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facebatch.cli import main
from facebatch.errors import RetryableError
from facebatch.governance import audit_chain, audit_report, statute_report
from facebatch.governance.audit import AuditEvent
from facebatch.governance.pseudonyms import known_pseudonym
from facebatch.pipelines.retention_holds import case_digest
from facebatch.storage import layout
from facebatch.storage.local import LocalStore
from gallery.small import Shard, SmallGallery, objects
from retained import CASE, Retained

WHY = ("--reason", "of Jo Doe", "--by", "Officer Doe")
ACT = (*WHY, "--authority", "Judge Doe")
GRANT = ("--ref", "Doe 4/26", "--kind", "warrant", "--by", "Officer Doe")
SOON = datetime.now(UTC) + timedelta(hours=9)


def gallery(root: Path, name: str) -> str:
    SmallGallery(LocalStore(root / name)).embed(Shard("a"))
    return str(root / name)


@pytest.fixture
def past(tmp_path: Path) -> Retained:
    return Retained(tmp_path, gallery=gallery(tmp_path, "gallery"))


def run(capsys: pytest.CaptureFixture[str], past: Retained, *arguments: str) -> dict[str, Sequence[str]]:
    main(["retention", *arguments, "--results", str(past.root / "results"), "--json"])
    found: dict[str, Sequence[str]] = json.loads(capsys.readouterr().out)
    return found


def events(past: Retained, where: str | None = None) -> list[AuditEvent]:
    """Those of retention, whose chain is whole."""
    store = LocalStore(Path(where or past.gallery))
    assert audit_chain.verify(store) == []
    return [event for event in audit_chain.read_chain(store) if event.action in statute_report.RETENTION]


def lines(found: Sequence[AuditEvent]) -> list[tuple[str, str, str]]:
    return [(event.action, event.decision, event.resource) for event in found]


def test_every_act_is_an_event_of_its_own(capsys: pytest.CaptureFixture[str], past: Retained) -> None:
    first, second = past.search(1, pending_until=SOON), past.search(2, pending_until=SOON)
    told = run(capsys, past, "authorise", first, *GRANT)
    assert (told["recorded_in"], told["not_recorded"]) == ([past.gallery], [])
    run(capsys, past, "refuse", second, *WHY)
    run(capsys, past, "revoke", first, *WHY)
    run(capsys, past, "hold", "of-doe", "--case", CASE, *ACT)
    run(capsys, past, "hold", "one", "--search", second, *ACT)
    run(capsys, past, "release", "of-doe", *ACT)
    run(capsys, past, "close", CASE, "--on", "2026-05-20", "--by", "Officer Doe")
    found, case = events(past), f"case:{case_digest(CASE)}"
    assert lines(found) == [
        ("authorisation", "allowed", f"search:{first}"),
        ("authorisation", "denied", f"search:{second}"),
        ("authorisation", "denied", f"search:{first}"),
        ("hold", "allowed", case),
        ("hold", "allowed", f"search:{second}"),
        ("release", "allowed", case),
        ("case_close", "allowed", case),
    ]
    assert [event.authority for event in found] == ["warrant", *[None] * 6]
    assert len({event.event_id for event in found}) == len(found)
    assert {event.actor for event in found} == {known_pseudonym(LocalStore(Path(past.gallery)), "actor", "Officer Doe")}
    assert not any("doe" in event.model_dump_json().casefold() for event in found)


ACTS: Sequence[tuple[str, Callable[[str], Sequence[str]]]] = (
    ("authorisation.json", lambda search: ("authorise", search, *GRANT)),
    ("authorisation.json", lambda search: ("refuse", search, *WHY)),
    ("holds", lambda search: ("hold", "h", "--search", search, *ACT)),
    ("cases", lambda search: ("close", CASE, "--on", "2026-05-20", "--by", "Officer Doe")),
)


@pytest.mark.parametrize(("key", "act"), ACTS)
def test_it_is_recorded_before_and_a_rerun_counts_once(
    capsys: pytest.CaptureFixture[str],
    past: Retained,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    act: Callable[[str], Sequence[str]],
) -> None:
    search = past.search(1, pending_until=SOON)
    before = objects(past.store)
    for part, recorded in ((layout.AUDIT, 0), (key, 1)):
        with monkeypatch.context() as patch:
            patch.setattr(LocalStore, "put_if_absent", _failing_at(part))
            with pytest.raises(SystemExit) as stop:
                main(["retention", *act(search), "--results", str(past.root / "results"), "--quiet"])
        assert (stop.value.code, "does not answer" in capsys.readouterr().err) == (75, True)
        assert (objects(past.store), len(events(past))) == (before, recorded)
    run(capsys, past, *act(search))
    told = run(capsys, past, *act(search))
    assert len({event.event_id for event in events(past)}) == 1
    assert events(past)[-1].at == datetime.fromisoformat(str(told["at"]))


def _failing_at(part: str) -> Callable[[LocalStore, str, bytes], bool]:
    put = LocalStore.put_if_absent

    def guarded(store: LocalStore, key: str, data: bytes) -> bool:
        if part in key:
            raise RetryableError(f"{store.uri}/{key}: does not answer; run it again")
        return put(store, key, data)

    return guarded


def test_what_is_refused_leaves_no_event(capsys: pytest.CaptureFixture[str], past: Retained) -> None:
    search = past.search(1)
    for act in (("authorise", search, *GRANT), ("revoke", search, *WHY), ("release", "h", *ACT)):
        with pytest.raises(SystemExit):
            main(["retention", *act, "--results", str(past.root / "results")])
    assert events(past) == []


def test_a_case_of_several_galleries_is_in_the_chain_of_each(
    capsys: pytest.CaptureFixture[str], past: Retained
) -> None:
    other, third = gallery(past.root, "other"), gallery(past.root, "third")
    past.search(1)
    past.search(2, gallery=other)
    past.search(3, gallery=third, case="another")
    told = run(capsys, past, "hold", "h", "--case", CASE, *ACT)
    assert told["recorded_in"] == sorted([past.gallery, other])
    (here,), (there,) = events(past), events(past, other)
    assert (here.event_id, here.resource) == (there.event_id, there.resource)
    assert here.actor != there.actor, "a pseudonym is of one gallery"
    assert events(past, third) == []


def test_searches_that_know_no_gallery_are_told_and_not_failed(
    capsys: pytest.CaptureFixture[str], past: Retained
) -> None:
    older = past.search(1, finished=False)
    told = run(capsys, past, "hold", "h", "--search", older, *ACT)
    assert (told["recorded_in"], layout.hold("h") in objects(past.store)) == ([], True)
    assert told["not_recorded"] == [
        f"search {older}: nothing says which gallery was searched, so no audit chain has this; give --gallery to "
        "record it in the chain of one"
    ]
    assert run(capsys, past, "hold", "h", "--search", older, *ACT, "--gallery", past.gallery)["not_recorded"] == []
    assert lines(events(past)) == [("hold", "allowed", f"search:{older}")]
    (sentence,) = run(capsys, past, "close", "of nobody", "--on", "2026-05-20", "--by", "u")["not_recorded"]
    assert sentence.startswith("no search is stored that it is about, so no audit chain has this")


def test_a_gallery_that_is_gone_stops_the_act_and_is_not_made_anew(
    capsys: pytest.CaptureFixture[str], past: Retained
) -> None:
    gone = past.root / "gone"
    search = past.search(1, gallery=str(gone))
    before = objects(past.store)
    act = ["retention", "hold", "h", "--search", search, *ACT, "--results", str(past.root / "results")]
    for more, words in (([], f"{gone}: was searched and is no gallery any more"), (["--gallery", "none"], "/none has")):
        with pytest.raises(SystemExit) as stop:
            main([*act, *more])
        assert (stop.value.code, words in capsys.readouterr().err) == (2, True)
    assert (objects(past.store), gone.exists()) == (before, False)
    assert run(capsys, past, *act[1:5], *ACT, "--gallery", past.gallery)["recorded_in"] == [past.gallery]


def test_reports_count_no_search_or_refused_request_more(capsys: pytest.CaptureFixture[str], past: Retained) -> None:
    for number in range(6):
        search = past.search(number, pending_until=SOON)
        run(capsys, past, "refuse", search, *WHY)
        run(capsys, past, "hold", f"h{number}", "--search", search, *ACT)
    every = list(audit_chain.read_chain(LocalStore(Path(past.gallery))))
    without = [event for event in every if event.action not in statute_report.RETENTION]
    year = datetime.now(UTC).year
    after, before = (statute_report.report(found, year, "us-md", []) for found in (every, without))
    assert (after.requests, after.gallery, after.no_jurisdiction) == (
        before.requests,
        before.gallery,
        before.no_jurisdiction,
    )
    assert after.retention.table == {"authorisation, refused": "6", "hold": "6"}
    assert "events on results of past searches: 12" in statute_report.text(after)
    told, untold = (audit_report.summarise(found, year, "us-md") for found in (every, without))
    assert (told.events, told.tables) == (untold.events, untold.tables)
