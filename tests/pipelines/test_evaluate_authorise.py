"""No evaluation without leave: decided before anything of lists or probes is read, and each one is in the audit."""

import shutil
from pathlib import Path

import pytest

from decided import NO_SKETCH, Meanwhile, pack_file
from facebatch.config import EvaluateConfig
from facebatch.errors import ConfigError, ForbiddenError, NotFoundError, StopError
from facebatch.evaluate.candidate_files import CandidatesSpec
from facebatch.evaluate.error_rates import IdentificationSpec
from facebatch.evaluate.report import ReportSpec
from facebatch.governance import audit_chain, signing, trust
from facebatch.governance.audit import AuditEvent
from facebatch.governance.facts import with_changes
from facebatch.governance.settings import PolicySpec
from facebatch.pipelines import evaluate
from facebatch.pipelines.evaluate import EvaluateReport
from facebatch.pipelines.evaluate_failed import REFUSED
from facebatch.storage.local import LocalStore
from facebatch.telemetry.progress import Progress
from searched import material, search
from worlds import QUIET, REQUEST, World

pytestmark = pytest.mark.integration
SECRET = with_changes(REQUEST, {"purpose": "criminal_investigation", "case_id": "another"})
NO_EVALUATION = {
    "id": "only",
    "kind": "forbid",
    "cite": "a test",
    "message": "no evaluation",
    "when": [{"fact": "action", "op": "equals", "value": "evaluate"}],
}


def configured(world: World, **changes: object) -> EvaluateConfig:
    searched = world.match()
    config = EvaluateConfig(
        gallery=searched.gallery,
        results=searched.results,
        report=str(world.root / "report"),
        request=REQUEST,
        model=searched.model,
        figures=ReportSpec(identification=IdentificationSpec(targets=(0.2,), ranks=(1,)), sizes=0, timing_s=0),
        run=searched.run,
    )
    return config.model_copy(update=changes)


def run(world: World, progress: Progress = QUIET, **changes: object) -> EvaluateReport:
    return evaluate.run(configured(world, **changes), progress)


def events(world: World, *actions: str) -> list[AuditEvent]:
    """Those of these kinds in the gallery's chain, which is whole."""
    store = LocalStore(world.root / "gallery")
    assert audit_chain.verify(store) == []
    return [event for event in audit_chain.read_chain(store) if event.action in actions]


@pytest.mark.parametrize("missing", ["purpose", "case_id", "requester.agency"])
def test_nothing_of_lists_or_probes_is_read_without_a_whole_request(searchable: World, missing: str) -> None:
    request, nowhere = with_changes(REQUEST, {missing: None}), str(searchable.root / "nowhere")
    sources: list[dict[str, object]] = [
        {"search": nowhere},
        {"candidates": CandidatesSpec(uri=nowhere, length=5), "truth": nowhere},
        {"probes": searchable.match().probes.model_copy(update={"uri": nowhere})},
    ]
    for number, source in enumerate(sources, 1):
        with pytest.raises(ForbiddenError, match=f"request.{missing}"):
            run(searchable, request=request, **source)
        with pytest.raises(NotFoundError):
            run(searchable, **source)
        assert [event.decision for event in events(searchable, "decision")].count("denied") == number
    assert not events(searchable, "evaluation")
    assert not (searchable.root / "report").exists()


def test_an_evaluation_of_a_search_is_recorded_with_both_purposes(searchable: World) -> None:
    results = search(searchable, request=SECRET).results
    assert run(searchable, search=results, exact=results).mated == 8
    searched, *evaluated = events(searchable, "search", "evaluation")
    assert [event.action for event in evaluated] == ["evaluation"] * 2, "that of the exact lists too"
    assert (searched.purpose, searched.search_purpose) == ("criminal_investigation", None)
    for event in evaluated:
        assert (event.purpose, event.search_purpose) == ("system_test", "criminal_investigation")
        assert (event.resource, event.probes) == (searched.resource, 8)
    assert [event.decision for event in events(searchable, "decision")] == ["allowed"] * 2
    assert "another" not in "".join(event.model_dump_json() for event in events(searchable, "evaluation"))


def test_an_evaluation_of_files_is_recorded_by_what_they_hold(searchable: World) -> None:
    results = search(searchable).results
    (searchable.root / "truth.csv").write_text(
        "probe_id,subject_id\n"
        + "".join(f"{probe},{probe.split('/')[0]}\n" for probe in material(results).inputs.truth.collect()["probe_id"])
    )
    lists = CandidatesSpec(uri=f"{results}/candidates", length=50)
    report = run(searchable, candidates=lists, truth=str(searchable.root / "truth.csv"))
    (_, event) = events(searchable, "evaluation")
    assert (event.search_purpose, event.probes) == (None, None)
    digest = event.resource.removeprefix("lists:")
    assert f'"search":"{digest}"' in Path(report.page).with_suffix(".json").read_text()


def test_an_evaluation_is_decided_apart_from_its_search(searchable: World, tmp_path: Path) -> None:
    spec = pack_file(tmp_path, NO_EVALUATION)
    request = with_changes(REQUEST, {"action": "search"})
    results = search(searchable, policy=spec, request=request).results
    shutil.rmtree(results)  # whoever read it would tell that it is missing
    with pytest.raises(ForbiddenError, match="no evaluation"):
        run(searchable, search=results, policy=spec, request=request)
    assert [event.decision for event in events(searchable, "decision")] == ["allowed", "denied"]
    with pytest.raises(ForbiddenError, match=r"request\.action: enrol is not what is done here"):
        run(searchable, search=results, request=with_changes(REQUEST, {"action": "enrol"}))
    assert [event.decision for event in events(searchable, "decision")] == ["allowed", "denied", "allowed", "denied"]


def test_a_ban_that_begins_during_the_search_stops_the_evaluation(searchable: World, tmp_path: Path) -> None:
    spec = pack_file(tmp_path, {**NO_EVALUATION, "kind": "oblige", "obligations": {"reviewers": 2}})
    probes, request = searchable.match().probes, with_changes(REQUEST, {"action": "search"})
    begins = Meanwhile("match", lambda: pack_file(tmp_path, NO_EVALUATION))
    with pytest.raises(ForbiddenError, match="no evaluation"):
        run(searchable, begins, probes=probes, policy=spec, request=request)
    told = [(event.action, event.decision) for event in events(searchable, "decision", "search", "evaluation")]
    assert told == [("decision", "allowed")] * 2 + [("search", "allowed"), ("decision", "denied")]
    assert not (searchable.root / "report").exists()


def test_a_gallery_that_names_whom_it_trusts_is_evaluated_under_their_key_alone(
    searchable: World, tmp_path: Path
) -> None:
    results, store = search(searchable).results, LocalStore(searchable.root / "gallery")
    ours, theirs = (str(tmp_path / name) for name in ("ours.pem", "theirs.pem"))
    key = signing.make_key(Path(ours))
    signing.make_key(Path(theirs))
    decided_at = events(searchable, "search")[0].at
    trust.replace(store, trust.following(None, (key,), decided_at))
    files = {"candidates": CandidatesSpec(uri=f"{results}/candidates", length=50), "truth": "nowhere.csv"}
    for source in ({"search": results}, files):
        with pytest.raises(ConfigError, match="says whose decisions it trusts"):
            run(searchable, **source)
        with pytest.raises(ConfigError, match="does not trust key"):
            run(searchable, policy=PolicySpec(signing_key=theirs), **source)
    assert not events(searchable, "evaluation")
    assert run(searchable, search=results, policy=PolicySpec(signing_key=ours)).mated == 8


def test_lists_of_another_gallery_are_not_read(searchable: World, tmp_path: Path) -> None:
    results = search(searchable).results
    other = str(tmp_path / "other")
    shutil.copytree(searchable.root / "gallery", other)
    shutil.rmtree(Path(results) / "candidates")
    for source in ({"search": results, "gallery": other}, {"search": results, "exact": results, "gallery": other}):
        with pytest.raises(StopError, match=r"is of the gallery .*give that one"):
            run(searchable, **source)
    assert not [event for event in audit_chain.read_chain(LocalStore(other)) if event.action == "evaluation"]


def test_what_is_stated_falsely_of_the_gallery_is_refused(searchable: World) -> None:
    results = search(searchable).results
    request = with_changes(REQUEST, {"gallery.evaluated": True})
    with pytest.raises(ForbiddenError, match=r"request\.gallery\.evaluated"):
        run(searchable, search=results, request=request)
    assert [event.decision for event in events(searchable, "decision")] == ["allowed", "allowed", "denied"]


@pytest.mark.parametrize("with_truth", [False, True], ids=["labels", "truth"])
def test_refused_probes_are_counted_apart_and_are_no_failures(
    searchable: World, tmp_path: Path, with_truth: bool
) -> None:
    photos = sorted((searchable.root / "probe-photos").glob("*/*"))
    names = [f"{photo.parent.name}/{photo.name}" for photo in photos]
    photos[1].write_bytes(photos[1].read_bytes()[:100])  # this one fails
    (tmp_path / "facts.csv").write_text(f"probe_id,is_sketch\n{names[0]},true\n")
    truth = tmp_path / "truth.csv"
    truth.write_text("probe_id,subject_id\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in names))
    report = run(
        searchable,
        probes=searchable.match().probes,
        probe_facts=str(tmp_path / "facts.csv"),
        policy=pack_file(tmp_path, NO_SKETCH),
        request=with_changes(REQUEST, {"probe.is_sketch": False}),
        truth=str(truth) if with_truth else None,
    )
    assert (report.mated, report.refused) == (7, 1)
    assert report.rank_one_miss == pytest.approx(1 / 7), "the one that failed is a miss"
    (line,) = [line for line in report.findings if line.startswith(REFUSED)]
    assert "1 probes were refused, by policy or for a crowd, and not searched" in line
    assert line.endswith(")")


def test_facts_of_probes_are_for_probes_that_are_searched(searchable: World) -> None:
    with pytest.raises(ConfigError, match="probe_facts: search holds lists of probes that were searched before"):
        run(searchable, search="anywhere", probe_facts="facts.csv")
