"""The command line: every fault is one line that names key and remedy, never a traceback, and an honest exit code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from facebatch.cli import main

JOBS = ["embed", "index", "match"]


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and the message; standard output stays empty."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("facebatch: ")
    assert "Traceback" not in err
    return int(str(stop.value.code)), err


def test_an_unknown_key_in_a_file_is_refused_with_the_nearest_valid_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "embed.yaml"
    config.write_text("gallery: g\nsource: {uri: x, kindd: tar}\n")
    code, message = fails(capsys, "embed", "--config", str(config))
    assert code == 2
    assert all(word in message for word in (str(config), "kindd", "source.kind"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["embed", "--gallery", "g"], ["source", "required"]),
        (["embed", "--gallery", "g", "--source.uri", "x", "--run.workerz", "1"], ["run.workerz", "run.workers"]),
        (["embed", "--gallery", "g", "--source.uri", "x", "--run.workers", "many"], ["run.workers", "'many'"]),
        (["embed", "--gallery", "g", "--source.uri", "x", "--source.kind", "zip"], ["zip", "tar", "folder"]),
        (["embd"], ["embd", "embed"]),
        (["embed", "--config", "/nowhere.yaml"], ["/nowhere.yaml", "no such config file"]),
        (["plan", "match", "--probes", "1000"], ["gallery", "required"]),
        (["plan", "match", "--probes", "0", "--gallery", "1000"], ["probes", "greater than or equal to 1"]),
        (["plan", "match", "--probes", "1", "--gallery", "999999999", "--segment-rows", "2"], ["--segment-rows"]),
        (["plan", "match", "--probes", "1", "--gallery", "1", "--path", "gpu"], ["path", "integer", "portable"]),
        (
            ["evaluate", "--groups.intersections", "sex", "tone"],
            ["groups.intersections", "as sex,tone", "[[sex, tone]]"],
        ),
        (["models", "check", "--pack", "unheard-of"], ["unheard-of", "facebatch models pull"]),
        (["models", "pull", "unheard-of"], ["unheard-of", "opencv_yunet_sface"]),
    ],
)
def test_a_wrong_command_line_is_told_in_words(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    code, message = fails(capsys, *arguments)
    assert code == 2
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("command", "text", "words"),
    [
        ("index", "gallery: g\nindex: {kind: Nope}\n", ["index.kind", "Nope"]),
        ("index", "gallery: g\nindex: {kindd: Flat}\n", ["kindd", "--index.kind"]),
        ("match", "gallery: g\nresults: r\nprobes: {uri: p}\nmatch: {length: 0}\n", ["match.length", "0"]),
    ],
)
def test_a_section_named_like_a_command_is_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str, text: str, words: list[str]
) -> None:
    config = tmp_path / "job.yaml"
    config.write_text(text)
    code, message = fails(capsys, command, "--config", str(config))
    assert code == 2
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize("text", ["a: [", "- a\n- b\n", "\x00"])
def test_a_file_that_is_no_mapping_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str) -> None:
    config = tmp_path / "broken.yaml"
    config.write_text(text)
    code, message = fails(capsys, "index", "--config", str(config))
    assert code == 2
    assert str(config) in message


def test_a_search_without_a_request_has_its_own_exit_code(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, message = fails(
        capsys, "match", "--gallery", str(tmp_path), "--results", str(tmp_path), "--probes.uri", str(tmp_path)
    )
    assert code == 77
    assert all(f"request.{name}" in message for name in ("purpose", "case_id", "requester"))


def test_a_pull_without_consent_shows_the_licence_and_downloads_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, message = fails(capsys, "models", "pull", "opencv_yunet_sface", "--to", str(tmp_path))
    assert code == 77
    assert all(word in message for word in ("MIT", "Apache", "--accept-licence"))
    assert list(tmp_path.iterdir()) == []


def test_json_is_one_object_on_standard_output(
    capsys: pytest.CaptureFixture[str], models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEBATCH_MODELS", str(models_dir))
    main(["models", "check", "--pack", "open_yunet_omz", "--json"])
    out, err = capsys.readouterr()
    assert err == ""
    card = json.loads(out)
    assert (card["dim"], len(card["fingerprint"]), card["research_only"]) == (256, 64, False)


def planned(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    """What `plan match --json` says about 100 000 probes and ten million templates."""
    main(["plan", "match", "--probes", "100000", "--gallery", "10000000", "--cores", "64", "--json", *more])
    out, err = capsys.readouterr()
    assert err == ""
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_plan_is_arithmetic_on_the_numbers_given(capsys: pytest.CaptureFixture[str]) -> None:
    estimate = planned(capsys)["estimate"]
    assert estimate["comparisons"] == 10**12
    assert (estimate["segments"], estimate["cells"]) == (10, 10 * estimate["probe_blocks"])
    assert estimate["memory_per_worker"] == sum(estimate["memory"].values())
    assert estimate["memory_per_worker"] < estimate["memory_per_machine"] <= 8 * estimate["memory_per_worker"]
    assert planned(capsys, "--segment-rows", "3000000")["estimate"]["segments"] == 4


def test_a_plan_takes_the_users_own_speed_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    own, assumed = planned(capsys, "--speed", "1e8"), planned(capsys)
    assert own["estimate"]["effort"]["scan"] == pytest.approx(10**12 / 1e8)
    assert "1e+08 pairs of 512 dimensions" in own["assumptions"][0]
    assert own["assumptions"][0].endswith("(given)")
    assert "make bench-scale" in assumed["assumptions"][0]
    slow = planned(capsys, "--path", "portable")["estimate"]
    assert slow["effort"]["scan"] > 3 * assumed["estimate"]["effort"]["scan"]
    assert slow["cells"] == assumed["estimate"]["cells"]


def test_a_plan_in_words_has_units_and_its_assumptions(capsys: pytest.CaptureFixture[str]) -> None:
    main(["plan", "match", "--probes", "10000", "--gallery", "1000000"])
    out, _ = capsys.readouterr()
    assert [word for word in ("1e+10", "GB", "core-hours", "PUT", "assumed", "30 ms") if word not in out] == []


@pytest.mark.parametrize("job", JOBS)
def test_a_job_file_is_the_command_of_its_name(job: str) -> None:
    path = Path(__file__).parent.parent / "jobs" / f"{job}.py"
    done = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, check=True)
    assert f"facebatch {job}" in done.stdout
    assert "--dry-run" in done.stdout


def test_every_flag_of_a_plan_has_words(capsys: pytest.CaptureFixture[str]) -> None:
    main(["plan", "match", "--help"])
    out, _ = capsys.readouterr()
    assert all(
        word in out for word in ("--segment-rows", "Templates per segment", "--speed", "Comparisons of one core")
    )


@pytest.mark.parametrize("command", [*JOBS, "demo"])
def test_every_flag_has_words(capsys: pytest.CaptureFixture[str], command: str) -> None:
    main([command, "--help"])
    out, _ = capsys.readouterr()
    assert "--run.workers" in out
    assert "Worker processes" in out


def test_a_word_that_belongs_to_no_flag_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A flag takes no value: `--match.unevaluated false` would say true, and hand `false` to some other setting."""
    with pytest.raises(SystemExit) as stop:
        main(["index", "--gallery", str(tmp_path), "false"])
    assert stop.value.code == 2
    assert "false" in capsys.readouterr().err
