"""Refused and designated probes from the settings of a run to its ledger and shard keys."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from facebatch.faces.directions import NOTHING_SETTLED, Directions
from facebatch.faces.packs import find_pack, load_card
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.gallery.commits import read_part, shard_key
from facebatch.images.records import ImageShard
from facebatch.images.shards import list_shards
from facebatch.images.source import DecodeSpec, SourceSpec
from facebatch.pipelines import embed
from facebatch.pipelines.embedding import EmbedTask, RowsSpec
from facebatch.storage.local import LocalStore
from facebatch.storage.parquet import read_table, read_templates
from facebatch.storage.settings import S3Spec
from worlds import FOLDER, World

TAR = ImageShard("memory://in/a.tar", "tar", 10, "e", name="a.tar")
REASON = "p.sketch [a law]: no sketches"


def settings(uri: str, model: ModelSpec, directions: Directions = NOTHING_SETTLED, **faces: object) -> RowsSpec:
    source = SourceSpec(uri=uri, fields=FOLDER, images_per_shard=3)
    return RowsSpec(
        source=source,
        decode=DecodeSpec(),
        model=model,
        faces=FaceSpec.model_validate(faces),
        directions=directions,
    )


def keys(rows: RowsSpec, shards: Sequence[ImageShard]) -> tuple[str, ...]:
    return embed.plan(list(shards), frozenset(), rows, "m" * 64).keys


def test_the_key_of_a_shard_of_which_nothing_is_settled_is_what_it_was() -> None:
    rows = RowsSpec(source=SourceSpec(uri="memory://in"), decode=DecodeSpec(), model=ModelSpec(), faces=FaceSpec())
    assert keys(rows, [TAR]) == ("4c31629736a6887c3d6f5f2bb9b053e0c4f87a12",)
    assert keys(rows.model_copy(update={"directions": Directions({"x": None})}), [TAR]) == keys(rows, [TAR])


def test_a_changed_decision_is_another_key() -> None:
    rows = settings("memory://in", ModelSpec())
    changed = [
        NOTHING_SETTLED,
        Directions({"x": REASON}),
        Directions({"x": "another"}),
        Directions({}, REASON),
        Directions({"x": None}, REASON),
        Directions(points={"x": (1.0, 2.0)}),
        Directions(points={"x": (1.0, 3.0)}),
    ]
    found = {keys(rows.model_copy(update={"directions": directions}), [TAR]) for directions in changed}
    assert len(found) == len(changed)
    crowd = rows.model_copy(update={"faces": FaceSpec(crowd=3)})
    assert keys(crowd, [TAR]) != keys(rows, [TAR])


@pytest.mark.integration
def test_refused_probes_are_rows_of_the_ledger_and_nothing_else(world: World) -> None:
    uri = str(world.root / "probe-photos")
    plain = settings(uri, world.model)
    card, shards = load_card(find_pack(world.model)), list_shards(plain.source, S3Spec())
    names = [member.image_id for shard in shards for member in shard.members]
    settled = settings(uri, world.model, Directions({names[0]: REASON}))
    store, outcomes, images = LocalStore(world.root / "out"), {}, []
    for rows in (plain, settled):
        task = EmbedTask(store.uri, rows, S3Spec(), card.fingerprint, 0)
        commits = [task.setup()(shard) for shard in shards]
        assert [commit.shard_key for commit in commits] == [
            shard_key(shard, model=card.fingerprint, rows_config={**rows.key_part(), **rows.directions.key_part(shard)})
            for shard in shards
        ]
        images.append([commit.templates.sha256 for commit in commits])
        outcomes[rows is settled] = [
            row
            for commit in commits
            for row in read_table(read_part(store, commit.ledger), kind="ledger", origin="it").to_pylist()
        ]
    assert sum(one != two for one, two in zip(*images, strict=True)) == 1, "one shard changed, the others resumed"
    refused = [row for row in outcomes[True] if row["outcome"] == "refused"]
    assert [(row["image_id"], row["reason"], row["faces_found"]) for row in refused] == [(names[0], REASON, 0)]
    assert [row for row in outcomes[True] if row not in refused] == [
        row for row in outcomes[False] if row["image_id"] != names[0]
    ]
    assert {row["outcome"] for row in outcomes[False]} == {"ok"}


@pytest.mark.integration
def test_a_bystander_in_a_probe_is_neither_kept_nor_searched(world: World, tmp_path: Path) -> None:
    left, right = (Image.open(path) for path in sorted((world.root / "probe-photos").rglob("*.jpg"))[:2])
    pair = Image.new("RGB", (left.width + right.width, max(left.height, right.height)), "grey")
    pair.paste(left, (0, 0))
    pair.paste(right, (left.width, 0))
    folder = tmp_path / "pair"
    folder.mkdir()
    data = io.BytesIO()
    pair.save(data, "PNG")
    for name in ("left", "right", "unsaid"):
        (folder / f"{name}.png").write_bytes(data.getvalue())
    points = {
        "left.png": (left.width / 2, left.height / 2),
        "right.png": (left.width + right.width / 2, right.height / 2),
    }
    rows = settings(str(folder), world.model, Directions(points=points), keep="designated")
    card, store = load_card(find_pack(world.model)), LocalStore(tmp_path / "out")
    work = EmbedTask(store.uri, rows, S3Spec(), card.fingerprint, 0).setup()
    commits = [work(shard) for shard in list_shards(rows.source, S3Spec())]
    boxes = {
        row["image_id"]: row["box"]
        for commit in commits
        for row in read_templates(read_part(store, commit.templates), "it").to_pylist()
    }
    assert sorted(boxes) == ["left.png", "right.png"]
    assert boxes["left.png"][2] < left.width < boxes["right.png"][0]
