"""No probe without leave: refused at the door and in the worker, decided again, and each refusal is in the audit."""

import shutil
import tarfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from decided import Meanwhile, pack_file
from facebatch.errors import ConfigError, ForbiddenError, NotFoundError
from facebatch.gallery.commits import PartFile
from facebatch.governance import audit_chain, policy, signing, tokens, trust
from facebatch.governance.audit import AuditEvent
from facebatch.governance.facts import Facts, with_changes
from facebatch.governance.settings import PolicySpec
from facebatch.images.source import SourceSpec
from facebatch.match.cells import Cell
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import authorising, match, search_plan
from facebatch.pipelines.embedding import EmbedTask, EmbedWorker
from facebatch.pipelines.grants import Grant
from facebatch.pipelines.merging import FoundBlock, MergeTask
from facebatch.pipelines.scanning import ScanTask
from facebatch.pipelines.search import MatchPlan, find_search
from facebatch.storage.local import LocalStore
from facebatch.storage.settings import S3Spec
from searched import search as run
from stored import files
from worlds import QUIET, REQUEST, World

pytestmark = pytest.mark.integration


def events(world: World, *actions: str) -> list[AuditEvent]:
    """Those of these kinds in the gallery's chain, which is whole."""
    store = LocalStore(world.root / "gallery")
    assert audit_chain.verify(store) == []
    return [event for event in audit_chain.read_chain(store) if event.action in actions]


def pack(folder: Path, **changes: object) -> PolicySpec:
    """A pack of one rule beside the floor."""
    rule = {"id": "only", "kind": "oblige", "cite": "a test", "message": "as the test says"}
    return pack_file(folder, {**rule, **changes})


@pytest.mark.parametrize("missing", ["purpose", "case_id", "requester.agency"])
def test_no_probe_is_listed_or_read_without_a_whole_request(searchable: World, missing: str) -> None:
    nowhere = SourceSpec(uri=str(searchable.root / "no-such-probes"))
    request = with_changes(REQUEST, {missing: None})
    with pytest.raises(ForbiddenError, match=f"request.{missing}"):
        run(searchable, request=request, probes=nowhere)
    with pytest.raises(ForbiddenError, match=r"(?s)purpose.*case_id.*requester"):
        run(searchable, request=Facts(), probes=nowhere)
    with pytest.raises(NotFoundError):
        run(searchable, probes=nowhere)
    assert not (searchable.root / "results").exists()


def planned_search(world: World, **changes: object) -> MatchPlan:
    config = world.match(**changes)
    return search_plan.plan(config, authorising.decide(config))


def worker_tasks(planned: MatchPlan, grant: Grant) -> list[EmbedTask | ScanTask | MergeTask]:
    """Those that a worker can be handed, with a grant."""
    root, card, s3 = planned.root, planned.card.fingerprint, S3Spec()
    places = {"gallery": planned.grant.binding.gallery, "results": f"{root}/cells", "blocks": root}
    return [
        EmbedTask(f"{root}/probes", planned.rows, s3, card, 0, grant),
        ScanTask(**places, s3=s3, model=card, snapshot=1, spec=MatchSpec(), memory=0, grant=grant),
        MergeTask(root, s3, card, 50, 0, grant),
    ]


def bad_grants(planned: MatchPlan, other_case: MatchPlan) -> dict[str, Grant]:
    """One for each way to have no leave, by the words of the refusal."""
    grant, now = planned.grant, datetime.now(UTC)
    assert grant.token is not None
    decision = policy.decide(REQUEST, (), now - timedelta(days=30))
    key = Ed25519PrivateKey.generate()
    old = tokens.issue(decision, grant.binding, key, now=decision.at)
    foreign = tokens.issue(decision, grant.binding, key, now=now)
    forged = replace(foreign, key=grant.token.key)
    longer = replace(grant.token, expires_at=now + timedelta(days=400))
    return {
        "no decision token": replace(grant, token=None),
        "expired": replace(grant, token=old),
        "altered or forged": replace(grant, token=forged),
        "forged; submit": replace(grant, token=longer),
        "another request": replace(grant, token=other_case.grant.token),
        "folder of another search": other_case.grant,
        "another probe set": replace(grant, shard_keys=frozenset({"other"})),
    }


def test_a_worker_without_a_valid_token_reads_nothing(searchable: World, caplog: pytest.LogCaptureFixture) -> None:
    planned = planned_search(searchable)
    other = planned_search(searchable, request=with_changes(REQUEST, {"case_id": "another"}))
    shutil.rmtree(searchable.root / "probe-photos")  # whoever read a probe would tell that it is missing
    for words, grant in bad_grants(planned, other).items():
        for task in worker_tasks(planned, grant):
            with pytest.raises(ForbiddenError, match=words):
                task.setup()
    elsewhere = replace(planned.grant, binding=replace(planned.grant.binding, snapshot=99))
    for task in worker_tasks(planned, elsewhere):
        with pytest.raises(ForbiddenError, match="another request, probe set or snapshot"):
            task.setup()
    assert not files(searchable.root, "results/*/probes/*")
    refused = [event for event in events(searchable, "decision") if event.decision == "denied"]
    assert len(refused) == 3 * 8, "each is in the audit chain"
    assert {event.resource for event in refused} >= {f"request:{planned.grant.binding.request}"}
    assert len({event.event_id for event in refused}) < len(refused), "workers refused alike count as one"
    assert sum("work on probes is refused" in line for line in caplog.messages) == len(refused)


def test_work_in_the_folder_of_another_search_is_refused_however_it_is_spelled(searchable: World) -> None:
    planned = planned_search(searchable)
    other = planned_search(searchable, request=with_changes(REQUEST, {"case_id": "another"}))
    embedding, scan, merge = worker_tasks(planned, planned.grant)
    beside = f"{planned.root}/../{other.search_id}"
    strays = [
        replace(embedding, root=f"{beside}/probes"),
        replace(scan, results=f"{beside}/cells"),
        replace(scan, blocks=other.root),
        replace(scan, blocks=beside),
        replace(merge, root=beside),
        replace(merge, root=f"{planned.root}-2"),
    ]
    for task in strays:
        with pytest.raises(ForbiddenError, match="folder of another search"):
            task.setup()


def test_a_grant_whose_request_is_no_digest_is_refused_and_recorded_too(searchable: World) -> None:
    planned = planned_search(searchable)
    forged = replace(planned.grant, binding=replace(planned.grant.binding, request="Jo Doe"))
    with pytest.raises(ForbiddenError, match="another request"):
        worker_tasks(planned, forged)[0].setup()
    (event,) = events(searchable, "decision")
    assert event.decision == "denied"
    assert "Doe" not in event.model_dump_json()


def test_a_shard_the_token_was_not_issued_for_is_refused_in_the_worker(searchable: World) -> None:
    planned = planned_search(searchable)
    task = worker_tasks(planned, planned.grant)[0]
    assert isinstance(task, EmbedTask)
    worker = EmbedWorker(task)
    stranger = replace(planned.probes.shards[0], etag="changed")
    for work in (worker, worker.extract):
        with pytest.raises(ForbiddenError, match="other probe shards than this one"):
            work(stranger)


def test_a_worker_whose_token_runs_out_does_no_further_piece_of_work(searchable: World) -> None:
    planned = planned_search(searchable)
    issued_at = datetime.now(UTC) - tokens.LIFETIME + timedelta(seconds=2)
    decision = policy.decide(REQUEST, (), issued_at)
    token = tokens.issue(decision, planned.grant.binding, Ed25519PrivateKey.generate(), now=issued_at)
    works = [task.setup() for task in worker_tasks(planned, replace(planned.grant, token=token))]
    time.sleep((token.expires_at - datetime.now(UTC)).total_seconds())
    cell = Cell("0" * 32, 0, PartFile(key="x", sha256="0" * 64, size=0, rows=0), planned.snapshot.segments[0])
    for work, item in zip(works, (planned.probes.shards[0], cell, FoundBlock(0, ())), strict=True):
        with pytest.raises(ForbiddenError, match="expired"):
            work(item)
    assert not files(searchable.root, "results/*/*")


def test_a_cell_of_another_snapshot_is_refused_in_the_worker(searchable: World) -> None:
    planned = planned_search(searchable)
    scan = worker_tasks(planned, planned.grant)[1]
    work = replace(scan, snapshot=planned.snapshot.seq + 1).setup()
    cell = Cell("0" * 32, 0, PartFile(key="x", sha256="0" * 64, size=0, rows=0), planned.snapshot.segments[0])
    with pytest.raises(ForbiddenError, match="another snapshot"):
        work(cell)


def test_a_search_is_recorded_with_the_packs_that_allowed_it(searchable: World, tmp_path: Path) -> None:
    spec = pack(tmp_path, obligations={"reviewers": 2})
    report = run(searchable, policy=spec)
    manifest = find_search(LocalStore(Path(report.results)))
    assert manifest is not None
    assert (manifest.request, set(manifest.packs)) == (REQUEST, {"floor", "tested"})
    assert manifest.obligations.reviewers == 2
    (decision,), (search,) = events(searchable, "decision"), events(searchable, "search")
    assert decision.decision == search.decision == "allowed"
    assert search.resource == f"search:{manifest.search_id}"
    assert decision.purpose == "system_test"
    assert "tests" not in decision.model_dump_json(), "the requester is there by pseudonym only"
    assert decision.actor == search.actor


def test_a_refusal_is_recorded_and_names_every_rule(searchable: World, tmp_path: Path) -> None:
    live = [{"fact": "media.live", "op": "equals", "value": True}]
    spec = pack(tmp_path, kind="forbid", when=live, message="no live surveillance")
    with pytest.raises(ForbiddenError, match=r"no live surveillance \[tested.only: a test; unknown: media.live\]"):
        run(searchable, policy=spec)
    assert [event.decision for event in events(searchable, "decision")] == ["denied"]
    run(searchable, policy=spec, request=with_changes(REQUEST, {"media.live": False}))
    assert [event.decision for event in events(searchable, "decision")] == ["denied", "allowed"]


def test_packs_whose_review_is_due_are_warned_of_once(
    searchable: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = pack(tmp_path, obligations={"reviewers": 2})
    path, yesterday = Path(spec.packs[0]), datetime.now(UTC).date() - timedelta(days=1)
    path.write_text(path.read_text().replace("2999-01-01", yesterday.isoformat()))
    run(searchable, policy=spec)
    assert [line for line in caplog.messages if "was to be reviewed" in line] == [
        f"pack tested was to be reviewed by {yesterday}; compare it with https://example.org and date it anew"
    ]


def test_other_packs_than_before_are_a_policy_change(searchable: World, tmp_path: Path) -> None:
    run(searchable)
    run(searchable)
    spec = pack(tmp_path, obligations={"reviewers": 2})
    run(searchable, policy=spec)
    begins = Meanwhile("match", lambda: pack(tmp_path, obligations={"reviewers": 3}))
    match.run(searchable.match(policy=spec, request=with_changes(REQUEST, {"case_id": "another"})), begins)
    told = [event.action for event in events(searchable, "policy_change", "decision", "search")]
    first = ["policy_change", "decision", "search", "decision"]  # the second run was of a finished search
    assert told == [*first, "policy_change", "decision", "decision", "policy_change", "search"]
    changes = events(searchable, "policy_change")
    assert [sorted(event.packs or {}) for event in changes] == [["floor"], ["floor", "tested"], ["floor", "tested"]]
    assert len({event.config_sha256 for event in changes}) == 3


def test_a_dry_run_records_nothing(searchable: World) -> None:
    before = files(searchable.root / "gallery", "audit/*")
    match.run(searchable.match(), QUIET, dry_run=True)
    assert files(searchable.root / "gallery", "audit/*") == before


@pytest.mark.parametrize("stage", ["embed", "match"])
def test_a_moratorium_that_begins_in_between_stops_the_search(searchable: World, tmp_path: Path, stage: str) -> None:
    config = searchable.match(policy=pack(tmp_path, obligations={"reviewers": 2}))
    meanwhile = Meanwhile(stage, lambda: pack(tmp_path, kind="forbid", message="a moratorium"))
    with pytest.raises(ForbiddenError, match="a moratorium"):
        match.run(config, meanwhile)
    assert [event.decision for event in events(searchable, "decision")] == ["allowed", "denied"]
    assert not events(searchable, "search")
    assert not files(searchable.root / "results", "manifest.json")
    assert bool(files(searchable.root / "results", "cells/commits/*.json")) == (stage == "match")


def test_a_finished_search_is_decided_again_when_it_is_asked_for_again(searchable: World, tmp_path: Path) -> None:
    spec = pack(tmp_path, obligations={"reviewers": 2})
    report = run(searchable, policy=spec)
    assert run(searchable, policy=spec) == report
    pack(tmp_path, kind="forbid", message="a moratorium")
    with pytest.raises(ForbiddenError, match="a moratorium"):
        run(searchable, policy=spec)
    assert len(events(searchable, "decision")) == 3
    assert len(events(searchable, "search")) == 1


@pytest.mark.parametrize(
    ("asked", "spec", "words"),
    [
        ({"max_candidates": 20}, MatchSpec(length=21), "match.length is 21, lists of at most 20"),
        ({"min_score": 0.5}, MatchSpec(), "match.floor is None, candidates must reach 0.5"),
        ({"min_score": 0.5}, MatchSpec(floor=0.49), "match.floor is 0.49"),
        ({"fpir_target": 0.001}, MatchSpec(floor=0.5), "match.fpir is None"),
    ],
)
def test_settings_beyond_what_the_packs_oblige_are_refused(
    searchable: World, tmp_path: Path, asked: dict[str, object], spec: MatchSpec, words: str
) -> None:
    with pytest.raises(ForbiddenError, match=words):
        run(searchable, policy=pack(tmp_path, obligations=asked), match=spec)
    assert not (searchable.root / "results").exists()
    assert [event.decision for event in events(searchable, "decision")] == ["allowed", "denied"]


def test_settings_within_what_the_packs_oblige_are_kept(searchable: World, tmp_path: Path) -> None:
    asked = {"max_candidates": 3, "min_score": 0.1, "max_probes": 8}
    report = run(searchable, policy=pack(tmp_path, obligations=asked), match=MatchSpec(length=3, floor=0.1))
    assert 0 < report.candidates <= 3 * report.probes


@pytest.mark.parametrize(
    ("asked", "stated", "words"),
    [
        ({"max_probes": 7}, None, "8 probes, and the policy packs allow 7"),
        ({"reviewers": 1}, 7, "the request states 7"),
    ],
)
def test_more_probes_than_allowed_or_stated_are_not_searched(
    searchable: World, tmp_path: Path, asked: dict[str, object], stated: int | None, words: str
) -> None:
    request = with_changes(REQUEST, {"probe.count": stated})
    with pytest.raises(ForbiddenError, match=words):
        run(searchable, policy=pack(tmp_path, obligations=asked), request=request)
    assert not (searchable.root / "results").exists(), "loose probes are counted by their listing"
    assert [event.decision for event in events(searchable, "decision")] == ["allowed", "denied"]


def test_a_finished_search_of_more_probes_than_are_now_allowed_is_not_handed_out(
    searchable: World, tmp_path: Path
) -> None:
    with tarfile.open(searchable.root / "probes.tar", "w") as archive:
        archive.add(searchable.root / "probe-photos", "photos")
    probes = SourceSpec(uri=str(searchable.root / "probes.tar"))
    report = run(searchable, probes=probes, policy=pack(tmp_path, obligations={"reviewers": 2}))
    assert run(searchable, probes=probes, policy=pack(tmp_path, obligations={"max_probes": 8})) == report
    with pytest.raises(ForbiddenError, match="8 probes, and the policy packs allow 7"):
        run(searchable, probes=probes, policy=pack(tmp_path, obligations={"max_probes": 7}))
    assert [event.decision for event in events(searchable, "decision")] == [*["allowed"] * 3, "denied"]


def test_a_request_cannot_state_an_evaluation_that_the_gallery_has_not_met(searchable: World) -> None:
    request = with_changes(REQUEST, {"gallery.evaluated": True})
    with pytest.raises(ForbiddenError, match=r"request\.gallery\.evaluated: .* no evaluation approved snapshot"):
        run(searchable, request=request)
    assert not (searchable.root / "results").exists()
    assert run(searchable, request=with_changes(REQUEST, {"gallery.evaluated": False})).probes == 8


@pytest.mark.parametrize("action", ["enrol", "compare", "export", "reindex"])
def test_a_request_for_something_else_allows_no_search(searchable: World, action: str) -> None:
    with pytest.raises(ForbiddenError, match=rf"request\.action: {action} is not what"):
        run(searchable, request=with_changes(REQUEST, {"action": action}))
    assert [event.decision for event in events(searchable, "decision")] == ["allowed", "denied"]


def test_a_gallery_that_names_whom_it_trusts_wants_their_signature(searchable: World, tmp_path: Path) -> None:
    gallery = LocalStore(searchable.root / "gallery")
    trusted = signing.make_key(tmp_path / "officer.pem")
    signing.make_key(tmp_path / "stranger.pem")
    unsigned = planned_search(searchable)
    trust.replace(gallery, trust.following(trust.current(gallery), (trusted,), datetime.now(UTC)))
    with pytest.raises(ConfigError, match=r"policy.signing_key: .* says whose decisions it trusts"):
        run(searchable)
    with pytest.raises(ConfigError, match=r"policy.signing_key: .* does not trust key"):
        run(searchable, policy=PolicySpec(signing_key=str(tmp_path / "stranger.pem")))
    for task in worker_tasks(unsigned, unsigned.grant):
        with pytest.raises(ForbiddenError, match="which this gallery does not trust"):
            task.setup()
    report = run(searchable, policy=PolicySpec(signing_key=str(tmp_path / "officer.pem")))
    manifest = find_search(LocalStore(Path(report.results)))
    assert manifest is not None
    assert manifest.signed_by == trusted
