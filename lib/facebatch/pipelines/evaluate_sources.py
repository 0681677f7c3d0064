"""Where an evaluation's candidate lists are from: a finished search, one that is made now, or files."""

from facebatch.config import EvaluateConfig, MatchConfig
from facebatch.errors import ConfigError, StopError
from facebatch.pipelines import match
from facebatch.pipelines.evaluate_lists import read_lists
from facebatch.pipelines.labelled import Material, read_material
from facebatch.pipelines.match import MatchReport
from facebatch.storage.open import open_store
from facebatch.telemetry.progress import Progress

_SOURCES = {
    "search": "the folder of a finished one",
    "candidates": "lists in files",
    "probes": "to be searched now",
}


def read_source(config: EvaluateConfig, progress: Progress) -> tuple[Material, str | None]:
    """The material, and the folder of the search, which is made first where probes are given; None for lists in files.

    ConfigError unless exactly one source is given. StopError when the search was of another gallery than the one that
    is to be judged.
    """
    _require_one(config)
    if config.candidates is not None:
        return read_lists(config.candidates, config.gallery, config.truth, config.subjects, config.s3), None
    search = config.search if config.search is not None else _search(config, progress)
    material = read_material(search, config.truth, config.subjects, config.s3, config.probes)
    uri = open_store(config.gallery, config.s3).uri
    if material.origin.gallery != uri:
        raise StopError(
            f"the search is of the gallery {material.origin.gallery}, the config names {uri}; give that one"
        )
    return material, search


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
