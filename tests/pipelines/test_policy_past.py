"""Past requests: from lines of a file, and from the searches that were made of them."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from facebatch.errors import ConfigError, CorruptError, NotFoundError
from facebatch.pipelines.policy_past import SHOWN, read_lines, read_results
from facebatch.storage.documents import dump
from facebatch.storage.local import LocalStore
from past_searches import manifest, put
from searched import search
from servers.s3 import Server
from worlds import REQUEST, World


def test_past_requests_are_read_by_line(tmp_path: Path) -> None:
    path = tmp_path / "past.jsonl"
    good = '{"id": "1", "at": "2020-07-01T12:00:00Z", "request": {"offence": {"categories": ["theft"]}}}'
    path.write_text(f"{good}\n\n{good}\n")
    assert [past.request.offence.categories for past in read_lines(path)] == [("theft",)] * 2
    path.write_text(f"{good}\n{good.replace('Z', '')}\n")
    with pytest.raises(CorruptError, match=r"past.jsonl:2: at:"):
        read_lines(path)


def test_the_searches_below_a_root_are_read_in_order_of_time(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    put(store, manifest("a", 2), manifest("b", 1), manifest("c", 1))
    store.put("d/commits/manifest.json", b"a deeper one")
    store.put("e/candidates/000000.parquet", b"unfinished")
    store.put("manifest.json", b"of a folder above")
    found = read_results(store)
    assert [(past.id, past.at.day, past.request.case_id) for past in found] == [
        ("b", 1, "b"),
        ("c", 1, "c"),
        ("a", 2, "a"),
    ]


@pytest.mark.integration
def test_a_search_that_was_made_tells_its_request(searchable: World) -> None:
    report = search(searchable)
    folder = Path(report.results)
    (past,) = read_results(LocalStore(folder.parent))
    assert (past.id, past.request) == (folder.name, REQUEST)
    assert past.at.tzinfo is not None


@pytest.mark.integration
def test_results_on_s3(moto: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    moto.use(monkeypatch)
    store = moto.new_store()
    put(store, manifest("a", 2), manifest("b", 1))
    assert [past.id for past in read_results(store)] == ["b", "a"]


def test_a_root_without_searches_is_refused(tmp_path: Path) -> None:
    LocalStore(tmp_path).put("manifest.json", dump(manifest("a", 1)))
    with pytest.raises(
        NotFoundError, match=r"holds no finished search .*give the folder that `match` has as `results`"
    ):
        read_results(LocalStore(tmp_path))


def test_manifests_that_cannot_be_read_are_named_with_a_remedy(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    old = json.loads(dump(manifest("old", 1)))
    old["request"] = {"purpose": "missing_child", "case_id": "1", "requester": "unit 4"}
    store.put("old/manifest.json", json.dumps(old).encode())
    store.put("cut/manifest.json", b"{")
    store.put("naive/manifest.json", dump(manifest("naive", 1, decided_at=datetime(2026, 3, 1))))
    put(store, manifest("good", 1))
    with pytest.raises(ConfigError) as caught:
        read_results(store)
    cut, naive, plain = str(caught.value).splitlines()
    assert cut.startswith(f"{tmp_path}/cut/manifest.json: not JSON")
    assert naive.startswith(f"{tmp_path}/naive/manifest.json: at:")
    assert plain.startswith(f"{tmp_path}/old/manifest.json: its requester is plain text")
    assert "requester.agency" in plain
    for number in range(SHOWN):
        store.put(f"old{number:02}/manifest.json", json.dumps(old).encode())
    with pytest.raises(ConfigError, match=r"\n3 more manifests cannot be read$"):
        read_results(store)
