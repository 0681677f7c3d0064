"""`facebatch audit`: what each command prints and returns."""

import json
from pathlib import Path

import pytest

from facebatch.cli import main
from facebatch.governance.audit import append
from facebatch.storage import layout
from facebatch.storage.local import LocalStore
from gallery.small import Shard, SmallGallery
from governance.recorded import facts, overwrite, resealed
from infra.tree import ROOT

MARYLAND = ("--jurisdiction", "us-md")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(6):
        append(LocalStore(tmp_path), facts(number))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str) -> str:
    main(["audit", *arguments, "--gallery", str(root), "--quiet"])
    out, err = capsys.readouterr()
    assert err == ""
    return out


def refused(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str) -> tuple[str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["audit", *arguments, "--gallery", str(root), "--quiet"])
    assert stop.value.code == 2
    return capsys.readouterr()


def test_a_whole_chain(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    kept = said(capsys, root, "anchor").strip()
    assert kept.startswith("6:")
    assert said(capsys, root, "verify") == (
        "6 events, 0 anchors, 0 findings\nwithout an anchor a cut or rewritten end is not found\n"
    )
    assert said(capsys, root, "verify", "--anchor", kept) == "6 events, 1 anchor, 0 findings\n"
    assert json.loads(said(capsys, root, "anchor", "--json")) == {"seq": 6, "hash": kept[2:]}


def test_a_tampered_chain_is_told_and_refused(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    store = LocalStore(root)
    first = said(capsys, root, "anchor").strip()
    event = json.loads(store.get(layout.audit_event(2)))
    store.put(layout.audit_event(2), json.dumps(event | {"decision": "denied"}).encode())
    store.delete(layout.audit_event(6))
    out, err = refused(capsys, root, "verify", "--anchor", first, "--anchor", first)
    assert [line.partition(": ")[0] for line in out.splitlines()[:2]] == [
        f"{root}/{layout.audit_event(seq)}" for seq in (2, 6)
    ]
    assert err == (
        f"facebatch: {root}: the audit chain is not whole (changed 2, truncated 6); "
        "`facebatch audit verify` names each remedy\n"
    )
    found = json.loads(refused(capsys, root, "verify", "--json")[0])
    assert (found["events"], [item["kind"] for item in found["findings"]]) == (5, ["changed"])
    out, err = refused(capsys, root, "report", "--year", "2026", "--jurisdiction", "us-md")
    assert (out, "changed 2" in err) == ("", True)


def test_a_forged_event_is_named(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    store = LocalStore(root)
    overwrite(store, 3, resealed(append(store, facts()), seq=3))
    assert "forged 3" in refused(capsys, root, "verify")[1]


@pytest.mark.parametrize("bad", ["6", "6:ab", "x:" + "ab" * 32, "-1:" + "ab" * 32])
def test_an_anchor_that_is_none(capsys: pytest.CaptureFixture[str], root: Path, bad: str) -> None:
    out, err = refused(capsys, root, "verify", f"--anchor={bad}")
    assert (out, "--anchor" in err, "number:hash" in err) == ("", True, True)


def test_report(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    lines = said(capsys, root, "report", "--year", "2026", "--jurisdiction", "us-md").splitlines()
    assert lines[:2] == ["audit report 2026, jurisdiction us-md", "events           6"]
    assert "  2026-03                                 6" in lines
    told = json.loads(said(capsys, root, "report", "--year", "2025", "--jurisdiction", "us-md", "--json"))
    assert (told["events"], told["tables"]["action"]) == ("0", {})


@pytest.mark.parametrize(
    "arguments",
    [("verify",), ("verify", "--anchor", "6:" + "ab" * 32), ("anchor",), ("report", "--year", "2026", *MARYLAND)],
)
def test_a_path_that_is_no_gallery_is_refused_by_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """A misspelt gallery is not a whole one."""
    nowhere = tmp_path / "galery"
    assert refused(capsys, nowhere, *arguments) == (
        "",
        f"facebatch: {nowhere} has no snapshot yet; run `facebatch embed` first, or check the path\n",
    )
    assert not nowhere.exists()


def test_a_gallery_from_before_the_audit_is_whole_and_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    SmallGallery(LocalStore(tmp_path)).embed(Shard("a"))
    for info in list(LocalStore(tmp_path).list(layout.AUDIT)):
        LocalStore(tmp_path).delete(info.key)
    lines = said(capsys, tmp_path, "verify").splitlines()
    assert lines[0] == "0 events, 0 anchors, 0 findings"
    assert lines[2].startswith("no event is recorded: either all snapshots were published before there was an audit")
    assert json.loads(said(capsys, tmp_path, "anchor", "--json"))["seq"] == 0
    assert "events           0" in said(capsys, tmp_path, "report", "--year", "2026", *MARYLAND)


def test_report_of_the_fields_that_packs_ask_for(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    arguments = ("report", "--year", "2026", "--jurisdiction", "us-md", "--packs", str(ROOT / "configs" / "policies"))
    lines = said(capsys, root, *arguments).splitlines()
    assert lines[0] == "audit report 2026, jurisdiction us-md, as the packs ask for it"
    assert "  breaches: not recorded here: keep it beside the case" in lines
    told = json.loads(said(capsys, root, *arguments, "--json"))
    (pack,) = told["packs"]
    by_name = {field["name"]: field for field in pack["fields"]}
    assert (told["requests"]["table"], pack["pack"]) == ({"search": "6"}, "us-md")
    assert by_name["searches_by_crime_type"]["table"] == {"not stated": "6"}
    LocalStore(root).delete(layout.audit_event(3))
    out, err = refused(capsys, root, *arguments)
    assert (out, "removed 3" in err) == ("", True)
