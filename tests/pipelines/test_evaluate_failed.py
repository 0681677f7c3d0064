"""Probes without a template: labels from each kind of source, and no approval where nobody says whom they show."""

import io
import json
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from facebatch.config import EvaluateConfig
from facebatch.errors import ForbiddenError, StaleError
from facebatch.evaluate.findings import Finding
from facebatch.evaluate.limits import approved
from facebatch.gallery import snapshots
from facebatch.gallery.figures import GateFigure
from facebatch.governance import tokens
from facebatch.governance.audit_chain import read_chain
from facebatch.images.source import FieldsSpec, SourceSpec
from facebatch.pipelines import grants
from facebatch.pipelines.evaluate_authorise import Leave, authorise, guard
from facebatch.pipelines.evaluate_failed import (
    REFUSED,
    WITHOUT_TRUTH,
    given_with,
    judged_with_failures,
    label_key,
    shards_with,
    unsearched,
)
from facebatch.pipelines.grants import Guard
from facebatch.storage.settings import S3Spec
from gallery.small import Shard, SmallGallery
from worlds import REQUEST

S3 = S3Spec()
FIELDS = FieldsSpec(subject_id="subject", groups=("sex",))
PEOPLE = {"a": {"subject": "s1", "sex": "female"}, "b": {"subject": "s2"}, "c": {"sex": "male"}, "d": {}}
MET = GateFigure(name="limit.rank_one_miss", passed=True, words="met")


def tar(path: Path) -> SourceSpec:
    with tarfile.open(path, "w") as archive:
        for name, side in PEOPLE.items():
            for member, content in ((f"{name}.jpg", b"no photo"), (f"{name}.json", json.dumps(side).encode())):
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return SourceSpec(uri=str(path), fields=FIELDS)


def table(path: Path) -> SourceSpec:
    rows = [{"image": b"no photo", "name": name, "subject": None, "sex": None} | side for name, side in PEOPLE.items()]
    pl.DataFrame(rows).write_parquet(path)
    return SourceSpec(uri=str(path), fields=FIELDS.model_copy(update={"image_id": "name"}))


def manifest(path: Path) -> SourceSpec:
    lines = [f"{name}.jpg,{side.get('subject', '')},{side.get('sex', '')}" for name, side in PEOPLE.items()]
    path.write_text("\n".join(["uri,subject,sex", *lines]))
    return SourceSpec(uri=str(path), fields=FIELDS)


def leave_for(source: SourceSpec | None = None) -> Leave:
    """To evaluate a gallery of a few drawn templates."""
    gallery = SmallGallery()
    gallery.embed(Shard("a"))
    return authorise(EvaluateConfig(gallery=gallery.store.uri, request=REQUEST, probes=source, report="no-report"))


def guard_for(leave: Leave, *keys: str) -> Guard:
    return guard(leave, "memory://search", snapshots.require_head(leave.gallery), keys)


def given(failed: frozenset[str] | set[str], source: SourceSpec) -> pl.DataFrame:
    shards = shards_with(failed, source, S3)
    allowed = guard_for(leave_for(source), *(label_key(shard, source) for shard in shards))
    return given_with(failed, shards, source, S3, allowed)


def told(frame: pl.DataFrame) -> dict[str, tuple[str | None, dict[str, str]]]:
    return {
        Path(row["probe_id"]).stem: (row["person_id"], {pair["key"]: pair["value"] for pair in row["groups"]})
        for row in frame.to_dicts()
    }


def test_labels_of_a_tar_are_those_of_its_sidecars(tmp_path: Path) -> None:
    source = tar(tmp_path / "probes.tar")
    found = given({"probes.tar/a.jpg", "probes.tar/c.jpg", "other.tar/b.jpg"}, source)
    assert found["probe_id"].to_list() == ["probes.tar/a.jpg", "probes.tar/c.jpg"]
    assert told(found) == {"a": ("s1", {"sex": "female"}), "c": (None, {"sex": "male"})}


def test_labels_of_a_table_are_in_its_columns_and_ids_may_be_too(tmp_path: Path) -> None:
    found = given({"b", "d"}, table(tmp_path / "probes.parquet"))
    assert told(found) == {"b": ("s2", {}), "d": (None, {})}


def test_loose_images_need_not_be_there_any_more(tmp_path: Path) -> None:
    source = manifest(tmp_path / "probes.csv")
    assert told(given({"a.jpg", "b.jpg"}, source)) == {"a": ("s1", {"sex": "female"}), "b": ("s2", {})}


def test_without_failures_no_source_is_read(tmp_path: Path) -> None:
    assert given(frozenset(), SourceSpec(uri=str(tmp_path / "nowhere"))).is_empty()


def test_labels_of_probes_that_no_token_covers_are_not_read(tmp_path: Path) -> None:
    source = tar(tmp_path / "probes.tar")
    failed = {"probes.tar/a.jpg"}
    (shard,) = shards_with(failed, source, S3)
    leave = leave_for(source)
    of_other_labels = label_key(shard, source.model_copy(update={"fields": FieldsSpec()}))
    allowed = guard_for(leave, of_other_labels, label_key(replace(shard, etag="changed"), source))
    (tmp_path / "probes.tar").unlink()  # whoever read it would tell that it is missing
    with pytest.raises(ForbiddenError, match="other probe shards than this one"):
        given_with(failed, [shard], source, S3, allowed)
    (allowing, refusing) = [event for event in read_chain(leave.gallery) if event.action == "decision"]
    assert (allowing.decision, refusing.decision, refusing.actor) == ("allowed", "denied", "job:evaluate")
    with pytest.raises(StaleError, match=r"probes\.tar has changed"):
        given_with(failed, [shard], source, S3, guard_for(leave, label_key(shard, source)))


def test_a_decision_of_long_ago_opens_no_labels() -> None:
    leave = leave_for()
    long_ago = datetime.now(UTC) - tokens.LIFETIME
    signed = grants.Grant(
        token=tokens.issue(leave.decision, (binding := binding_of(leave)), Ed25519PrivateKey.generate(), now=long_ago),
        binding=binding,
        shard_keys=frozenset(),
    )
    with pytest.raises(ForbiddenError, match="expired"):
        Guard(signed, ("memory://search",), S3)


def binding_of(leave: Leave) -> tokens.Binding:
    packs = tuple(sorted(leave.decision.digests.values()))
    none = grants.probe_set(())
    return tokens.Binding(leave.decision.request_sha256, packs, "memory://search", none, leave.gallery.uri, 1)


def ledger(*rows: tuple[str, str, int, list[str]]) -> pl.DataFrame:
    reasons = pl.List(pl.Struct({"reason": pl.String}))
    schema = {"image_id": pl.String, "outcome": pl.String, "faces_kept": pl.Int64, "rejected": reasons}
    told = [(image, outcome, kept, [{"reason": one} for one in faces]) for image, outcome, kept, faces in rows]
    return pl.DataFrame(told, schema=schema, orient="row")


def test_a_probe_that_was_refused_did_not_fail() -> None:
    found = unsearched(
        ledger(
            ("searched", "ok", 1, []),
            ("sketch", "refused", 0, []),
            ("crowd", "refused", 0, ["crowd"] * 4),
            ("case", "policy_denied", 0, []),
            ("blank", "no_face", 0, []),
            ("bystander", "filtered_quality", 0, ["too_many_faces"] * 2),
            ("elsewhere", "refused", 0, ["not_designated"] * 2),
            ("twice", "duplicate_member", 0, []),
        )
    )
    assert found.failed.to_list() == ["blank", "bystander", "elsewhere"]
    assert found.refused.to_list() == ["sketch", "crowd", "case"]
    (finding,) = found.findings
    assert (finding.name, finding.rows, finding.weight) == (REFUSED, 3, "note")
    assert unsearched(ledger(("searched", "ok", 1, []))).findings == ()


@pytest.mark.parametrize(("limits", "rows", "allowed"), [((MET,), 0, True), ((MET,), 3, False), ((), 3, False)])
def test_failures_that_nobody_accounts_for_approve_nothing(
    limits: tuple[GateFigure, ...], rows: int, allowed: bool
) -> None:
    findings = [Finding(WITHOUT_TRUTH, rows, "failed probes have no truth", (), "note")] if rows else []
    judged = judged_with_failures(limits, findings)
    assert approved(judged) is allowed
    assert [figure.passed for figure in judged] == [True, None][: len(limits) + (rows > 0 and bool(limits))]
    assert all("3 failed probes have no truth" in figure.words for figure in judged[1:])
