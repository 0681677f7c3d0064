"""A centroid depends on the photos, the pack and the settings, and on nothing else."""

import json
import shutil
from pathlib import Path

import pytest

from facebatch.cli import main
from facebatch.errors import ConfigError, NotFoundError, StopError
from facebatch.faces.packs import load_card
from facebatch.faces.recognizability import FILE, CentroidSpec, find_centroid
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.faces.unrecognizable import VARIANTS
from facebatch.images.source import SourceSpec
from facebatch.pipelines.centroid import CentroidConfig, CentroidPlan, CentroidReport, run
from facebatch.storage.digest import file_digest
from facebatch.telemetry.progress import SilentProgress

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def photos(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight portraits, one of them twice, and a picture that is none."""
    folder = tmp_path_factory.mktemp("photos")
    found = sorted((data_dir / "london").glob("*_neutral.jpg"))[:8]
    for number, path in enumerate(found):
        shutil.copyfile(path, folder / f"{number}.jpg")
    shutil.copyfile(found[0], folder / "again.jpg")
    (folder / "cut.jpg").write_bytes(found[1].read_bytes()[:2000])
    return folder


def config(photos: Path, out: Path, models: Path, **changes: object) -> CentroidConfig:
    values = {
        "source": SourceSpec(uri=str(photos)),
        "out": str(out),
        "least": 8,
        "model": ModelSpec(pack="open_yunet_omz", packs=str(models)),
    }
    return CentroidConfig.model_validate({**values, **changes})


def made(config: CentroidConfig) -> CentroidReport:
    report = run(config, SilentProgress())
    assert isinstance(report, CentroidReport)
    return report


def test_names_places_and_shards_change_no_byte_of_it(photos, models_dir, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(photos, elsewhere)
    (elsewhere / "0.jpg").rename(elsewhere / "zebra.jpg")
    first = made(config(photos, tmp_path / "first.json", models_dir))
    second = made(
        config(
            elsewhere, tmp_path / "second.json", models_dir, source=SourceSpec(uri=str(elsewhere), images_per_shard=2)
        )
    )
    assert (
        first.sha256 == second.sha256 == file_digest(tmp_path / "first.json") == file_digest(tmp_path / "second.json")
    )
    assert (first.faces, first.crops) == (8, 8 * VARIANTS)
    assert first.without_a_face == {"truncated": 1}
    assert first.recognizability_spoilt < first.recognizability_good - 20


def test_the_file_is_for_this_pack_and_tells_what_it_was_made_of(photos, models_dir, tmp_path):
    card = load_card(models_dir / "open_yunet_omz")
    report = made(config(photos, tmp_path / FILE, models_dir, most=5, least=5))
    document = CentroidSpec.model_validate_json((tmp_path / FILE).read_bytes())
    assert (document.model, document.model_name, document.faces) == (card.fingerprint, "open_yunet_omz", 5)
    found = find_centroid(tmp_path, None, card.fingerprint)
    assert found is not None
    assert found.vector.shape == (card.dim,)
    assert found.sha256 == report.sha256


def test_too_few_faces_are_told_with_what_was_wrong_and_leave_no_file(photos, models_dir, tmp_path):
    with pytest.raises(StopError, match=r"8 faces found \(truncated: 1\), and a centroid is made of 9 or more"):
        made(config(photos, tmp_path / "c.json", models_dir, least=9))
    small = FaceSpec(min_face_px=4000)
    with pytest.raises(StopError, match=r"0 faces found \(too_small: 9, truncated: 1\)"):
        made(config(photos, tmp_path / "c.json", models_dir, faces=small))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_the_file_and_a_source_without_photos_are_refused(photos, models_dir, tmp_path):
    with pytest.raises(ConfigError, match=f"is a folder; give the file, for example {tmp_path}/{FILE}"):
        made(config(photos, tmp_path, models_dir))
    with pytest.raises(NotFoundError, match="nothing found"):
        made(config(tmp_path, tmp_path / "c.json", models_dir))


def test_the_plan_writes_nothing(photos, models_dir, tmp_path):
    plan = run(config(photos, tmp_path / "c.json", models_dir), SilentProgress(), dry_run=True)
    assert isinstance(plan, CentroidPlan)
    assert plan.crops == 10 * (1 + VARIANTS)
    assert plan.bytes == sum(path.stat().st_size for path in photos.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_one_json_object(photos, models_dir, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FACEBATCH_MODELS", str(models_dir))
    out = tmp_path / "c.json"
    flags = ["--model.pack", "open_yunet_omz", "--source.uri", str(photos), "--out", str(out), "--least", "4"]
    main(["models", "centroid", *flags, "--most", "4", "--json"])
    printed = capsys.readouterr()
    assert printed.err == ""
    report = json.loads(printed.out)
    assert (report["faces"], report["sha256"]) == (4, file_digest(out))
