import json
import logging

import pytest

from facebatch.errors import ConfigError
from facebatch.telemetry.logs import configure

LOGGER = logging.getLogger("facebatch.pipelines.embed")


def test_json_lines_carry_time_level_logger_message_and_extras(capsys):
    configure("info", json=True)
    LOGGER.info("shard %d done", 7, extra={"images": 253, "seconds": 1.5, "outcomes": {"ok": 250, "no_face": 3}})
    out, err = capsys.readouterr()
    line = json.loads(err)
    time = line.pop("time")
    assert line == {
        "level": "info",
        "logger": "facebatch.pipelines.embed",
        "message": "shard 7 done",
        "images": 253,
        "seconds": 1.5,
        "outcomes": {"ok": 250, "no_face": 3},
    }
    assert time[10] == "T"
    assert time.endswith("Z")
    assert out == ""


def test_text_lines_carry_extras(capsys):
    configure("info", json=False)
    LOGGER.warning("shard done\nwith faults", extra={"images": 253})
    err = capsys.readouterr().err
    assert err.endswith("Z warning facebatch.pipelines.embed: shard done with faults images=253\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("as_json", [True, False])
def test_arrays_and_long_lists_are_never_written(capsys, as_json):
    numpy = pytest.importorskip("numpy")
    configure("info", json=as_json)
    embedding = numpy.full(512, 0.0625, dtype=numpy.float32)
    LOGGER.info("face", extra={"a": embedding, "b": embedding.tolist(), "c": b"\xff\xd8", "count": numpy.int64(3)})
    err = capsys.readouterr().err
    assert "0.0625" not in err
    assert "xd8" not in err
    assert "<ndarray>" in err
    assert "<list>" in err
    assert '"count": 3' in err or "count=3" in err


def test_an_error_is_one_line_with_its_traceback_as_a_field(capsys):
    configure("info", json=True)
    try:
        {}["shard"]
    except KeyError:
        LOGGER.exception("gave up")
    line = json.loads(capsys.readouterr().err)
    assert line["error"] == "KeyError: 'shard'"
    assert "test_logs.py" in line["traceback"]


def test_marks_of_libraries_are_left_out(capsys):
    configure("info", json=True)
    LOGGER.info("ready", extra={"_mark_of_a_library": 5, "images": 3})
    line = json.loads(capsys.readouterr().err)
    assert "_mark_of_a_library" not in line
    assert line["images"] == 3


def test_an_extra_cannot_replace_a_field(capsys):
    configure("info", json=True)
    LOGGER.info("ready", extra={"level": "forged", "score": float("nan")})
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["level_"], line["score"]) == ("info", "forged", "nan")


def test_libraries_log_from_warning_up(capsys):
    configure("debug", json=False)
    LOGGER.debug("ours")
    logging.getLogger("botocore.auth").debug("Authorization: secret")
    logging.getLogger("botocore").warning("theirs")
    err = capsys.readouterr().err
    assert "ours" in err
    assert "theirs" in err
    assert "secret" not in err


def test_the_last_configuration_counts(capsys):
    configure("debug", json=True)
    configure("error", json=False)
    LOGGER.info("hidden")
    LOGGER.error("shown")
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "shown" in err


def test_an_unknown_level_names_the_valid_ones():
    with pytest.raises(ConfigError, match="unknown log level 'loud'; valid levels: debug, info, warning, error"):
        configure("loud", json=False)
