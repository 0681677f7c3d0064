"""With a centroid shards have other keys and templates another column; without one all is as it was."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from facebatch.errors import ConfigError, CorruptError
from facebatch.faces.packs import find_pack, load_card
from facebatch.faces.recognizability import FILE, CentroidSpec, recognizability, write_centroid
from facebatch.faces.settings import FaceSpec, ModelSpec, QualityGate
from facebatch.gallery import snapshots
from facebatch.gallery.commits import read_part
from facebatch.images.source import DecodeSpec, SourceSpec
from facebatch.pipelines import embed
from facebatch.pipelines.embed import EmbedReport
from facebatch.pipelines.embedding import RowsSpec
from facebatch.pipelines.planned_centroid import planned_centroid, worker_centroid
from facebatch.storage.local import LocalStore
from facebatch.storage.parquet import embeddings, read_table, read_templates
from reindexed import update
from worlds import QUIET, World

SOURCE = SourceSpec(uri="memory://in")


def rows(centroid: str | None = None, **faces: object) -> RowsSpec:
    spec = FaceSpec.model_validate(faces)
    return RowsSpec(source=SOURCE, decode=DecodeSpec(), model=ModelSpec(), faces=spec, centroid=centroid)


def test_what_is_absent_is_no_part_of_the_key() -> None:
    plain = rows().key_part()
    assert plain.keys() == {"source", "decode", "faces", "model"}
    assert "gate" not in plain["faces"]
    assert rows(gate={}).key_part() == rows(gate={"pose": None}).key_part() == plain


def test_each_limit_and_each_centroid_is_a_key_of_its_own() -> None:
    specs = [rows(), rows("a" * 64), rows("b" * 64)]
    specs += [rows(gate={name: 20}) for name in QualityGate.model_fields] + [rows(gate={"pose": 21})]
    parts = [str(spec.key_part()) for spec in specs]
    assert len(set(parts)) == len(parts)
    assert rows("a" * 64).key_part()["centroid"] == "a" * 64
    assert rows(gate={"pose": 20}).key_part()["faces"]["gate"] == {"pose": 20.0}


def put_centroid(model: ModelSpec, path: Path, vector: np.ndarray | None = None) -> ModelSpec:
    """Some direction as the centroid of this model; absent: one that has nothing to do with faces."""
    card = load_card(find_pack(model))
    vector = np.random.default_rng(3).normal(size=card.dim) if vector is None else vector
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    document = CentroidSpec(
        model=card.fingerprint, model_name=card.name, vector=tuple(unit.tolist()), faces=1, crops=8, concentration=0.5
    )
    write_centroid(document, path)
    return model.model_copy(update={"centroid": str(path)})


@pytest.mark.integration
def test_a_plan_names_the_centroid_and_a_worker_must_have_the_same(model: ModelSpec, tmp_path: Path) -> None:
    fingerprint = load_card(find_pack(model)).fingerprint
    assert planned_centroid(model, FaceSpec(), fingerprint) is None
    assert worker_centroid(model, fingerprint, None) is None
    with pytest.raises(ConfigError, match=r"faces\.gate\.recognizability is 20, but model pack .* has no centroid"):
        planned_centroid(model, FaceSpec(gate=QualityGate(recognizability=20)), fingerprint)
    with_one = put_centroid(model, tmp_path / "c.json")
    planned = planned_centroid(with_one, FaceSpec(gate=QualityGate(recognizability=20)), fingerprint)
    assert planned is not None
    held = worker_centroid(with_one, fingerprint, planned)
    assert held is not None
    assert held.sha256 == planned
    with pytest.raises(CorruptError, match="on this worker has no centroid, the plan says"):
        worker_centroid(model, fingerprint, planned)
    put_centroid(model, tmp_path / "c.json", np.arange(load_card(find_pack(model)).dim, dtype=float))
    with pytest.raises(CorruptError, match="on this worker has the centroid"):
        worker_centroid(with_one, fingerprint, planned)


@pytest.mark.integration
def test_with_a_centroid_the_gallery_is_embedded_anew_and_its_templates_say_how_recognisable_they_are(
    world: World, tmp_path: Path
) -> None:
    update(world)
    pack = tmp_path / "pack"
    shutil.copytree(find_pack(world.model), pack)
    beside = ModelSpec(pack=str(pack))
    assert update(world, model=beside).shards_embedded == 0
    put_centroid(beside, pack / FILE)
    report = update(world, model=beside)
    store = LocalStore(world.root / "gallery")
    head = snapshots.require_head(store)
    assert (report.shards_embedded, report.templates) == (len(head.shards), head.templates)
    held = worker_centroid(beside, head.model, planned_centroid(beside, FaceSpec(), head.model))
    assert held is not None
    for shard in head.shards:
        table = read_templates(read_part(store, shard.templates), "t")
        expected = recognizability(embeddings(table), held).astype(np.float32)
        np.testing.assert_array_equal(table["quality_recognizability"].to_numpy(), expected)
    assert update(world, model=beside).shards_embedded == 0


def tables(world: World) -> list[pa.Table]:
    store = LocalStore(world.root / "gallery")
    return [read_templates(read_part(store, shard.templates), "t") for shard in snapshots.require_head(store).shards]


@pytest.mark.integration
def test_faces_that_nobody_can_recognise_are_not_enrolled(world: World, tmp_path: Path) -> None:
    embed.run(world.embed(), QUIET)
    middle = np.concatenate([embeddings(table) for table in tables(world)]).astype(float).mean(axis=0)
    model = put_centroid(world.model, tmp_path / "c.json", middle)
    embed.run(world.embed(model=model), QUIET)
    values = sorted(value for table in tables(world) for value in table["quality_recognizability"].to_pylist())
    assert len(set(values)) == len(values)
    gated = FaceSpec(gate=QualityGate(recognizability=values[3]))
    report = embed.run(world.embed(model=model, gallery=str(world.root / "gated"), faces=gated), QUIET)
    assert isinstance(report, EmbedReport)
    assert (report.templates, report.outcomes) == (len(values) - 3, {"filtered_quality": 3, "ok": len(values) - 3})
    store = LocalStore(world.root / "gated")
    ledgers = [
        read_table(read_part(store, shard.ledger), kind="ledger", origin="l").to_pylist()
        for shard in snapshots.require_head(store).shards
    ]
    reasons = [face["reason"] for ledger in ledgers for row in ledger for face in row["rejected"]]
    assert reasons == ["low_recognizability"] * 3
