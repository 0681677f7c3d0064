"""Case manifests: what is looked for, on whose request, in which media. Refused whole before anything of it is read."""

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import yaml
from pydantic import Field, StringConstraints, model_validator

from facebatch.errors import ConfigError
from facebatch.governance.facts import EventContext, Facts, OneProbeFacts
from facebatch.governance.probe_rules import PROBE_FACTS, Stated
from facebatch.images.manifest import read_rows
from facebatch.images.video import is_video
from facebatch.spec import Spec, parse

MAX_BYTES = 64 << 20
MAX_CASES = 100_000
MAX_MEDIA = 200
"""Of one probe."""
YAML_SUFFIXES = (".yaml", ".yml")

Name = Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,198}[^\s\x00-\x1f\x7f])?$")]
"""Up to 200 printable characters, blanks only inside."""
Pixel = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class MediumSpec(Spec):
    """One picture or one video of a probe's person."""

    uri: str = Field(min_length=1)
    """Absolute, or relative to the manifest."""
    face: tuple[Pixel, Pixel] | None = None
    """A point in the designated face, px of the upright image or frame. Needed where several faces are seen."""
    box: tuple[Pixel, Pixel, Pixel, Pixel] | None = None
    """x0, y0, x1, y1 around the designated face: the one at its middle is meant."""
    at: Seconds | None = None
    """Seconds from the start of a video to the moment at which `face` or `box` holds; absent: `start`."""
    start: Seconds = 0.0
    """Seconds from the start of a video: nothing before is looked at."""
    end: Seconds | None = None
    """Seconds from the start of a video, exclusive; absent: its end."""
    edits: tuple[str, ...] = ()
    """What was done to it before, in words: cropped, brightened. Shown with it. Content that was drawn, composed or
    generated is another thing: state `edited: true` among the facts of the probe."""

    @property
    def point(self) -> tuple[float, float] | None:
        """Where the designated face is."""
        if self.box is None:
            return self.face
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @model_validator(mode="after")
    def _is_clear(self) -> "MediumSpec":
        if self.face is not None and self.box is not None:
            raise ValueError("face and box both designate the face; leave one of them out")
        if self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ValueError("box is x0, y0, x1, y1 with x0 < x1 and y0 < y1")
        if self.end is not None and self.end <= self.start:
            raise ValueError("end must be later than start")
        if self.at is not None and self.point is None:
            raise ValueError("at says when the designated face is at a place; give face or box beside it")
        if self.at is not None and not (self.start <= self.at and (self.end is None or self.at < self.end)):
            raise ValueError("at lies outside start and end")
        return self


class StatedSpec(OneProbeFacts):
    """What is known of one probe, in place of what the request says of all. Absent: as the request says."""

    event_contexts: tuple[EventContext, ...] | None = None
    """Protected activities that it shows; empty: none."""

    @property
    def stated(self) -> Stated:
        """By the names that policy packs use."""
        named = {name.rpartition(".")[2]: name for name in PROBE_FACTS}
        known = {named[field]: getattr(self, field) for field in named}
        return {name: value for name, value in known.items() if value is not None}


class ProbeSpec(Spec):
    """One person's media in a case: one search."""

    probe_id: Annotated[Name, StringConstraints(pattern=r"^[^#]*$")]
    """Unique in the case; without #."""
    media: tuple[MediumSpec, ...] = Field(min_length=1, max_length=MAX_MEDIA)
    facts: StatedSpec = StatedSpec()
    everybody: bool = False
    """Search each person that its videos show, not one who is designated: a scan of videos, which is off unless
    `request.approver` names who approves and no policy pack forbids media of kind video_scan."""

    @model_validator(mode="after")
    def _scans_videos_alone(self) -> "ProbeSpec":
        if not self.everybody:
            return self
        if any(not is_video(medium.uri) or medium.point is not None for medium in self.media):
            raise ValueError("everybody is for videos without a designated face; give other media as another probe")
        if self.facts.media_kind not in (None, "video_scan"):
            raise ValueError(f"facts.media_kind is {self.facts.media_kind}, and everybody is video_scan; leave it out")
        return self

    @property
    def stated(self) -> Stated:
        """What is known of it, by the names that policy packs use."""
        scan: Stated = {"probe.media_kind": "video_scan"} if self.everybody else {}
        return {**self.facts.stated, **scan}


class CaseSpec(Spec):
    """One case."""

    case_id: Name
    """Unique in the manifest."""
    request: Facts = Facts()
    """What is asked for this case; what it leaves out is as the config's `request` says."""
    probes: tuple[ProbeSpec, ...] = Field(min_length=1, max_length=10_000)
    standing: bool = False
    """Searched again in what is new in the gallery, run by run, for as long as its request is allowed."""

    @model_validator(mode="after")
    def _has_each_probe_once(self) -> "CaseSpec":
        ids = [probe.probe_id for probe in self.probes]
        twice = next((each for each in ids if ids.count(each) > 1), None)
        if twice is not None:
            raise ValueError(f"probe {twice!r} is given twice; put all media of a person into one probe")
        if self.request.case_id not in (None, self.case_id):
            raise ValueError(f"request.case_id is {self.request.case_id!r}; leave it out, the case has its id")
        return self

    @property
    def stated(self) -> Mapping[str, Stated]:
        """What is known of single probes, by probe id."""
        return {probe.probe_id: probe.stated for probe in self.probes}


def parse_cases(data: bytes, uri: str) -> tuple[CaseSpec, ...]:
    """The cases of a .yaml, .jsonl or .parquet file, in its order; `uri` names it and says which it is by its suffix.

    A YAML file is a list of cases or a mapping with the one key `cases`; a line of JSON or a row of Parquet is a case,
    its columns the keys. ConfigError naming file, case and key of the first fault, for a case that is given twice, and
    for a file of more than MAX_BYTES or MAX_CASES.
    """
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{uri}: has {len(data)} bytes, a manifest of cases at most {MAX_BYTES}; split it")
    found: dict[str, CaseSpec] = {}
    for where, values in _values(data, uri):
        case = parse(CaseSpec, _without_nulls(values), origin=where)
        if case.case_id in found:
            raise ConfigError(f"{where}: case {case.case_id!r} was given before; put all its probes into one case")
        found[case.case_id] = case
        if len(found) > MAX_CASES:
            raise ConfigError(f"{uri}: has more than {MAX_CASES} cases; split it")
    if not found:
        raise ConfigError(f"{uri}: has no case; give at least one")
    return tuple(found.values())


def request_of(common: Facts, case: CaseSpec) -> Facts:
    """All that is asked for a case: `common` where the case says nothing else, fact by fact."""
    told = case.request.model_dump(exclude_unset=True) | {"case_id": case.case_id}
    return Facts.model_validate(_merged(common.model_dump(exclude_unset=True), told))


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for key, value in above.items():
        is_group = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = _merged(found[key], value) if is_group else value
    return found


def _values(data: bytes, uri: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if posixpath.splitext(uri)[1].lower() in YAML_SUFFIXES:
        yield from _yaml_values(data, uri)
        return
    for row in read_rows(data, uri):
        yield row.where, row.values


def _yaml_values(data: bytes, uri: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        loaded = _load_yaml(data)
    except UnicodeDecodeError:
        raise ConfigError(f"{uri}: not UTF-8; save the file as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{uri}{line}: not YAML: {getattr(error, 'problem', error)}") from None
    except RecursionError:
        raise ConfigError(f"{uri}: is nested deeper than a manifest of cases") from None
    listed = loaded.get("cases") if isinstance(loaded, dict) and set(loaded) == {"cases"} else loaded
    if not isinstance(listed, list):
        raise ConfigError(f"{uri}: a list of cases is expected, or a mapping with the one key cases")
    for number, values in enumerate(listed, start=1):
        where = f"{uri}: case {number}"
        if not isinstance(values, dict):
            raise ConfigError(f"{where}: a mapping of keys is expected")
        yield where, values


def _load_yaml(data: bytes) -> Any:
    """Without anchors: a small file with nested ones stands for as much as it likes."""
    text = data.decode("utf-8-sig")
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken):
            raise yaml.MarkedYAMLError(
                problem="aliases (*name) are not read; repeat what is meant, or put it into the config's request",
                problem_mark=token.start_mark,
            )
    return yaml.safe_load(text)


def _without_nulls(values: Any) -> Any:
    """Parquet has a value for every column of a struct; null there is absent."""
    if isinstance(values, Mapping):
        return {str(key): _without_nulls(value) for key, value in values.items() if value is not None}
    if isinstance(values, list | tuple):
        return [_without_nulls(value) for value in values]
    return values


def dump_jsonl(cases: Iterable[CaseSpec]) -> bytes:
    """The same cases as lines of JSON, which `parse_cases` reads back."""
    lines = (json.dumps(case.model_dump(mode="json", exclude_unset=True), sort_keys=True) for case in cases)
    return "".join(f"{line}\n" for line in lines).encode()
