"""Where an evaluation's candidate lists are from: a finished search, one that is made now, or files."""

from dataclasses import dataclass

from facebatch.config import EvaluateConfig, MatchConfig
from facebatch.errors import ConfigError, StopError
from facebatch.evaluate.candidate_files import CandidatesSpec
from facebatch.pipelines import match
from facebatch.pipelines.auditing import record_evaluation
from facebatch.pipelines.evaluate_authorise import Leave, admit_files, authorise, authorise_again
from facebatch.pipelines.evaluate_lists import read_lists
from facebatch.pipelines.labelled import Material, read_material
from facebatch.pipelines.match import MatchReport
from facebatch.telemetry.progress import Progress

_SOURCES = {
    "search": "the folder of a finished one",
    "candidates": "lists in files",
    "probes": "to be searched now",
}


@dataclass(frozen=True, slots=True)
class Source:
    """What is evaluated, under an allowed request."""

    leave: Leave
    material: Material
    search: str | None
    """Folder of the search; None for lists in files."""


def read_source(config: EvaluateConfig, progress: Progress) -> Source:
    """The material. Where probes are given they are searched first, and the request is decided again after that.

    ConfigError unless exactly one source is given. ForbiddenError, which is recorded, where the request is not allowed.
    StopError when the search was of another gallery than the one that is to be judged.
    """
    _require_one(config)
    leave = authorise(config)
    if config.candidates is not None:
        return Source(leave, _read_files(config.candidates, leave), None)
    if config.search is not None:
        return Source(leave, read_material(config.search, leave), config.search)
    search = _search(config, progress)
    leave = authorise_again(leave)
    return Source(leave, read_material(search, leave), search)


def _read_files(spec: CandidatesSpec, leave: Leave) -> Material:
    config = leave.config
    admit_files(spec.uri, leave)
    material = read_lists(spec, config.gallery, config.truth, config.subjects, config.s3)
    lists = f"lists:{material.origin.search}"
    record_evaluation(leave.gallery, leave.decision, lists, probes=None, search_purpose=None)
    return material


def _require_one(config: EvaluateConfig) -> None:
    given = [name for name in _SOURCES if getattr(config, name) is not None]
    if not given:
        told = "; ".join(f"{name}, {words}" for name, words in _SOURCES.items())
        raise ConfigError(f"no candidate lists are named; give one of {told}")
    if len(given) > 1:
        raise ConfigError(
            f"{' and '.join(given)} are given, and lists have one source; keep one of them, and leave out the rest or "
            "set it to null"
        )
    if config.probe_facts is not None and config.probes is None:
        raise ConfigError(
            f"probe_facts: {given[0]} holds lists of probes that were searched before, by what was stated then; leave "
            "probe_facts out"
        )


def _search(config: EvaluateConfig, progress: Progress) -> str:
    """The folder of a search of the probes."""
    if config.results is None:
        raise ConfigError("results: this setting is required to search probes")
    if config.match.floor is not None or config.match.fpir is not None:
        raise ConfigError("match.floor and match.fpir cut lists off, which an evaluation needs whole; leave both out")
    shared = {name: getattr(config, name) for name in MatchConfig.model_fields if name in EvaluateConfig.model_fields}
    spec = config.match.model_copy(update={"unevaluated": True})
    found = match.run(MatchConfig(**{**shared, "match": spec}), progress)
    if not isinstance(found, MatchReport):
        raise StopError("the probes were planned and not searched; run without a dry run")
    return found.results
