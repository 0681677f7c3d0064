"""A search ends where an evaluation of its gallery says, and a gallery without one is not searched unasked."""

from datetime import UTC, datetime

import pytest

from facebatch.config import MatchConfig
from facebatch.errors import ConfigError, PlanError
from facebatch.gallery import snapshots
from facebatch.gallery.evaluation import Evaluation, PublishedThreshold
from facebatch.gallery.figures import GateFigure
from facebatch.gallery.snapshots import Snapshot
from facebatch.index.spec import IndexSpec
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import index, match
from facebatch.pipelines.match import MatchReport
from facebatch.pipelines.search import find_search
from facebatch.storage.local import LocalStore
from searched import lists
from worlds import QUIET, World

pytestmark = pytest.mark.integration
THRESHOLD = 0.25


def gallery(world: World) -> LocalStore:
    return LocalStore(world.root / "gallery")


def evaluate(world: World, *, approved: bool = True, **changes: object) -> Snapshot:
    """Publish a verdict on the head, as the job does."""
    head = snapshots.require_head(gallery(world))
    known = PublishedThreshold(fpir=0.01, threshold=THRESHOLD, low=0.2, high=0.3, searches=900, people=900, fnir=0.0)
    verdict = Evaluation(
        snapshot=head.seq,
        model=head.model,
        templates=head.templates,
        search="0" * 24,
        at=datetime.now(UTC),
        thresholds=(known,),
        limits=(GateFigure(name="limit.x", passed=approved, words="measured"),),
        approved_for_use=approved,
        figures_sha256="0" * 64,
    ).model_copy(update=changes)
    return snapshots.publish(
        gallery(world), head.model_copy(update={**snapshots.next_number(head), "evaluation": verdict})
    )


def asked(world: World, **settings: object) -> MatchConfig:
    return world.match().model_copy(update={"match": MatchSpec(**settings)})


def test_an_unevaluated_gallery_is_refused_before_anything_is_written(searchable: World) -> None:
    with pytest.raises(PlanError, match=r"snapshot 2 has not been evaluated.*match\.unevaluated"):
        match.run(asked(searchable), QUIET)
    with pytest.raises(PlanError, match="has not been evaluated"):
        match.run(asked(searchable), QUIET, dry_run=True)
    assert not (searchable.root / "results").exists()


def test_lists_end_at_the_published_threshold_and_the_certificate_says_so(searchable: World) -> None:
    evaluated = evaluate(searchable)
    report = match.run(asked(searchable, fpir=0.01), QUIET)
    assert isinstance(report, MatchReport)
    found = lists(report)
    whole = match.run(searchable.match(), QUIET)
    assert isinstance(whole, MatchReport)
    assert [row for row in lists(whole) if row["similarity"] >= THRESHOLD] == found
    assert 0 < len(found) < len(lists(whole))
    manifest = find_search(LocalStore(report.results))
    assert manifest is not None
    assert (manifest.floor, manifest.fpir) == (THRESHOLD, 0.01)
    assert (manifest.evaluated, manifest.approved_for_use) == (2, True)
    assert manifest.snapshot == evaluated.seq == 3


def test_a_gallery_that_missed_its_limits_is_searched_only_when_that_is_said(searchable: World) -> None:
    evaluate(searchable, approved=False)
    with pytest.raises(PlanError, match=r"not approved for use: limit\.x"):
        match.run(asked(searchable, fpir=0.01), QUIET)
    report = match.run(asked(searchable, fpir=0.01, unevaluated=True), QUIET)
    assert isinstance(report, MatchReport)
    manifest = find_search(LocalStore(report.results))
    assert manifest is not None
    assert (manifest.evaluated, manifest.approved_for_use) == (2, False)


def test_a_gallery_that_grew_too_much_needs_a_new_evaluation(searchable: World) -> None:
    evaluate(searchable, templates=4)
    with pytest.raises(PlanError, match="8 templates and was evaluated with 4"):
        match.run(asked(searchable), QUIET)
    match.run(asked(searchable, grown_most=1.0), QUIET)


def test_an_evaluation_of_another_model_is_none(searchable: World) -> None:
    evaluate(searchable, model="0" * 64)
    with pytest.raises(PlanError, match="has not been evaluated"):
        match.run(asked(searchable), QUIET)


def test_a_floor_and_a_target_contradict_each_other(searchable: World) -> None:
    evaluate(searchable)
    with pytest.raises(ConfigError, match="leave one of them out"):
        match.run(asked(searchable, fpir=0.01, floor=0.3), QUIET)


def test_later_snapshots_carry_the_evaluation_on(searchable: World) -> None:
    before = evaluate(searchable)
    index.run(searchable.index(index=IndexSpec(segment_rows=4)), QUIET)
    head = snapshots.require_head(gallery(searchable))
    assert head.seq == before.seq + 1
    assert head.evaluation == before.evaluation
    match.run(asked(searchable, fpir=0.01), QUIET)


def test_two_evaluations_at_once_do_not_take_each_other_for_their_own(searchable: World) -> None:
    head = snapshots.require_head(gallery(searchable))
    ours = evaluate(searchable)
    theirs = ours.model_copy(update={"evaluation": None})
    assert theirs.content_sha256 == ours.content_sha256 == head.content_sha256
    with pytest.raises(Exception, match="published snapshot 3 first"):
        snapshots.publish(gallery(searchable), theirs)
