"""Case manifests: what they say, and that a fault is told by file, case and key before anything is read."""

import contextlib
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.cases.manifest import (
    CaseSpec,
    MediumSpec,
    ProbeSpec,
    StatedSpec,
    dump_jsonl,
    parse_cases,
    request_of,
)
from facebatch.errors import ConfigError
from facebatch.governance.facts import Facts, ProbeFacts, RequesterFacts
from facebatch.governance.probe_rules import PROBE_FACTS

CASES = b"""
cases:
- case_id: 2026-0117
  standing: true
  request: {purpose: missing_person, requester: {agency: unit 4}}
  probes:
  - probe_id: p1
    facts: {media_kind: still, event_contexts: []}
    media:
    - {uri: a.jpg, face: [10, 20], edits: [cropped]}
    - {uri: clip.mp4, start: 1, end: 4.5, box: [1, 2, 30, 40], at: 2}
- case_id: 2026-0118
  probes: [{probe_id: p1, media: [{uri: b.jpg}]}]
"""


def test_yaml_json_lines_and_parquet_say_the_same() -> None:
    cases = parse_cases(CASES, "x.yaml")
    assert [case.case_id for case in cases] == ["2026-0117", "2026-0118"]
    assert parse_cases(dump_jsonl(cases), "x.jsonl") == cases
    rows = [case.model_dump(exclude_unset=True) for case in cases]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    assert parse_cases(file.getvalue(), "s3://b/x.parquet") == cases


def test_a_box_designates_the_face_at_its_middle() -> None:
    still, clip = parse_cases(CASES, "x.yaml")[0].probes[0].media
    assert (still.point, clip.point, clip.at) == ((10, 20), (15.5, 21), 2)


def test_what_is_known_of_a_probe_has_the_names_of_policy_packs() -> None:
    first, second = parse_cases(CASES, "x.yaml")
    assert first.stated == {"p1": {"probe.media_kind": "still", "event_contexts": ()}}
    assert second.stated == {"p1": {}}


def test_all_that_may_be_stated_of_a_probe_is_a_key_and_nothing_else() -> None:
    assert {name.rpartition(".")[2] for name in PROBE_FACTS} == set(StatedSpec.model_fields)
    assert {f"probe.{name}" for name in ProbeFacts.model_fields} - set(PROBE_FACTS) == {"probe.count"}
    assert StatedSpec.model_fields["event_contexts"].annotation == Facts.model_fields["event_contexts"].annotation


def test_a_scan_of_videos_is_stated_as_one() -> None:
    probe = ProbeSpec(probe_id="p", everybody=True, media=(MediumSpec(uri="x.mp4"),))
    assert CaseSpec(case_id="a", probes=(probe,)).stated == {"p": {"probe.media_kind": "video_scan"}}


def test_a_case_states_over_what_all_have_in_common() -> None:
    common = Facts(purpose="missing_child", narrative="all", requester=RequesterFacts(agency="unit 1", role="analyst"))
    asked = request_of(common, parse_cases(CASES, "x.yaml")[0])
    assert (asked.purpose, asked.narrative, asked.case_id) == ("missing_person", "all", "2026-0117")
    assert (asked.requester.agency, asked.requester.role) == ("unit 4", "analyst")


PROBE = "probes: [{probe_id: p, media: [{uri: a.jpg}]}]"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {case_id: a, probess: 1}", r"c\.yaml: case 1: unknown key 'probess'; did you mean 'probes'\?"),
        ("- {case_id: a, probes: []}", r"case 1: probes: "),
        (f"- {{case_id: a, {PROBE}}}\n- {{case_id: a, {PROBE}}}", r"case 2: case 'a' was given before"),
        ("- {case_id: a, probes: [{probe_id: p, media: [{uri: x, face: [1]}]}]}", r"media\.0\.face\.1: Field required"),
        ("- {case_id: a, probes: [{probe_id: p, media: [{uri: x, face: [1, -1]}]}]}", r"media\.0\.face\.1: "),
        ("- {case_id: a, probes: [{probe_id: p, media: [{uri: x, face: [.nan, 1]}]}]}", r"media\.0\.face\.0: "),
        ("- {case_id: a, probes: [{probe_id: p, media: [{uri: x, box: [5, 5, 5, 9]}]}]}", r"x0 < x1 and y0 < y1"),
        ("- {case_id: a, probes: [{probe_id: p, media: [{uri: x, start: 5, end: 5}]}]}", r"end must be later"),
        ("- {case_id: a, probes: [{probe_id: p, media: [{uri: x, at: 5}]}]}", r"give face or box beside it"),
        (
            "- {case_id: a, probes: [{probe_id: p, media: [{uri: x, at: 9, end: 9, face: [1, 1]}]}]}",
            r"at lies outside start and end",
        ),
        (
            "- {case_id: a, probes: [{probe_id: p, media: [{uri: x, face: [1, 1], box: [0, 0, 1, 1]}]}]}",
            r"face and box both designate",
        ),
        (f"- {{case_id: a, request: {{case_id: b}}, {PROBE}}}", r"request\.case_id is 'b'; leave it out"),
        (f"- {{case_id: a, request: {{purpose: fun}}, {PROBE}}}", r"case 1: request\.purpose: "),
        ('- {case_id: "a\\u0007", ' + PROBE + "}", r"case 1: case_id: "),
        (
            "- {case_id: a, probes: [{probe_id: p, media: [{uri: x}]}, {probe_id: p, media: [{uri: y}]}]}",
            r"probe 'p' is given twice",
        ),
        ("- {case_id: a, probes: [{probe_id: p#1, media: [{uri: x}]}]}", r"probes\.0\.probe_id: "),
        (
            "- {case_id: a, probes: [{probe_id: p, facts: {count: 2}, media: [{uri: x}]}]}",
            r"c\.yaml: case 1: unknown key 'probes\.0\.facts\.count'; ",
        ),
        (
            "- {case_id: a, probes: [{probe_id: p, facts: {is_sketsh: true}, media: [{uri: x}]}]}",
            r"unknown key 'probes\.0\.facts\.is_sketsh'; did you mean 'is_sketch'",
        ),
        (
            "- {case_id: a, probes: [{probe_id: p, facts: {quality: 101}, media: [{uri: x}]}]}",
            r"c\.yaml: case 1: probes\.0\.facts\.quality: ",
        ),
        (
            "- {case_id: a, probes: [{probe_id: p, everybody: true, media: [{uri: x.jpg}]}]}",
            r"everybody is for videos without a designated face",
        ),
        (
            "- {case_id: a, probes: [{probe_id: p, everybody: true, media: [{uri: x.mp4, face: [1, 1]}]}]}",
            r"everybody is for videos without a designated face",
        ),
        (
            "- {case_id: a, probes: [{probe_id: p, everybody: 1, facts: {media_kind: still}, media: [{uri: x.mp4}]}]}",
            r"facts\.media_kind is still, and everybody is video_scan",
        ),
        ("a: &x [1]\nb: *x", r"c\.yaml:2: not YAML: aliases"),
        ("- x", r"case 1: a mapping of keys"),
        ("[", r"c\.yaml:1: not YAML"),
        ("{cases: [], more: 1}", r"a list of cases is expected"),
        ("cases: []", r"has no case"),
        ("", r"a list of cases is expected"),
    ],
)
def test_a_fault_is_told_by_file_case_and_key(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_cases(text.encode(), "c.yaml")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("c.jsonl", b'{"case_id": "a"', r"c\.jsonl: line 1 is not JSON"),
        ("c.jsonl", b'{"case_id": "a"}', r"c\.jsonl: line 1: probes: Field required"),
        ("c.parquet", b"PAR1", r"not a readable Parquet file"),
        ("c.toml", b"x", r"a manifest is a \.csv, \.jsonl or \.parquet"),
        ("c.yaml", b"\xff\xfe\x00", r"not UTF-8"),
        ("c.yaml", b"[" * 20_000, r"c\.yaml"),
    ],
)
def test_files_that_are_none_are_refused(name: str, data: bytes, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_cases(data, name)


@given(st.binary(max_size=200), st.sampled_from(["x.yaml", "x.jsonl", "x.parquet"]))
def test_no_bytes_raise_anything_else(data: bytes, name: str) -> None:
    with contextlib.suppress(ConfigError):
        assert parse_cases(data, name)


names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
media = st.builds(
    MediumSpec,
    uri=names,
    face=st.none() | st.tuples(st.floats(0, 1e4), st.floats(0, 1e4)),
    edits=st.lists(names, max_size=2).map(tuple),
)


@given(st.lists(st.tuples(names, names, media), min_size=1, max_size=4, unique_by=lambda each: each[0]))
def test_lines_of_json_are_read_back(parts: list[tuple[str, str, MediumSpec]]) -> None:
    cases = tuple(
        CaseSpec(case_id=case, probes=(ProbeSpec(probe_id=probe, media=(medium,)),)) for case, probe, medium in parts
    )
    assert parse_cases(dump_jsonl(cases), "x.jsonl") == cases
