"""Files of reviews: an export that no spreadsheet takes for a program, lists of examiners, and who is a decoy."""

import csv
import io
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import ConfigError, NotFoundError
from facebatch.pipelines.review_decoys import Strangers
from facebatch.pipelines.review_export_files import BYTE_ORDER_MARK, COLUMNS, as_csv
from facebatch.pipelines.review_people import known_here, read_examiners
from facebatch.pipelines.review_pictures import side
from facebatch.pipelines.review_results import ReviewedResult
from facebatch.pipelines.review_secret import open_secret
from facebatch.storage.memory import MemoryStore
from sheets import drawn

AT = datetime(2026, 3, 1, tzinfo=UTC)
STARTS = ("=", "+", "-", "@", "\t", "\r")


def result(**told: object) -> ReviewedResult:
    shared = {
        "case_id": "c",
        "search": "5" * 24,
        "probe_id": "p",
        "outcome": "no_candidate",
        "basis": "review",
        "searched_at": AT,
        "gallery_templates": 7,
        "snapshot": 1,
        "model": "m",
    }
    return ReviewedResult.model_validate(shared | told)


def rows(data: bytes) -> list[dict[str, str]]:
    text = data.decode()
    assert text.startswith(BYTE_ORDER_MARK)
    return list(csv.DictReader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline="")))


@pytest.mark.parametrize("start", STARTS)
def test_what_a_spreadsheet_may_run_is_text(start: str) -> None:
    note = f"{start}cmd|' /C calc'!A0"
    [row] = rows(as_csv([result(case_id=note, notes=(f"seen;{note}", note))]))
    assert row["case_id"] == f"'{note}"
    assert [part[:1] for line in row["notes"].split("\n") for part in line.split(";")] == ["s", "'", "'"]


def test_numbers_stay_numbers_and_lines_end_as_the_standard_says() -> None:
    data = as_csv([result(similarity=-0.25, rank=2, subject_id='a,"b"\nc')])
    [row] = rows(data)
    assert (row["similarity"], row["rank"], row["subject_id"], row["template_id"]) == ("-0.25", "2", 'a,"b"\nc', "")
    assert data.decode().split("\r\n")[0] == BYTE_ORDER_MARK + ",".join(COLUMNS)
    assert data.endswith(b"\r\n")
    assert "not identifications" in row["notice"]


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=30), max_size=3))
def test_whatever_was_written_is_read_back_behind_its_marks(notes: list[str]) -> None:
    [row] = rows(as_csv([result(notes=notes)]))
    cell = row["notes"]
    assert not cell.startswith(STARTS)
    assert cell.replace("'", "") == "\n".join(notes).replace("'", "")


def test_examiners_are_read_from_either_file(tmp_path: Path) -> None:
    table, listed = tmp_path / "who.csv", tmp_path / "who.yaml"
    table.write_text("examiner,unit\n one ,x\ntwo,y\n")
    listed.write_text("examiners: [one, two]")
    assert read_examiners(table) == read_examiners(listed) == ("one", "two")
    found = known_here(MemoryStore("people"), ("one", "two"), writes=True)
    assert list(found.places.values()) == [1, 2]
    assert found.requester(" ONE ") in found.places
    assert found.requester("three") not in found.places


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "examiner\none\n One\n", "examiner 2 is given before"),
        ("a.csv", "name\none\n", "there is no column examiner"),
        ("a.yaml", "examiners: [one, '']", "examiner 2 is blank"),
        ("a.yaml", "examiner: [one]", "did you mean 'examiners'"),
        ("a.txt", "one", "in a .yaml or a .csv file"),
    ],
)
def test_a_list_of_examiners_that_is_none_is_told(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_examiners(tmp_path / name)


def test_decoys_are_most_like_the_probe_one_per_person_and_nobody_of_the_lists() -> None:
    angles = np.array([0.9, 0.1, 0.2, 0.3, 0.3])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float16)
    people = ["far", "barred", "near", "twin", "twin"]
    faces = [{"subject_id": name, "template_id": f"{at}"} for at, name in enumerate(people)]
    pool = Strangers("f" * 64, "pack", faces, vectors, 0)
    probe = np.array([1, 0], np.float16)
    found = [row["template_id"] for row in pool.most_like(probe, 3, frozenset({"barred"}))]
    assert found == ["2", "3", "0"]
    assert len(pool.most_like(probe, 2, frozenset())) == 2


def test_pictures_of_other_sizes_are_refused() -> None:
    assert side([drawn("a", True), drawn("b", True)], "here") == 112
    with pytest.raises(Exception, match="squares of one size, not 112 x 112, 160 x 200 px"):
        side([drawn("a", True), drawn("b", False)], "here")


def test_a_secret_that_is_not_there_is_told_how_to_make(tmp_path: Path) -> None:
    path = tmp_path / "review.hex"
    with pytest.raises(NotFoundError) as missing:
        open_secret(path)
    told = str(missing.value)
    assert told.startswith(f"{path}: there is no review secret; give the file that the cases were assigned with, or ")
    command = told.partition("`")[2].partition("`")[0]
    subprocess.run(["bash", "-c", command], check=True, timeout=60)
    assert len(open_secret(path).value) == 32
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600 it"):
        open_secret(path)
