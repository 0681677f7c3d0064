"""pairs: real photos in LFW's layout, embedded by the job and scored by the ten-fold protocol."""

import csv
import json
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import cv2
import pytest

from facebatch.cli import main
from facebatch.errors import ConfigError, StopError
from facebatch.evaluate.pairs import Photo
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.pipelines import pairs
from facebatch.pipelines.pairs import PairsConfig
from worlds import LOCAL, QUIET

pytestmark = pytest.mark.integration
PEOPLE = 12
FACES = FaceSpec(detector_size=256, enlarge=2.0)


@pytest.fixture(scope="module")
def people(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos each of twelve people of ORL."""
    root = tmp_path_factory.mktemp("people")
    with (data_dir / "orl" / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if int(row["set"]) <= 3]
    chosen = sorted({row["identity"] for row in rows})[:PEOPLE]
    for row in rows:
        if row["identity"] in chosen:
            path = root / f"{Photo(row['identity'], int(row['set'])).name}.jpg"
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), cv2.imread(str(data_dir / "orl" / row["file"])))
    return root


@pytest.fixture
def config(people: Path, tmp_path: Path, model: ModelSpec) -> PairsConfig:
    return PairsConfig(
        people=str(people), work=str(tmp_path / "work"), model=model, faces=FACES, run=LOCAL, folds=2, size=6
    )


def test_a_drawn_list_is_kept_and_gives_the_same_figures_when_it_is_given(config: PairsConfig) -> None:
    drawn = pairs.run(config, QUIET)
    assert (drawn.pairs, drawn.failed_images) == (24, 0)
    assert drawn.accuracy >= 0.9
    assert drawn.accuracy_compared == drawn.accuracy
    assert list(drawn.tar) == ["0.001", "0.01", "0.1"]
    text = Path(drawn.pairs_file).read_text()
    assert text.startswith("2\t6\n")
    assert not (Path(config.work) / "report").exists()
    given = pairs.run(config.model_copy(update={"pairs": drawn.pairs_file, "seed": 9}), QUIET)
    assert given == drawn


def test_the_trade_off_goes_into_a_file_and_a_picture(config: PairsConfig, tmp_path: Path) -> None:
    found = pairs.run(config.model_copy(update={"report": str(tmp_path / "report")}), QUIET)
    told = json.loads((tmp_path / "report" / "pairs.json").read_text())
    assert (told["accuracy"], told["pairs"]) == (found.accuracy, found.pairs)
    points = told["det"]
    assert (points[0]["fmr"], points[0]["fnmr"]) == (1.0, 0.0)
    assert (points[-1]["fmr"], points[-1]["fnmr"]) == (0.0, 1.0)
    assert all(a["fmr"] >= b["fmr"] and a["fnmr"] <= b["fnmr"] for a, b in pairwise(points))
    root = ElementTree.fromstring((tmp_path / "report" / "pairs-det.svg").read_text())
    assert "12 mated and 12 non-mated" in (root.findtext("{http://www.w3.org/2000/svg}title") or "")


def test_an_image_of_the_list_that_is_not_there_is_named(config: PairsConfig, tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text("2\t1\na\t1\t2\na\t1\tb\t1\nc\t1\t2\nc\t1\td\t1\n")
    with pytest.raises(StopError, match="6 of 6 images of the pairs list were never read, the first is a/a_0001"):
        pairs.run(config.model_copy(update={"pairs": str(path)}), QUIET)
    path.write_text("ten\n")
    with pytest.raises(ConfigError, match=r"pairs\.txt: line 1: expected the number of folds"):
        pairs.run(config.model_copy(update={"pairs": str(path)}), QUIET)


def test_the_command_prints_one_object(config: PairsConfig, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--people", config.people, "--work", config.work, "--folds", "2", "--size", "6", "--json"]
    model = ["--model.pack", config.model.pack, "--model.packs", str(config.model.packs)]
    main(["pairs", *where, *model, "--faces.enlarge", "2", "--faces.detector-size", "256", "--run.executor", "local"])
    told = json.loads(capsys.readouterr().out)
    assert told["pairs"] == 24
    assert 0.9 <= told["accuracy"] <= 1
