"""demo on the real sets: every image has a row, subjects are found first, the page stands on its own."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest

from facebatch.cli import main
from facebatch.errors import ConfigError, ModelPackError, NotFoundError, StopError
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.pipelines import demo
from facebatch.pipelines.demo import DemoConfig, DemoReport, choose_pack, prepare
from facebatch.pipelines.finding import rank1_hits
from facebatch.pipelines.photos import Photo, find_photos, split
from facebatch.schemas import CANDIDATES
from worlds import LOCAL, QUIET

pytestmark = pytest.mark.integration

BANNED = ("match confidence", "identified", "suspect")


class Page(HTMLParser):
    """What a page refers to, and its pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.links += [str(values[name]) for name in ("src", "href") if name in values]
        if tag == "img":
            self.pictures.append(values)


def run(config: DemoConfig) -> tuple[DemoReport, str]:
    report = demo.run(config, QUIET)
    return report, Path(report.report).read_text(encoding="utf-8")


def test_london_neutral_against_smiling(tmp_path: Path, data_dir: Path, model: ModelSpec) -> None:
    config = DemoConfig(images=str(data_dir / "london"), out=str(tmp_path / "out"), model=model, run=LOCAL)
    report, text = run(config)
    assert (report.images, report.ledger_rows, report.probes) == (252, 252, 102)
    assert report.rank1 >= 0.99
    assert set(report.seconds) == {"shards", "start", "embed", "index", "match", "cases", "page"}
    assert report.cases is not None
    assert (report.cases.cases, report.cases.refused, report.cases.with_candidates) == (13, 1, 8)
    page = Page(text)
    [sheets] = [link for link in page.links if not link.startswith("data:image/jpeg;base64,")]
    assert str((tmp_path / "out" / sheets).resolve()) == report.cases.index
    assert all(picture["alt"] for picture in page.pictures)
    assert len(page.pictures) == 102 * 5
    assert not [word for word in BANNED if word in text.lower()]
    assert "not identifications" in text
    assert f"{round(report.rank1 * 102)} of 102" in text


def test_orl_five_against_five_with_small_tight_crops(tmp_path: Path, data_dir: Path, model: ModelSpec) -> None:
    faces = FaceSpec(enlarge=2.0, detector_size=256)
    config = DemoConfig(images=str(data_dir / "orl"), out=str(tmp_path / "out"), model=model, faces=faces, run=LOCAL)
    report, _ = run(config)
    assert (report.images, report.ledger_rows, report.probes) == (400, 400, 200)
    assert report.rank1 >= 0.98


def test_json_is_one_object_with_the_promised_keys(
    tmp_path: Path, model: ModelSpec, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FACEBATCH_DATA", raising=False)
    monkeypatch.setenv("FACEBATCH_MODELS", str(model.packs))
    monkeypatch.chdir(tmp_path)
    main(["demo", "--run.executor", "local", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert list(report) == ["images", "ledger_rows", "templates", "probes", "rank1", "seconds", "report", "cases"]
    assert report["ledger_rows"] == report["images"] > 2
    assert Path(report["report"]) == tmp_path / "demo-out" / "demo.html"
    assert report["cases"]["cases"] == 11
    page = (tmp_path / "demo-out" / "demo.html").read_text()
    assert "stranger: no photo of anybody who is not in the gallery" in page
    main(["demo", "--run.executor", "local", "--quiet"])
    assert re.search(r"rank-1 hits.*of \d+ probes[^$]*made-up cases.*11, 1 refused", capsys.readouterr().out)


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("keep me")
    with pytest.raises(ConfigError, match="--out"):
        prepare(tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "keep me"
    ours = prepare(tmp_path / "out")
    (ours / "old").touch()
    assert [path.name for path in prepare(ours).iterdir()] == [".facebatch-demo"]


def test_without_a_pack_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEBATCH_MODELS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelPackError, match=r"facebatch models pull opencv_yunet_sface --accept-licence") as refused:
        choose_pack(ModelSpec())
    assert "\n" not in str(refused.value)
    with pytest.raises(ModelPackError, match="unheard-of"):
        choose_pack(ModelSpec(pack="unheard-of"))


def test_half_of_each_subjects_photos_are_probes_unless_a_set_is_named() -> None:
    photos = [Photo(Path(f"a/{n}.jpg"), "a", str(n)) for n in range(5)] + [Photo(Path("b/0.jpg"), "b", "0")]
    halves = split("here", photos, "none")
    assert [photo.path.name for photo in halves.probes] == ["3.jpg", "4.jpg"]
    assert {photo.subject for photo in halves.gallery} == {"a", "b"}
    named = split("here", photos, "0")
    assert [photo.subject for photo in named.probes] == ["a", "b"]
    assert set(named.gallery) | set(named.probes) == set(photos)
    with pytest.raises(StopError, match="one photo only"):
        split("here", photos[-1:], "none")


@pytest.mark.parametrize(("text", "word"), [("", "column"), ("file,person\na.jpg,x\n", "identity")])
def test_a_label_file_without_its_columns_is_named(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(StopError, match=word):
        find_photos(str(tmp_path), "smiling")
    with pytest.raises(NotFoundError, match="nowhere"):
        find_photos(str(tmp_path / "nowhere"), "smiling")


def test_rank1_counts_only_the_first_of_each_list() -> None:
    rows = [("p", 1, "a"), ("p", 2, "b"), ("q", 1, "a"), ("q", 2, "b"), ("r", 1, None)]
    columns = {
        "probe_id": [row[0] for row in rows],
        "rank": pa.array([row[1] for row in rows], pa.int32()),
        "subject_id": [row[2] for row in rows],
        "template_id": [str(number) for number in range(5)],
        "similarity": pa.array([0.5] * 5, pa.float32()),
        "snapshot": [1] * 5,
    }
    assert rank1_hits(pa.table(columns, schema=CANDIDATES), {"p": "a", "q": "b", "r": "c", "s": "d"}) == 1
