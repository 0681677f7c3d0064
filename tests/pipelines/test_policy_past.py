"""Past requests: from lines of a file, and from the searches that were made of them."""

import hashlib
import json
from datetime import datetime
from pathlib import Path

import pytest

from decided import NO_SKETCH, Meanwhile, pack_file
from dying import Crash
from facebatch.errors import ConfigError, CorruptError, NotFoundError
from facebatch.governance.facts import with_changes
from facebatch.governance.policy import decide, request_digest
from facebatch.pipelines import match
from facebatch.pipelines.policy_diff import compare
from facebatch.pipelines.policy_files import read_packs
from facebatch.pipelines.policy_past import SHOWN, read_lines, read_results
from facebatch.pipelines.search import find_search
from facebatch.pipelines.search_request import find_request
from facebatch.storage.documents import dump
from facebatch.storage.local import LocalStore
from facebatch.storage.settings import S3Spec
from past_searches import manifest, put
from searched import search
from servers.s3 import Server
from worlds import REQUEST, World

S3 = S3Spec()


def test_past_requests_are_read_by_line(tmp_path: Path) -> None:
    path = tmp_path / "past.jsonl"
    good = '{"id": "1", "at": "2020-07-01T12:00:00Z", "request": {"offence": {"categories": ["theft"]}}}'
    path.write_text(f"{good}\n\n{good}\n")
    assert [past.request.offence.categories for past in read_lines(path)] == [("theft",)] * 2
    path.write_text(f"{good}\n{good.replace('Z', '')}\n")
    with pytest.raises(CorruptError, match=r"past.jsonl:2: at:"):
        read_lines(path)


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ("[]", "a mapping of facts is expected"),
        ('{"purpose": "missing_child"}', "'purpose' cannot be stated of a single probe; these can: probe.media_kind"),
        ('{"probe.edited": "perhaps"}', "probe.edited: Input should be a valid boolean"),
        ('{"probe.quality": null}', "probe.quality: .*; leave out what is unknown"),
    ],
)
def test_what_cannot_be_stated_of_a_probe_is_named_by_line(tmp_path: Path, stated: str, words: str) -> None:
    path = tmp_path / "past.jsonl"
    path.write_text(f'{{"id": "1", "at": "2020-07-01T12:00:00Z", "request": {{}}, "stated": {{"p": {stated}}}}}\n')
    with pytest.raises(CorruptError, match=rf"past.jsonl:1: stated.p: .*{words}"):
        read_lines(path)


def test_the_searches_below_a_root_are_read_in_order_of_time(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    put(store, manifest("a", 2), manifest("b", 1), manifest("c", 1))
    store.put("d/commits/manifest.json", b"a deeper one")
    store.put("e/candidates/000000.parquet", b"unfinished")
    store.put("manifest.json", b"of a folder above")
    found = read_results(store, S3)
    assert [(past.id, past.at.day, past.request.case_id) for past in found] == [
        ("b", 1, "b"),
        ("c", 1, "c"),
        ("a", 2, "a"),
    ]


@pytest.mark.integration
def test_a_search_that_was_made_tells_its_request(searchable: World) -> None:
    report = search(searchable)
    folder = Path(report.results)
    (past,) = read_results(LocalStore(folder.parent), S3)
    assert (past.id, past.request, past.stated) == (folder.name, REQUEST, {})
    assert past.at.tzinfo is not None


@pytest.mark.integration
def test_a_past_decision_is_taken_again_exactly_with_what_was_stated_of_its_probes(
    searchable: World, tmp_path: Path
) -> None:
    names = sorted(f"{photo.parent.name}/{photo.name}" for photo in searchable.root.glob("probe-photos/*/*"))
    facts = tmp_path / "facts.csv"
    facts.write_text(
        f"probe_id,is_sketch,quality,event_contexts\n{names[0]},true,,\n{names[1]},false,41,union;health\n{names[2]},,,none\n"
    )
    spec = pack_file(tmp_path, NO_SKETCH)
    plain = with_changes(REQUEST, {"probe.is_sketch": False})
    report = search(searchable, request=plain, policy=spec, probe_facts=str(facts))
    assert report.outcomes == {"ok": 7, "refused": 1}
    folder = LocalStore(report.results)
    manifest, asked = find_search(folder), find_request(folder)
    assert manifest is not None
    assert asked is not None
    assert manifest.probe_facts_sha256 == asked.probe_facts_sha256 == hashlib.sha256(facts.read_bytes()).hexdigest()
    assert manifest.request_sha256 == asked.sha256
    assert (asked.packs, asked.snapshot, asked.search_id) == (manifest.packs, manifest.snapshot, manifest.search_id)
    facts.unlink()
    (past,) = read_results(LocalStore(Path(report.results).parent), S3)
    packs = read_packs(Path(spec.packs[0]))
    again = decide(past.request, packs, past.at, past.stated)
    assert (again.request_sha256, again.digests) == (manifest.request_sha256, manifest.packs)
    assert [name for name in names if again.refusals.of(name)] == names[:1]
    assert past.stated[names[1]] == {
        "probe.is_sketch": False,
        "probe.quality": 41.0,
        "event_contexts": ("union", "health"),
    }
    (difference,) = compare(packs, [], [past]).changed
    assert (difference.probes, difference.before.refused, difference.after.refused) == (1, 1, 0)
    (Path(report.results) / "request.json").write_bytes(dump(asked.model_copy(update={"stated": {}})))
    with pytest.raises(ConfigError, match=r"request\.json: is not what the search was allowed by, or is missing"):
        read_results(LocalStore(Path(report.results).parent), S3)


@pytest.mark.integration
def test_what_was_asked_is_recorded_before_a_probe_is_read_and_kept(searchable: World) -> None:
    def stop() -> None:
        raise Crash

    with pytest.raises(Crash):
        match.run(searchable.match(), Meanwhile("embed", stop))
    (path,) = searchable.root.glob("results/*/request.json")
    first = path.read_bytes()
    assert [info.key for info in LocalStore(path.parent).list()] == ["request.json"]
    report = search(searchable)
    assert (Path(report.results), path.read_bytes()) == (path.parent, first)
    asked = find_request(LocalStore(path.parent))
    assert asked is not None
    assert (asked.request, asked.stated, asked.probe_facts_sha256) == (REQUEST, {}, None)


def test_searches_of_before_there_were_requests_are_read_by_their_certificate(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    told = manifest("new", 2)
    put(store, manifest("old", 1), told.model_copy(update={"request_sha256": request_digest(told.request)}))
    assert [past.id for past in read_results(store, S3)] == ["old", "new"]
    put(store, told.model_copy(update={"search_id": "lost", "request_sha256": "ab" * 32}))
    with pytest.raises(ConfigError, match=r"lost/request\.json: .*or is missing; restore it"):
        read_results(store, S3)


@pytest.mark.integration
def test_results_on_s3(moto: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    moto.use(monkeypatch)
    store = moto.new_store()
    put(store, manifest("a", 2), manifest("b", 1))
    assert [past.id for past in read_results(store, moto.spec())] == ["b", "a"]


def test_a_root_without_searches_is_refused(tmp_path: Path) -> None:
    LocalStore(tmp_path).put("manifest.json", dump(manifest("a", 1)))
    with pytest.raises(
        NotFoundError, match=r"holds no finished search .*give the folder that `match` has as `results`"
    ):
        read_results(LocalStore(tmp_path), S3)


def test_manifests_that_cannot_be_read_are_named_with_a_remedy(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    old = json.loads(dump(manifest("old", 1)))
    old["request"] = {"purpose": "missing_child", "case_id": "1", "requester": "unit 4"}
    store.put("old/manifest.json", json.dumps(old).encode())
    store.put("cut/manifest.json", b"{")
    store.put("naive/manifest.json", dump(manifest("naive", 1, decided_at=datetime(2026, 3, 1))))
    put(store, manifest("good", 1))
    with pytest.raises(ConfigError) as caught:
        read_results(store, S3)
    cut, naive, plain = str(caught.value).splitlines()
    assert cut.startswith(f"{tmp_path}/cut/manifest.json: not JSON")
    assert naive.startswith(f"{tmp_path}/naive/manifest.json: at:")
    assert plain.startswith(f"{tmp_path}/old/manifest.json: its requester is plain text")
    assert "requester.agency" in plain
    for number in range(SHOWN):
        store.put(f"old{number:02}/manifest.json", json.dumps(old).encode())
    with pytest.raises(ConfigError, match=r"\n3 more manifests cannot be read$"):
        read_results(store, S3)
