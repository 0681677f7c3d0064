"""The config of each job: the settings of the layers below, composed. YAML file, flags and defaults meet here."""

from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import yaml

from facebatch.cases.probes import JoinSpec
from facebatch.cases.settings import SheetSpec
from facebatch.errors import ConfigError
from facebatch.evaluate.candidate_files import CandidatesSpec
from facebatch.evaluate.differentials import DifferentialSpec
from facebatch.evaluate.group_limits import AllLimitsSpec
from facebatch.evaluate.report import ReportSpec
from facebatch.faces.settings import FaceSpec, ModelSpec, ProbeFaceSpec
from facebatch.faces.tracks import TrackSpec
from facebatch.gallery.gates import GateSpec
from facebatch.governance.facts import Facts
from facebatch.governance.retention import RetentionSpec
from facebatch.governance.settings import PolicySpec
from facebatch.images.source import DecodeSpec, SourceSpec
from facebatch.images.video import VideoSpec
from facebatch.index.compact import CompactSpec
from facebatch.index.spec import IndexSpec
from facebatch.match.canaries import CanarySpec
from facebatch.match.generations import GenerationSpec
from facebatch.match.settings import MatchSpec
from facebatch.runtime.executor import RunSpec
from facebatch.spec import Spec, parse
from facebatch.storage.settings import S3Spec


class EmbedConfig(Spec):
    """Image shards to template parts, and a snapshot that lists them."""

    gallery: str
    """Root of the gallery: a local path or s3://bucket/prefix."""
    source: SourceSpec
    """The images. Embedding a source again replaces its shards in the gallery."""
    decode: DecodeSpec = DecodeSpec()
    model: ModelSpec = ModelSpec()
    faces: FaceSpec = FaceSpec()
    run: RunSpec = RunSpec()
    s3: S3Spec = S3Spec()


class IndexConfig(Spec):
    """The head snapshot's templates to FAISS segments, and a snapshot that lists them."""

    gallery: str
    """Root of the gallery."""
    index: IndexSpec = IndexSpec()
    run: RunSpec = RunSpec()
    s3: S3Spec = S3Spec()


class ReindexConfig(Spec):
    """What changed at the sources into the gallery and its segments: the job for every night."""

    gallery: str
    """Root of the gallery."""
    sources: tuple[SourceSpec, ...]
    """The images. What a source no longer lists leaves; sources of the gallery that are not named here stay. No image
    may be in two of them."""
    decode: DecodeSpec = DecodeSpec()
    model: ModelSpec = ModelSpec()
    faces: FaceSpec = FaceSpec()
    index: IndexSpec = IndexSpec()
    gates: GateSpec = GateSpec()
    canaries: CanarySpec | None = None
    """Held-out probes that are searched before a snapshot is published; absent: their gates are not measured."""
    generation: GenerationSpec | None = None
    """Allow `model` to replace that of the gallery; absent: another model is refused."""
    deletions: str | None = None
    """A .csv or .jsonl file with kind (template, subject, image), id, reason, authority. Carried out once."""
    as_of: date | None = None
    """The day in UTC by whose end templates expire; absent: today."""
    compaction: CompactSpec = CompactSpec()
    report: str | None = None
    """A folder, path or s3:// URI, that gets a page and a JSON of every run that comes to a verdict: published, nothing
    to do, stopped by a gate or by known photos, or a part of a change of the model. Absent: none is written."""
    run: RunSpec = RunSpec()
    s3: S3Spec = S3Spec()


class ExpireConfig(Spec):
    """Deletions and expiry into the gallery and its segments, without any source: nothing is embedded. And the end of
    past searches' results.
    """

    gallery: str
    """Root of the gallery."""
    results: str | None = None
    """Root of the results, as in match: what is due of searches is deleted there. Absent: no search is looked at."""
    retention: RetentionSpec = RetentionSpec()
    deletions: str | None = None
    """A .csv or .jsonl file with kind (template, subject, image), id, reason, authority. Carried out once."""
    as_of: date | None = None
    """The day in UTC by whose end templates expire; absent: today."""
    thorough: bool = False
    """Read every template part for what was ordered at any time; else only parts that something new can concern."""
    index: IndexSpec = IndexSpec()
    """As in reindex; of segments that compaction writes, and of all where the head is not indexed."""
    compaction: CompactSpec = CompactSpec()
    run: RunSpec = RunSpec()
    s3: S3Spec = S3Spec()


class MatchConfig(Spec):
    """Probe shards against a snapshot, to candidate lists."""

    gallery: str
    """Root of the gallery."""
    results: str
    """Root of the results; each search gets a folder of its own below it."""
    request: Facts = Facts()
    """What is asked, by whom, why and on what authority. Without purpose, case and requester no probe is read."""
    policy: PolicySpec = PolicySpec()
    probes: SourceSpec
    """The probes; one image is one probe."""
    probe_facts: str | None = None
    """A .csv, .jsonl or .parquet file: probe_id, and what is stated of single probes in place of `request.probe` and
    `request.event_contexts`: media_kind, source, edited, is_sketch, quality, lawful_collection, seized_device,
    event_contexts; and face_x, face_y, where the designated face is. Absent: the request speaks for all."""
    decode: DecodeSpec = DecodeSpec()
    model: ModelSpec = ModelSpec()
    faces: ProbeFaceSpec = ProbeFaceSpec()
    match: MatchSpec = MatchSpec()
    run: RunSpec = RunSpec()
    s3: S3Spec = S3Spec()


class CasesConfig(Spec):
    """Cases with their media against a snapshot: a search, a sheet and a record for each."""

    gallery: str
    """Root of the gallery."""
    results: str
    """Root of the results; each case that is allowed gets a folder of its own below it, as a search of match does."""
    cases: str
    """A .yaml, .jsonl or .parquet file of cases: see `cases.manifest`."""
    request: Facts = Facts()
    """What is asked for every case; what a case states itself counts in its place."""
    policy: PolicySpec = PolicySpec()
    decode: DecodeSpec = DecodeSpec()
    video: VideoSpec = VideoSpec()
    tracks: TrackSpec = TrackSpec()
    model: ModelSpec = ModelSpec()
    faces: ProbeFaceSpec = ProbeFaceSpec(keep="designated")
    join: JoinSpec = JoinSpec()
    """How the pictures of a probe become one template. Where the gallery's evaluation has quality bands, those count in
    place of `join.bands`."""
    match: MatchSpec = MatchSpec()
    """Lists end at the threshold of the probe's quality band where `fpir` is given and the evaluation has bands."""
    standing: bool = False
    """Of cases that are standing, search what is new in the gallery since they were last searched, and nothing where
    nothing is; of all others, and of new probes, everything."""
    sheets: SheetSpec = SheetSpec()
    run: RunSpec = RunSpec()
    s3: S3Spec = S3Spec()


class EvaluateConfig(Spec):
    """A search of labelled probes, to error rates, a report and a verdict on the gallery."""

    gallery: str
    """Root of the gallery."""
    search: str | None = None
    """Folder of a finished search of it, as `match` told; its lists should be un-thresholded. Absent: the lists of
    `candidates`, or `probes` are searched first, as `match` would."""
    results: str | None = None
    """Root of the results of that search."""
    request: Facts = Facts()
    """What is asked, by whom, why and on what authority: of the evaluation, which is decided by itself, as action
    evaluate, whoever made the search and what for; and of the search of `probes`. Without purpose, case and requester
    nothing of lists or probes is read."""
    policy: PolicySpec = PolicySpec()
    probes: SourceSpec | None = None
    """Labelled probes, held out: none of their images is enrolled."""
    probe_facts: str | None = None
    """As in match: a file of what is stated of single ones of `probes`. Probes that the packs refuse are counted apart,
    and in no rate."""
    candidates: CandidatesSpec | None = None
    """Candidate lists in Parquet files, in place of `search` and `probes`. Needs `truth`. They set thresholds of the
    gallery, and can find it fit for use, only where they name its model and snapshot and are seen to be of it."""
    decode: DecodeSpec = DecodeSpec()
    model: ModelSpec = ModelSpec()
    faces: ProbeFaceSpec = ProbeFaceSpec()
    match: MatchSpec = MatchSpec()
    truth: str | None = None
    """A .parquet or .csv file: probe_id, subject_id (absent: non-mated), person_id, quality (absent: that of the
    probe's template), failed (true: the probe gave no template), group_<variable>. Absent: a probe is mated when the
    subject it was given with is in the gallery; failed probes of a finished search then count nowhere, and nothing is
    approved."""
    exact: str | None = None
    """Folder of an exact search of the same probes and gallery, where `search` or `candidates` are of an approximate
    index: what that loses is told among the costs."""
    subjects: str | None = None
    """A .parquet or .csv file of everybody who was to be enrolled: subject_id, group_<variable>. Absent: all who
    are."""
    report: str
    """A folder, path or s3:// URI, for the page, the JSON and the Parquet of the figures."""
    figures: ReportSpec = ReportSpec()
    groups: DifferentialSpec = DifferentialSpec()
    limits: AllLimitsSpec = AllLimitsSpec()
    """What the gallery must reach to be approved. Lists of objects, on the command line as JSON: `limits.fnir_at_fpir`
    of {"fpir": 0.003, "fnir_most": 0.1}; `limits.groups` of {"fpir": 0.003, "fnir_ratio_most": 1.5}, which takes
    `fmr_ratio_most`, `fpir_ratio_most` and `true_positives_least` too."""
    publish: bool = False
    """Put thresholds and verdict into the gallery's next snapshot."""
    run: RunSpec = RunSpec()
    s3: S3Spec = S3Spec()


ConfigT = TypeVar("ConfigT", bound=Spec)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; ConfigError naming file and line when there is none."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such config file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({type(error).__name__}); is it a text file?") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f":{where.line + 1}" if where else ""
        raise ConfigError(f"{path}{line}: not YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a mapping of keys is expected")
    return values


def load_config(model: type[ConfigT], path: Path) -> ConfigT:
    """A whole config from one file."""
    return parse(model, read_yaml(path), origin=str(path))
