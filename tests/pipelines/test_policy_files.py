"""Packs and requests from files: every fault is told with file and line."""

from pathlib import Path

import pytest

from facebatch.errors import ConfigError
from facebatch.pipelines.policy_files import read_packs, read_request

WHOLE = """id: p
version: "1"
title: An example
cite: law
source_url: https://example.org
reviewed_on: 2026-01-01
review_by: 2027-01-01
rules:
  - id: a
    kind: forbid
    cite: section 1
    message: not so
  - id: b
    kind: forbid
    cite: section 2
    message: not so
cases:
  - name: one
    day: 2026-02-01
    change: {purpose: system_test}
    denied_by: [a, b]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text(WHOLE)
    return path


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("    cite: section 2\n", "", 13, "cite"),
        ("id: b", "id: a", 13, "two rules have the id 'a'"),
        ("    message: not so\ncases", "    mesage: not so\ncases", 16, "did you mean 'message'"),
        ("{purpose: system_test}", "{purpose: curiosity}", 20, "purpose"),
        ("{purpose: system_test}", "{purpos: system_test}", 20, "unknown fact 'purpos'"),
        ("day: 2026-02-01", "day: yesterday", 19, "date"),
        ("[a, b]", "[a, c]", 21, "no rule has the id 'c'"),
        ("title: An example\n", "title: An example\ntitle: Another\n", 4, "given in line 3 already"),
        ("rules:\n", "rules: [\n", 9, "not YAML"),
        ("    change: {purpose: system_test}\n", "    change: []\n", 20, "dictionary"),
        ("reviewed_on: 2026-01-01", "reviewed_on: 2028-01-01", 1, "before reviewed_on"),
        ("title: An example", "title: &a [*a]", 3, "title"),
        ("version", "default: deny\nversion", 2, "permits exactly where"),
        (
            "    message: not so\ncases",
            "    message: not so\n    when: [{fact: probe.quality, op: at_most, value: .nan}]\ncases",
            17,
            "a number is expected, not nan",
        ),
        (
            "    message: not so\ncases",
            "    message: not so\n    when: [{fact: authority.issued, op: max_age_days, value: 1.0e+18}]\ncases",
            17,
            "a number is expected, not 1e+18",
        ),
    ],
)
def test_a_fault_of_a_pack_has_file_and_line(file: Path, old: str, new: str, line: int, words: str) -> None:
    assert WHOLE.count(old) == 1
    file.write_text(WHOLE.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        read_packs(file)
    told = [message for message in str(caught.value).splitlines() if words in message]
    assert [message.startswith(f"{file}:{line}: ") for message in told] == [True], str(caught.value)


def test_faults_of_all_files_are_told_at_once(file: Path) -> None:
    assert [pack.id for pack in read_packs(file.parent)] == ["p"]
    (file.parent / "q.yaml").write_text(WHOLE)
    (file.parent / "r.yaml").write_text("- a\n")
    with pytest.raises(ConfigError) as caught:
        read_packs(file.parent)
    assert "q.yaml:1: another file has a pack 'p'" in str(caught.value)
    assert "r.yaml:1: a mapping of keys is expected" in str(caught.value)


@pytest.mark.parametrize("name", ["ban.yml", "ban.YAML", "ban.YML"])
def test_no_pack_of_a_folder_is_passed_over_for_how_its_name_is_spelled(file: Path, name: str) -> None:
    """A ban that nobody reads would allow what it forbids."""
    (file.parent / "README.md").write_text("no pack")
    assert [pack.id for pack in read_packs(file.parent)] == ["p"]
    (file.parent / name).write_text(WHOLE.replace("id: p", "id: ban"))
    with pytest.raises(ConfigError, match=rf"{name}: .* rename it to ban\.yaml"):
        read_packs(file.parent)


def test_a_folder_without_packs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no policy pack"):
        read_packs(tmp_path)


@pytest.mark.parametrize("fault", ["quality: .nan", "quality: 101", "count: -1"])
def test_a_number_that_no_probe_can_have_is_refused(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "request.yaml"
    path.write_text(f"purpose: missing_child\nprobe:\n  {fault}\n")
    with pytest.raises(ConfigError, match=rf"request\.yaml:3: probe\.{fault.partition(':')[0]}: .* than or equal to"):
        read_request(path)


def test_a_request_with_an_unknown_field_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "request.yaml"
    path.write_text("purpose: missing_child\nrequester:\n  agency: unit 4\n  sectr: private\n")
    with pytest.raises(ConfigError) as caught:
        read_request(path)
    assert str(caught.value) == f"{path}:4: unknown key 'requester.sectr'; did you mean 'sector'?"
