"""A search of a world, its candidate lists, and the same as the material of an evaluation."""

from facebatch.config import EvaluateConfig
from facebatch.pipelines import match
from facebatch.pipelines.evaluate_authorise import authorise
from facebatch.pipelines.labelled import Material, read_material
from facebatch.pipelines.match import MatchReport
from facebatch.pipelines.search import find_search, read_candidates
from facebatch.storage.local import LocalStore
from worlds import QUIET, REQUEST, World


def search(world: World, **changes: object) -> MatchReport:
    report = match.run(world.match(**changes), QUIET)
    assert isinstance(report, MatchReport)
    return report


def lists(report: MatchReport) -> list[dict[str, object]]:
    store = LocalStore(report.results)
    manifest = find_search(store)
    assert manifest is not None
    rows: list[dict[str, object]] = read_candidates(store, manifest).to_pylist()
    return rows


def material(results: str, **changes: object) -> Material:
    """As an evaluation reads a search, with an allowed request."""
    manifest = find_search(LocalStore(results))
    assert manifest is not None
    config = EvaluateConfig(gallery=manifest.gallery, search=results, request=REQUEST, report="no-report")
    return read_material(results, authorise(config.model_copy(update=changes)))
