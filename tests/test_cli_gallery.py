"""`facebatch gallery`: what each command prints and returns, on a gallery on disk."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from facebatch.cli import main
from facebatch.gallery import snapshots
from facebatch.gallery.evaluation import Evaluation, NoThreshold, PublishedBand, PublishedThreshold
from facebatch.gallery.figures import GateFigure
from facebatch.storage.local import LocalStore
from gallery.small import MODEL, Shard, SmallGallery, objects


@pytest.fixture
def root(tmp_path: Path) -> Path:
    gallery = SmallGallery(LocalStore(tmp_path / "gallery"))
    gallery.embed(Shard("a"), Shard("b", 5))
    gallery.embed(Shard("a", version=1), Shard("c", 2))
    gallery.erase("a000001")
    return tmp_path / "gallery"


def said(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str) -> str:
    main(["gallery", *arguments, "--gallery", str(root), "--quiet"])
    out, err = capsys.readouterr()
    assert err == ""
    return out


def told(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str) -> dict[str, Any]:
    found = json.loads(said(capsys, root, *arguments, "--json"))
    assert isinstance(found, dict)
    return found


def fails(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["gallery", *arguments, "--gallery", str(root)])
    out, err = capsys.readouterr()
    assert err.startswith("facebatch: ")
    return int(str(stop.value.code)), out, err


def test_log(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    said(capsys, root, "pin", "2", "--name", "before", "--by", "unit 4")
    said(capsys, root, "rollback", "2", "--reason", "a bad batch")
    lines = said(capsys, root, "log").splitlines()
    headings = [line for line in lines if not line.startswith(" ") and line]
    assert headings == [
        "snapshot 6 (head)",
        "snapshot 5",
        "snapshot 4",
        "snapshot 3",
        "snapshot 2 (pinned as before)",
        "snapshot 1",
    ]
    text = "\n".join(lines)
    assert "templates   7 (+3), of 8 images" in text
    assert "restates    snapshot 2: a bad batch" in text
    assert "shards      2 (1 new, 1 changed, 1 gone)" in text
    assert said(capsys, root, "log", "-n", "2").count("published") == 2
    entries = told(capsys, root, "log", "--limit", "1")["snapshots"]
    assert [(entry["seq"], entry["is_head"], entry["restates"]) for entry in entries] == [(6, True, 2)]


def verdict(*, approved: bool, **thresholds: object) -> Evaluation:
    return Evaluation(
        snapshot=2,
        model=MODEL,
        templates=8,
        search="s" * 24,
        at=datetime(2026, 11, 1, tzinfo=UTC),
        limits=(
            GateFigure(name="limit.rank_one_miss", passed=True, words="0 of 900 ..."),
            GateFigure(name="limit.fnir_at_fpir_0.003", passed=True if approved else None, words="..."),
        ),
        approved_for_use=approved,
        figures_sha256="f" * 64,
        **{"thresholds": (), **thresholds},
    )


@pytest.fixture
def evaluated(tmp_path: Path) -> Path:
    """Snapshot 2 twice more with a verdict, not approved and approved, and one that carries the last one on."""
    gallery = SmallGallery(LocalStore(tmp_path / "gallery"))
    gallery.embed(Shard("a"), Shard("b", 5))
    facts = {"low": 0.375, "high": 0.4375, "searches": 4000, "people": 900, "fnir": 0.04}
    thresholds = (PublishedThreshold(fpir=0.003, threshold=0.40625, **facts),)
    limits = {"quality_low": 60, "quality_high": 100, "fpir_measured": 0.002}
    bands = (PublishedBand(fpir=0.003, threshold=0.390625, band="A", **facts, **limits),)
    without = (NoThreshold(fpir=0.003, searches=26, needed=1000),)
    for found in (
        verdict(approved=False, without_threshold=without),
        verdict(approved=True, thresholds=thresholds, bands=bands),
    ):
        head = gallery.head
        gallery.publish(head.model_copy(update={**snapshots.next_number(head), "evaluation": found}))
    gallery.index()
    return tmp_path / "gallery"


def test_log_and_show_tell_the_verdict_of_an_evaluation(capsys: pytest.CaptureFixture[str], evaluated: Path) -> None:
    lines = [line.split(maxsplit=1)[1] for line in said(capsys, evaluated, "log").splitlines() if "evaluation" in line]
    assert lines == [
        "of snapshot 2 on 2026-11-01, carried on: approved for use",
        "of snapshot 2 on 2026-11-01: approved for use",
        "of snapshot 2 on 2026-11-01: not approved for use (limit.fnir_at_fpir_0.003)",
    ], "snapshots 1 and 2 have none"
    entries = told(capsys, evaluated, "log")["snapshots"]
    found = [entry["verdict"] and entry["verdict"]["approved_for_use"] for entry in entries]
    assert found == [True, True, False, None, None]
    assert entries[2]["verdict"]["unmet"] == ["limit.fnir_at_fpir_0.003"]


def test_show_tells_the_thresholds_of_an_evaluation(capsys: pytest.CaptureFixture[str], evaluated: Path) -> None:
    told_ = said(capsys, evaluated, "show", "4")
    assert "  threshold for FPIR 0.003: 0.40625 (0.37500 to 0.43750), 4 000 searches of 900 people\n" in told_
    assert "  threshold for FPIR 0.003, band A: 0.39062 (0.37500 to 0.43750), 4 000 searches of 900 people\n" in told_
    assert "  no threshold for FPIR 0.003: too few non-mated searches (26, 1 000 needed)\n" in said(
        capsys, evaluated, "show", "3"
    )
    (own, of_band) = told(capsys, evaluated, "show", "4")["entry"]["verdict"]["thresholds"]
    assert (own["fpir"], own["band"], own["threshold"], of_band["band"]) == (0.003, None, 0.40625, "A")
    assert told(capsys, evaluated, "show", "3")["entry"]["verdict"]["without_threshold"] == [
        {"fpir": 0.003, "why": "too few non-mated searches (26, 1 000 needed)"}
    ]


def test_show(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    text = said(capsys, root, "show")
    assert "source s3://in: 4 templates of 5 images in 2 shards, and 1 tombstone\n" in text
    assert "Flat, 4 of 5 rows live" in text
    older = told(capsys, root, "show", "2")
    assert (older["entry"]["seq"], older["outcomes"], older["dim"]) == (2, {"ok": 8}, 8)
    folder = LocalStore(root)
    sizes = {info.key: info.size for info in folder.list()}
    assert older["bytes"]["templates"] == sum(
        sizes[shard["templates"]["key"]] for shard in json.loads(folder.get("snapshots/000000000002.json"))["shards"]
    )


def test_show_tells_whose_the_tombstones_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    gallery = SmallGallery(LocalStore(tmp_path / "gallery"))
    gallery.embed(Shard("a", 5), Shard("b"))
    gallery.embed(Shard("c", 2), source="s3://second")
    gallery.embed(Shard("d", 1), source="s3://third")
    gallery.erase("a000001", "c000000", "b000002")
    lines = [line.strip() for line in said(capsys, tmp_path / "gallery", "show").splitlines()]
    assert [line for line in lines if line.startswith("source")] == [
        "source s3://in: 6 templates of 8 images in 2 shards, and 2 tombstones",
        "source s3://second: 1 template of 2 images in 1 shard, and 1 tombstone",
        "source s3://third: 1 template of 1 image in 1 shard",
    ]
    sources = told(capsys, tmp_path / "gallery", "show")["sources"]
    assert [(source["templates"], source["tombstones"]) for source in sources] == [(6, 2), (1, 1), (1, 0)]
    assert sum(source["templates"] for source in sources) == gallery.head.templates


def test_one_of_a_kind_is_told_as_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    SmallGallery(LocalStore(tmp_path)).embed(Shard("a", 1))
    assert said(capsys, tmp_path, "verify") == "snapshot 2: 1 shard, 1 template, 1 segment verified, 0 faults\n"


def test_diff(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    text = said(capsys, root, "diff", "2", "5", "--templates")
    assert "+ c000000\n+ c000001\n" in text
    assert "- a000001\n- b000000\n" in text
    assert "~ a000000\n~ a000002\n" in text
    assert "6 (1 by tombstones)" in text
    counts = told(capsys, root, "diff", "2", "5")
    assert (counts["added"], counts["removed"], counts["re_embedded"], counts["unchanged"]) == (2, 6, 2, 0)
    assert "ids" not in counts
    assert fails(capsys, root, "diff", "2", "9")[0] == 2


def test_verify(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    assert "0 faults" in said(capsys, root, "verify", "--all")
    assert told(capsys, root, "verify", "2")["faults"] == []
    broken = next(root.glob("segments/*/codes-*"))
    broken.write_bytes(broken.read_bytes()[:-1])
    code, out, err = fails(capsys, root, "verify", "--all", "--quiet")
    assert (code, err.count("\n")) == (2, 1)
    assert ": 1 fault;" in err
    assert out.count(broken.name) == 1
    code, out, _ = fails(capsys, root, "verify", "--all", "--json")
    assert code == 2
    assert [fault["key"] for fault in json.loads(out)["faults"]] == [broken.relative_to(root).as_posix()]


def test_rollback_plans_and_refuses(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    plan = told(capsys, root, "rollback", "2", "--reason", "trial", "--dry-run")
    assert (plan["published"], plan["still_erased"]) == (False, 1)
    assert len(list(root.glob("snapshots/*"))) == 5
    assert fails(capsys, root, "rollback", "2")[0] == 2
    assert "is the head already" in fails(capsys, root, "rollback", "5", "--reason", "x")[2]


def test_gc(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    store = LocalStore(root)
    said(capsys, root, "pin", "2", "--name", "before")
    spec = ("gc", "--keep-last", "1", "--keep-days", "0", "--grace-hours", "0")
    before = objects(store)
    plan = told(capsys, root, *spec, "--dry-run")
    assert objects(store) == before
    assert plan["snapshots"] == [1, 3, 4]
    text = said(capsys, root, *spec)
    assert "deleted: snapshots 1, 3-4" in text
    assert "snapshot 2 stays: pinned as before" in text
    assert "snapshot 5 stays: head" in text
    said(capsys, root, "unpin", "before")
    assert told(capsys, root, *spec)["deleted"]["snapshots"]["objects"] == 1
    assert "0 faults" in said(capsys, root, "verify", "--all")


@pytest.mark.parametrize("arguments", [["log", "-n", "-1"], ["gc", "--keep-last", "0"], ["pin", "2"], ["show", "two"]])
def test_a_wrong_value_is_one_line(capsys: pytest.CaptureFixture[str], root: Path, arguments: list[str]) -> None:
    code, out, err = fails(capsys, root, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_settings_may_come_from_a_file(capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path) -> None:
    (tmp_path / "gallery.yaml").write_text(f"gallery: {root}\n")
    main(["gallery", "log", "--config", str(tmp_path / "gallery.yaml")])
    assert capsys.readouterr().out.startswith("snapshot 5 (head)\n")


def test_rephotograph(capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path) -> None:
    assert said(capsys, root, "rephotograph") == "snapshot 5: 0 of 5 images to take again\n"
    file = tmp_path / "again.csv"
    text = said(capsys, root, "rephotograph", "--below", "50", "--out", str(file))
    assert "a000000" not in text
    assert "a/000000.jpg: low_inter_eye (enrolled, quality 1)\n" in text
    assert text.endswith("snapshot 5: 4 of 5 images to take again\n")
    assert len(file.read_bytes().splitlines()) == 5
    found = told(capsys, root, "rephotograph", "--below", "50")
    assert {retake["template_id"] for retake in found["retakes"]} == {"a000000", "a000002", "c000000", "c000001"}
    assert (found["snapshot"], found["images"], found["not_assessed"]) == (5, 5, 0)
    assert fails(capsys, root, "rephotograph", "--below", "101")[0] == 2
