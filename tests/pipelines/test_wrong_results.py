"""A root of results that was misspelt is told as such: no empty answer, and nothing made or written over."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from expiring import DAY, Erasing
from facebatch.cli import main
from facebatch.pipelines import expire
from facebatch.pipelines.expire_searches import plan
from gallery.small import Shard
from retained import CASE, Retained
from worlds import QUIET

ACT = ("--reason", "a complaint", "--authority", "court 4", "--by", "unit 1")
Fails = Callable[..., str]


def files(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fails:
    """The message of a command that ends with 2 and changes nothing."""

    def run(*arguments: str) -> str:
        before = files(tmp_path)
        with pytest.raises(SystemExit) as stop:
            main([*arguments, "--results", str(tmp_path / "nix")])
        assert (stop.value.code, files(tmp_path), (tmp_path / "nix").exists()) == (2, before, False)
        return " ".join(capsys.readouterr().err.split())

    return run


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret.hex"
    path.touch(0o600)
    path.write_text(os.urandom(32).hex())
    return str(path)


def test_review_tells_it(tmp_path: Path, fails: Fails, secret: str) -> None:
    (tmp_path / "who.csv").write_text("examiner\none\ntwo\n")
    (tmp_path / "leads.json").write_text("of an earlier export")
    words = "holds no finished search (<search id>/manifest.json); give the folder that `match` has as `results`"
    given = {
        "export": ("--secret", secret, "--out", str(tmp_path)),
        "status": (),
        "assign": (
            *("--secret", secret, "--gallery", str(tmp_path / "gallery"), "--examiners", str(tmp_path / "who.csv")),
            *("--decoys", str(tmp_path), "--pages", str(tmp_path / "pages"), "--model.pack", "any"),
        ),
    }
    for command, flags in given.items():
        assert words in fails("review", command, *flags)


def test_retention_tells_it_but_holds_ahead_of_the_first_search(
    tmp_path: Path, fails: Fails, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "nix holds nothing of a search; give the folder" in fails("retention", "list")
    at = ("--results", str(tmp_path / "ahead"), "--quiet")
    main(["retention", "hold", "h", "--case", CASE, *ACT, *at])
    main(["retention", "list", *at])
    assert "1 hold in force" in capsys.readouterr().out


def test_expire_warns_and_erases_in_the_gallery(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gallery = Erasing(tmp_path)
    gallery.small.embed(Shard("a"))
    report = gallery.run(results=str(tmp_path / "nix"), deletions=gallery.request("template,a000000,r,a"))
    assert (report.deleted, report.templates) == (1, 2)
    assert "nix holds nothing of a search; give the folder that `match` has as `results`, or leave" in caplog.text


def test_a_root_whose_searches_are_all_deleted_is_the_right_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gallery = Erasing(tmp_path)
    gallery.small.embed(Shard("a"))
    config = gallery.config(results=str(tmp_path / "results"))
    plan(config, DAY)
    assert "holds nothing of a search" in caplog.text
    caplog.clear()
    past = Retained(tmp_path)
    past.search(1)
    past.delete(datetime(2036, 1, 1, tzinfo=UTC), candidate_lists_days=1, probe_media_days=1, probe_templates_days=1)
    report = expire.run(config, QUIET)
    assert report.searches is not None
    assert (report.searches.searches, report.searches.due) == (0, ())
    assert "holds nothing of a search" not in caplog.text
