"""The job that searches cases: every case decided by itself, every probe with one outcome, on real photos."""

import json
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from casework import Case, Desk, case_of
from decided import Meanwhile, pack_file
from facebatch.cases.settings import SheetSpec
from facebatch.config import ExpireConfig
from facebatch.errors import ConfigError, ForbiddenError, StopError
from facebatch.faces.degrade import Recipe, degrade
from facebatch.governance import audit
from facebatch.governance.retention import RetentionSpec
from facebatch.pipelines import cases, embed, expire, index, reindex
from facebatch.pipelines.case_embedding import CaseLeave, CaseProbe, EmbedCasesTask
from facebatch.pipelines.case_plan import PlannedCase, plan_case, prepare
from facebatch.pipelines.cases import CasesPreview
from facebatch.pipelines.people import People
from facebatch.pipelines.retention_holds import Hold, case_digest, put_hold
from facebatch.pipelines.search import read_candidates, read_outcomes
from facebatch.storage.local import LocalStore
from images.video_makers import Person, Video, scene, write_video
from worlds import LOCAL, QUIET, World

pytestmark = pytest.mark.integration
AS_IS = Recipe()


@pytest.fixture
def desk(searchable: World) -> Desk:
    return Desk(searchable)


def folder(desk: Desk, search: str) -> LocalStore:
    return LocalStore(desk.root / "results" / search)


def digests(root: Path) -> dict[str, bytes]:
    """Files that must not differ between runs, by path."""
    kept = ("candidates/", "outcomes.parquet", "blocks/", "faces/", "case.json", "sheet.html")
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and any(part in str(path) for part in kept) and "cells" not in path.parts
    }


def test_each_case_is_a_search_of_its_own_with_its_mate_first(desk: Desk) -> None:
    people = desk.people[:3]
    report = desk.run([case_of(f"case {each}", {"uri": desk.photo(each)}) for each in people])
    assert (report.cases, report.searched, report.refused, report.probes) == (3, 3, 0, 3)
    assert (report.with_candidates, report.candidates, report.outcomes) == (3, 9, {"ok": 3})
    found = desk.manifests()
    for each in people:
        [manifest] = found[f"case {each}"]
        assert (manifest.rows_scanned, manifest.probes, manifest.request.case_id) == (8, 1, f"case {each}")
        assert manifest.people == People(subjects=8, unlabelled=0)
        [first, *_] = read_candidates(folder(desk, manifest.search_id), manifest).to_pylist()
        assert (first["probe_id"], first["subject_id"], first["rank"]) == ("p1", each, 1)


def test_a_probe_is_all_its_media_and_one_outcome(desk: Desk) -> None:
    person = desk.people[0]
    other = desk.root / "blank.png"
    cv2.imwrite(str(other), np.zeros((64, 64, 3), np.uint8))
    media = [{"uri": desk.photo(person)}, {"uri": "missing.jpg"}, {"uri": "blank.png"}]
    desk.run([case_of("a", *media)])
    [manifest] = desk.manifests()["a"]
    assert read_outcomes(folder(desk, manifest.search_id), manifest)["outcome"].to_pylist() == ["ok"]
    record = json.loads(folder(desk, manifest.search_id).get("case.json"))
    seen = [(each["name"], each["outcome"], each["used"]) for each in record["probes"][0]["media"]]
    assert [outcome for _, outcome, _ in seen] == ["ok", "missing", "no_face"]
    assert [used for _, _, used in seen] == [True, False, False]


def test_two_people_in_one_probe_are_asked_about(desk: Desk) -> None:
    one, other = desk.people[:2]
    enrolled = str(next((desk.root / "gallery-photos" / one).iterdir()))
    desk.run(
        [
            case_of("two", {"uri": desk.photo(one)}, {"uri": desk.photo(other)}),
            case_of("one", {"uri": desk.photo(one)}, {"uri": enrolled}),
        ]
    )
    told = {}
    for name, [manifest] in desk.manifests().items():
        [told[name]] = json.loads(folder(desk, manifest.search_id).get("case.json"))["probes"]
        page = folder(desk, manifest.search_id).get("sheet.html").decode()
        assert ("is it the same person?" in page) == (name == "two")
    assert told["one"]["doubts"] == [None for each in told["one"]["media"] if each["reason"]] == []
    [doubt] = told["two"]["doubts"]
    asked = re.fullmatch(r"(\S+) resembles the rest of this probe at only (-?0\.\d\d): is it the same person\?", doubt)
    assert asked is not None
    assert (asked[1], float(asked[2]) < 0.35) == (told["two"]["media"][1]["name"], True)
    assert [each["reason"] for each in told["two"]["media"]] == [None, doubt.partition(" ")[2]]
    assert (told["two"]["outcome"], told["two"]["media"][1]["used"]) == ("ok", True)


def test_what_gives_no_template_is_a_row_with_its_reason(desk: Desk) -> None:
    left, right = (cv2.imread(desk.photo(person)) for person in desk.people[:2])
    height = min(len(left), len(right))
    cv2.imwrite(str(desk.root / "two.png"), np.hstack([left[:height], right[:height]]))
    (desk.root / "broken.jpg").write_bytes(b"\xff\xd8nothing")
    at_left = [left.shape[1] / 2, height / 2]
    desk.run(
        [
            case_of("two", {"uri": "two.png"}),
            case_of("designated", {"uri": "two.png", "face": at_left}),
            case_of("broken", {"uri": "broken.jpg"}),
            case_of("missing", {"uri": "none.jpg"}),
        ]
    )
    outcomes = {
        name: read_outcomes(folder(desk, manifest.search_id), manifest).to_pylist()[0]
        for name, [manifest] in desk.manifests().items()
    }
    assert {name: row["outcome"] for name, row in outcomes.items()} == {
        "two": "several_faces_none_designated",
        "designated": "ok",
        "broken": "decode_error",
        "missing": "missing",
    }
    assert "say where the face is" in outcomes["two"]["reason"]
    [manifest] = desk.manifests()["designated"]
    [first, *_] = read_candidates(folder(desk, manifest.search_id), manifest).to_pylist()
    assert first["subject_id"] == desk.people[0]


def test_a_refused_case_has_a_sheet_with_reasons_and_nothing_of_it_is_read(desk: Desk) -> None:
    person = desk.people[0]
    rule = {
        "id": "no-test",
        "kind": "forbid",
        "cite": "§ 1",
        "message": "no tests here",
        "when": [{"fact": "narrative", "op": "equals", "value": "forbidden"}],
    }
    listed: list[Case] = [
        case_of("allowed", {"uri": desk.photo(person)}, request={"narrative": "fine"}),
        case_of("denied", {"uri": "does-not-exist.jpg"}, request={"narrative": "forbidden"}),
    ]
    report = desk.run(listed, policy=pack_file(desk.root, rule))
    assert (report.searched, report.refused, report.probes) == (1, 1, 1)
    assert set(desk.manifests()) == {"allowed"}
    [run] = [info.key for info in desk.results.list("runs/") if info.key.endswith("manifest.json")]
    entries = {entry["case"]: entry for entry in json.loads(desk.results.get(run))["searches"]}
    denied = entries[case_digest("denied")]
    assert (denied["status"], sorted(denied["files"])) == ("refused", ["case.json", "refusal.json", "sheet.html"])
    stored = sorted(info.key for info in folder(desk, denied["search_id"]).list())
    assert stored == ["case.json", "refusal.json", "sheet.html"]
    page = folder(desk, denied["search_id"]).get("sheet.html").decode()
    assert "No tests here" in page or "no tests here" in page
    assert "§ 1" in page
    gallery = LocalStore(desk.root / "gallery")
    events = [audit.read_event(gallery, seq) for seq in range(1, audit.last_seq(gallery) + 1)]
    assert sorted(event.decision for event in events if event.action == "decision") == ["allowed", "denied"]


def test_a_probe_that_the_packs_refuse_is_a_row_and_the_others_are_searched(desk: Desk) -> None:
    rule = {
        "id": "no-sketch",
        "kind": "forbid",
        "cite": "§ 2",
        "message": "no sketches",
        "when": [{"fact": "probe.is_sketch", "op": "equals", "value": True}],
    }
    photo = desk.photo(desk.people[0])
    case = {
        "case_id": "a",
        "probes": [
            {"probe_id": "p1", "media": [{"uri": photo}], "facts": {"is_sketch": False}},
            {"probe_id": "p2", "media": [{"uri": "not-even-there.jpg"}], "facts": {"is_sketch": True}},
        ],
    }
    report = desk.run([case], policy=pack_file(desk.root, rule))
    assert report.outcomes == {"ok": 1, "policy_denied": 1}
    [manifest] = desk.manifests()["a"]
    rows = {row["image_id"]: row for row in read_outcomes(folder(desk, manifest.search_id), manifest).to_pylist()}
    assert "§ 2" in rows["p2"]["reason"]
    assert set(read_candidates(folder(desk, manifest.search_id), manifest)["probe_id"].to_pylist()) == {"p1"}


def test_the_same_run_again_does_no_work_and_gives_the_same_bytes(desk: Desk) -> None:
    listed = [case_of(f"case {each}", {"uri": desk.photo(each)}) for each in desk.people[:2]]
    first = desk.run(listed)
    before = digests(desk.root / "results")
    again = desk.run(listed, run=LOCAL.model_copy(update={"workers": 1}))
    assert digests(desk.root / "results") == before
    assert (again.index, again.candidates, again.pictures) == (first.index, first.candidates, 0)


def test_another_number_of_workers_gives_the_same_bytes(desk: Desk) -> None:
    listed = [case_of(f"case {each}", {"uri": desk.photo(each)}) for each in desk.people[:3]]
    desk.run(listed)
    parts = ("candidates/", "outcomes.parquet", "faces/")
    before = {name: data for name, data in digests(desk.root / "results").items() if any(p in name for p in parts)}
    shutil.rmtree(desk.root / "results")
    desk.run(listed, run=LOCAL.model_copy(update={"workers": 1}))
    assert {name: data for name, data in digests(desk.root / "results").items() if name in before} == before


def test_a_run_killed_before_its_pictures_is_completed(desk: Desk) -> None:
    listed = [case_of("a", {"uri": desk.photo(desk.people[0])})]
    desk.run(listed)
    [manifest] = desk.manifests()["a"]
    store = folder(desk, manifest.search_id)
    pictures = {info.key: store.get(info.key) for info in store.list("faces/")}
    sheet = store.get("sheet.html")
    for key in pictures:
        store.delete(key)
    store.delete("sheet.html")
    assert desk.run(listed).pictures == 3
    assert {info.key: store.get(info.key) for info in store.list("faces/")} == pictures
    assert store.get("sheet.html") == sheet


def test_a_pack_that_begins_during_the_scan_refuses_that_case_alone(desk: Desk) -> None:
    listed = [
        case_of("a", {"uri": desk.photo(desk.people[0])}, request={"narrative": "fine"}),
        case_of("b", {"uri": desk.photo(desk.people[1])}, request={"narrative": "forbidden"}),
    ]
    rule = {
        "id": "late",
        "kind": "forbid",
        "cite": "§ 3",
        "message": "not any more",
        "when": [{"fact": "narrative", "op": "equals", "value": "forbidden"}],
    }
    policy = pack_file(desk.root, {**rule, "when": [{"fact": "narrative", "op": "equals", "value": "nothing"}]})
    config = desk.config(listed, policy=policy)
    cases.run(config, Meanwhile("match", lambda: pack_file(desk.root, rule)))
    assert set(desk.manifests()) == {"a"}


def test_a_dry_run_writes_nothing_and_reads_no_medium(desk: Desk) -> None:
    listed = [
        case_of("a", {"uri": desk.photo(desk.people[0])}),
        case_of("b", {"uri": "x.jpg"}, request={"purpose": None}),
    ]
    plan = cases.run(desk.config(listed), QUIET, dry_run=True)
    assert isinstance(plan, CasesPreview)
    assert (plan.cases, plan.to_search, plan.finished, plan.probes, plan.media) == (2, 2, 0, 2, 2)
    assert not (desk.root / "results").exists()


def test_a_standing_case_is_searched_in_what_is_new_alone(world: World) -> None:
    embed.run(world.embed(), QUIET)
    index.run(world.index(), QUIET)
    desk = Desk(world)
    person, newcomer = desk.people[0], desk.people[1]
    listed = [case_of("a", {"uri": desk.photo(person)}, standing=True)]
    desk.run(listed, standing=True)
    assert (quiet := desk.run(listed, standing=True)).unchanged == 1
    assert quiet.searched == 0
    added = desk.root / "gallery-photos" / "zz-again"
    added.mkdir()
    shutil.copy(desk.photo(person), added / "again.jpg")
    shutil.copy(desk.photo(newcomer), added / "other.jpg")
    reindex.run(desk.world.reindex(sources=(desk.world.embed().source,)), QUIET)
    report = desk.run(listed, standing=True)
    assert (report.searched, report.unchanged) == (1, 0)
    first, second = desk.manifests()["a"]
    assert (first.since, first.rows_scanned) == (None, 8)
    assert second.since == first.snapshot
    assert second.rows_scanned == 2
    assert [manifest.people for manifest in (first, second)] == [People(subjects=n, unlabelled=0) for n in (8, 9)]
    found = read_candidates(folder(desk, second.search_id), second).to_pylist()
    assert {row["subject_id"] for row in found} == {"zz-again"}
    record = json.loads(folder(desk, second.search_id).get("case.json"))
    assert all(each["is_new"] for each in record["probes"][0]["candidates"])


def test_a_new_probe_of_a_standing_case_is_searched_in_everything(desk: Desk) -> None:
    one, two = ({"probe_id": f"p{n}", "media": [{"uri": desk.photo(desk.people[n])}]} for n in (0, 1))
    desk.run([{"case_id": "a", "standing": True, "probes": [one]}], standing=True)
    report = desk.run([{"case_id": "a", "standing": True, "probes": [one, two]}], standing=True)
    assert (report.searched, report.unchanged, report.probes) == (1, 1, 1)
    assert [manifest.rows_scanned for manifest in desk.manifests()["a"]] == [8, 8]


def test_faults_of_the_whole_run_are_told_before_anything_is_read(desk: Desk) -> None:
    signed = desk.config([case_of("a", {"uri": "x.jpg"})], sheets=SheetSpec(links="signed"))
    for dry_run in (True, False):
        with pytest.raises(ConfigError, match=r"only S3 signs links; set sheets\.links to relative"):
            cases.run(signed, QUIET, dry_run=dry_run)
    assert not (desk.root / "results").exists()
    with pytest.raises(ConfigError, match=r"cases\.yaml: case 1: probes"):
        desk.run([{"case_id": "a", "probes": []}])
    with pytest.raises(StopError, match=r"nothing to search|no snapshot|is empty"):
        desk.run([case_of("a", {"uri": "x.jpg"})], gallery=str(desk.root / "nowhere"))


def test_workers_refuse_a_case_without_its_token(desk: Desk) -> None:
    setting, [one, two] = prepare(
        desk.config([case_of(name, {"uri": desk.photo(desk.people[0])}) for name in ("a", "b")])
    )
    first, second = plan_case(setting, one), plan_case(setting, two)
    assert isinstance(first, PlannedCase)
    assert isinstance(second, PlannedCase)
    leave = CaseLeave(f"{first.search.root}/probes", first.search.rows, second.search.grant)  # type: ignore[arg-type]
    task = EmbedCasesTask((leave,), setting.config.s3, setting.card.fingerprint, 0)
    [shard] = first.search.probes.shards
    with pytest.raises(ForbiddenError, match="folder of another search"):
        task.setup()(CaseProbe(0, shard))
    none = CaseLeave(leave.root, leave.rows, replace(first.search.grant, token=None))
    with pytest.raises(ForbiddenError, match="no decision token"):
        replace(task, leaves=(none,)).setup()(CaseProbe(0, shard))
    assert not (desk.root / "results").exists()


def write_clip(desk: Desk, spoilt: Recipe = AS_IS) -> tuple[str, str]:
    """Two people side by side in clip.mp4, three seconds, the left one spoilt so; who is left and right."""
    left, right = desk.people[:2]
    pictures = [cv2.imread(desk.photo(person)) for person in (left, right)]
    pictures[0] = degrade(pictures[0], spoilt, np.random.default_rng(1))
    people = [
        Person(pictures[0], lambda at: (150 + 5 * at, 180), height=300),
        Person(pictures[1], lambda at: (480 - 5 * at, 180), height=300),
    ]
    write_video(desk.root / "clip.mp4", scene(people, seconds=3, fps=10), Video(fps=10))
    return left, right


def test_everybody_in_a_video_is_searched_for_only_where_somebody_approves(desk: Desk) -> None:
    left, right = write_clip(desk)
    rule = {
        "id": "no-scan",
        "kind": "forbid",
        "cite": "§ 4",
        "message": "no scans of videos",
        "when": [
            {"fact": "probe.media_kind", "op": "equals", "value": "video_scan"},
            {"fact": "narrative", "op": "equals", "value": "forbidden"},
        ],
    }
    listed = [
        case_of("approved", {"uri": "clip.mp4"}, request={"approver": "head of unit", "narrative": "fine"}),
        case_of("alone", {"uri": "clip.mp4"}, request={"narrative": "fine"}),
        case_of("forbidden", {"uri": "clip.mp4"}, request={"approver": "head of unit", "narrative": "forbidden"}),
    ]
    for case in listed:
        case["probes"][0]["everybody"] = True
    report = desk.run(listed, policy=pack_file(desk.root, rule))
    assert (report.searched, report.refused, report.outcomes) == (2, 1, {"ok": 2, "policy_denied": 1})
    [approved], [alone] = desk.manifests()["approved"], desk.manifests()["alone"]
    rows = read_candidates(folder(desk, approved.search_id), approved).to_pylist()
    best = {row["probe_id"]: row["subject_id"] for row in rows if row["rank"] == 1}
    assert best == {"p1": left, "p1#1": right}
    record = json.loads(folder(desk, approved.search_id).get("case.json"))
    assert {probe["probe_id"]: len(probe["media"]) > 2 for probe in record["probes"]} == {"p1": True, "p1#1": True}
    [row] = read_outcomes(folder(desk, alone.search_id), alone).to_pylist()
    assert (row["outcome"], "request.approver" in row["reason"]) == ("policy_denied", True)


def test_of_everybody_in_a_video_who_is_too_poor_is_not_said_to_have_no_candidate(desk: Desk) -> None:
    _, right = write_clip(desk, Recipe(scale=0.1, blur=2.0))
    case = case_of("a", {"uri": "clip.mp4"}, request={"approver": "head of unit"})
    case["probes"][0]["everybody"] = True
    report = desk.run([case])
    assert (report.outcomes, report.probes) == ({"not_searchable": 1, "ok": 1}, 2)
    [manifest] = desk.manifests()["a"]
    probes = json.loads(folder(desk, manifest.search_id).get("case.json"))["probes"]
    poor, good = sorted(probes, key=lambda probe: probe["outcome"])
    assert (poor["outcome"], bool(poor["advice"]), poor["length"], poor["candidates"]) == (
        "not_searchable",
        True,
        None,
        [],
    )
    assert good["candidates"][0]["subject_id"] == right
    page = folder(desk, manifest.search_id).get("sheet.html").decode()
    assert "No candidate" not in page


def test_a_video_is_followed_and_the_person_at_the_point_is_searched(desk: Desk) -> None:
    _, right = write_clip(desk)
    (desk.root / "cut.mp4").write_bytes((desk.root / "clip.mp4").read_bytes()[:600])
    video = {"uri": "clip.mp4", "start": 0.4, "end": 2.6}
    desk.run(
        [
            case_of("right", {**video, "face": [470, 180], "at": 1.0}),
            case_of("both", video),
            case_of("nobody", {**video, "face": [320, 10]}),
            case_of("damaged", {"uri": "cut.mp4"}),
        ]
    )
    found = {name: manifest for name, [manifest] in desk.manifests().items()}
    outcomes = {
        name: read_outcomes(folder(desk, manifest.search_id), manifest).to_pylist()[0]
        for name, manifest in found.items()
    }
    assert {name: row["outcome"] for name, row in outcomes.items()} == {
        "right": "ok",
        "both": "several_faces_none_designated",
        "nobody": "refused",
        "damaged": outcomes["damaged"]["outcome"],
    }
    assert outcomes["damaged"]["outcome"] in ("decode_error", "truncated")
    [first, *_] = read_candidates(folder(desk, found["right"].search_id), found["right"]).to_pylist()
    assert first["subject_id"] == right
    record = json.loads(folder(desk, found["right"].search_id).get("case.json"))
    times = [each["at_ms"] for each in record["probes"][0]["media"]]
    assert len(times) >= 3
    assert times == sorted(times)
    assert all(400 <= at_ms < 2600 for at_ms in times)
    assert {each["name"] for each in record["probes"][0]["media"]} == {"clip.mp4"}


def test_a_case_that_retention_deleted_is_told_and_stops_no_other(desk: Desk) -> None:
    listed = [case_of(name, {"uri": desk.photo(desk.people[n])}) for n, name in enumerate("ab")]
    desk.run(listed)
    [manifest] = desk.manifests()["a"]
    config = ExpireConfig(
        gallery=str(desk.root / "gallery"),
        results=str(desk.root / "results"),
        retention=RetentionSpec(probe_media_days=0),
        run=LOCAL,
    )
    kept = {"reason": "r", "authority": "court", "by": "c", "at": datetime.now(UTC)}
    put_hold(desk.results, Hold(name="kept", case=case_digest("b"), **kept))
    expire.run(config, QUIET, dry_run=False)
    store = folder(desk, manifest.search_id)
    assert [info.key for info in store.list() if info.key.startswith(("probes/media/", "sheet.html"))] == []
    report = desk.run(listed)
    assert (report.cases, report.searched, report.deleted) == (2, 1, 1)


def test_a_standing_case_ends_with_its_authority(desk: Desk) -> None:
    photo = {"uri": desk.photo(desk.people[0])}
    listed = [
        case_of(name, photo, standing=True, request={"authority": {"kind": "warrant", "expires": day}})
        for name, day in (("ended", "2026-01-01"), ("in force", "2999-01-01"))
    ]
    plan = cases.run(desk.config(listed, standing=True), QUIET, dry_run=True)
    assert isinstance(plan, CasesPreview)
    assert (plan.to_search, list(plan.refused)) == (1, ["ended"])
    assert "ended on 2026-01-01 [floor/authority-ended" in plan.refused["ended"]
    [line] = plan.summary()["refused"]  # type: ignore[misc]
    assert line.startswith("ended: the request is refused: - state an authority")
