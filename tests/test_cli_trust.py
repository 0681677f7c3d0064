"""`facebatch policy keygen|trust|trusted`: what is printed, what is recorded, what is refused."""

import json
import shutil
from pathlib import Path

import pytest

from facebatch.cli import main
from facebatch.governance import audit_chain, signing, trust
from facebatch.storage.local import LocalStore
from infra.tree import ROOT


def told(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    main(["policy", *command])
    return capsys.readouterr().out


def test_a_key_is_made_trusted_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gallery, file = tmp_path / "gallery", tmp_path / "key.pem"
    at = ("--gallery", str(gallery))
    public = told(capsys, "keygen", str(file)).strip()
    assert public == signing.public(signing.read_key(file))
    assert public in told(capsys, "trust", public, *at, "--new")
    assert json.loads(told(capsys, "trusted", *at, "--json")) == {"trusted": [public]}
    assert "no key: nobody can search" in told(capsys, "trust", "--nobody", *at)
    events = list(audit_chain.read_chain(LocalStore(gallery)))
    assert [(event.action, event.resource) for event in events] == [
        ("policy_change", "trust:1"),
        ("policy_change", "trust:2"),
    ]
    assert file.read_text() not in capsys.readouterr().out


def test_a_dry_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "trusted since" in told(capsys, "trust", "a" * 64, "--gallery", str(tmp_path), "--new", "--dry-run")
    assert trust.current(LocalStore(tmp_path)) is None
    assert list(tmp_path.rglob("*.json")) == []


def test_a_gallery_that_is_not_there_is_not_made_by_a_slip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (("trust", "a" * 64), ("trust", "--nobody"), ("trust", "a" * 64, "--dry-run"), ("trusted",)):
        with pytest.raises(SystemExit) as stop:
            main(["policy", *command, "--gallery", str(tmp_path / "galery")])
        assert stop.value.code == 2
        assert "there is no gallery here; check --gallery, or give --new" in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


def test_a_gallery_with_snapshots_is_not_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(ROOT / "tests" / "golden" / "v1", tmp_path / "gallery")
    at = ("--gallery", str(tmp_path / "gallery"))
    assert "any key" in told(capsys, "trusted", *at)
    for _ in range(2):
        with pytest.raises(SystemExit) as stop:
            main(["policy", "trust", "a" * 64, *at, "--new"])
        assert (stop.value.code, "is a gallery already" in capsys.readouterr().err) == (2, True)
    assert "(list 1)" in told(capsys, "trust", "a" * 64, *at)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("trust",), "or --nobody"),
        (("trust", "a" * 64, "--nobody"), "or --nobody"),
        (("trust", "mine"), "trusted keys: keys.0"),
    ],
)
def test_a_list_that_says_nothing_or_two_things_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...], words: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["policy", *command, "--gallery", str(tmp_path), "--new"])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err
