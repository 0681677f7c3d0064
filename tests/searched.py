"""A search of a world, and its candidate lists."""

from facebatch.pipelines import match
from facebatch.pipelines.match import MatchReport
from facebatch.pipelines.search import find_search, read_candidates
from facebatch.storage.local import LocalStore
from worlds import QUIET, World


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
