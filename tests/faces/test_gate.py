"""The gate at enrolment: each limit by itself, all in order, and a shard whose ledger says why."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.config import read_yaml
from facebatch.errors import ConfigError
from facebatch.faces.align import TEMPLATE
from facebatch.faces.extract import Extractor
from facebatch.faces.gate import MEASURED, poor_picture, poor_template
from facebatch.faces.quality import Quality
from facebatch.faces.settings import FaceSpec, QualityGate
from facebatch.images.records import EncodedImage
from facebatch.images.source import DecodeSpec
from facebatch.spec import parse
from faces.test_real_faces import encoded

RECOMMENDED = read_yaml(Path(__file__).parents[2] / "configs" / "embed.yaml")
FRONTAL = TEMPLATE.astype(np.float32)
FAIR = Quality(50, 50, 50, 50, 50, 50)
number = st.floats(0, 100)


@given(st.builds(Quality, number, number, number, number, number, number), number, number)
def test_without_limits_nothing_is_too_poor(quality, recognizability, unified):
    assert poor_picture(quality, FRONTAL, QualityGate()) is None
    assert poor_template(recognizability, unified, QualityGate()) is None


@given(st.sampled_from(MEASURED), number, number)
def test_a_limit_rejects_what_is_below_it_as_stored(name, value, limit):
    found = poor_picture(replace(FAIR, **{name: value}), FRONTAL, QualityGate(**{name: limit}))
    assert found == (f"low_{name}" if np.float32(value) < np.float32(limit) else None)


@given(number, number, number, number)
def test_limits_of_a_template_look_at_recognizability_first(recognizability, unified, least, whole):
    gate = QualityGate(recognizability=least, quality=whole)
    low, poor = (np.float32(a) < np.float32(b) for a, b in ((recognizability, least), (unified, whole)))
    assert poor_template(recognizability, unified, gate) == (
        "low_recognizability" if low else "low_quality" if poor else None
    )
    assert poor_template(None, unified, gate) == ("low_quality" if poor else None)


@pytest.mark.parametrize(
    ("shift", "limit", "reason"), [(0, 10, None), (12, 10, "large_yaw"), (-12, 10, "large_yaw"), (12, 80, None)]
)
def test_a_head_turned_too_far_to_either_side_is_rejected(shift, limit, reason):
    landmarks = FRONTAL.copy()
    landmarks[2, 0] += shift
    assert poor_picture(FAIR, landmarks, QualityGate(yaw_most=limit)) == reason


def test_the_first_reason_in_order_counts():
    everything = QualityGate(**dict.fromkeys(MEASURED, 60), yaw_most=0)
    assert poor_picture(FAIR, FRONTAL, everything) == "low_detector"
    assert poor_picture(replace(FAIR, detector=60, inter_eye=60, pose=60), FRONTAL, everything) == "large_yaw"


def test_a_misspelt_limit_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"unknown key 'gate\.sharpnes'; did you mean 'sharpness'"):
        parse(FaceSpec, {"gate": {"sharpnes": 10}}, origin="f")


@pytest.fixture(scope="module")
def photos(data_dir):
    """Three portraits as they are, and the second blurred."""
    paths = sorted((data_dir / "london").glob("lon*_neutral.jpg"))[:3]
    blurred = cv2.GaussianBlur(cv2.imread(str(paths[1])), (0, 0), 6)
    data = cv2.imencode(".png", blurred)[1].tobytes()
    return [*(encoded(path, path.stem) for path in paths), EncodedImage("blurred", "blurred.png", data, "0" * 64)]


def extract(models, photos, **gate: float):
    spec = FaceSpec(gate=QualityGate(**gate))
    return Extractor(*models, spec, DecodeSpec(), 2).extract(photos, "mem://shard")


@pytest.mark.integration
@pytest.mark.parametrize("name", ["sharpness", "quality"])
def test_a_blurred_portrait_is_not_enrolled_and_its_row_says_why(real_models, photos, name):
    plain = extract(real_models, photos)
    assert plain.templates.num_rows == 4
    column = "quality" if name == "quality" else f"quality_{name}"
    values = dict(zip(plain.templates["image_id"].to_pylist(), plain.templates[column].to_pylist(), strict=True))
    assert min(values, key=values.get) == "blurred"
    limit = (values["blurred"] + sorted(values.values())[1]) / 2
    gated = extract(real_models, photos, **{name: limit})
    rows = {row["image_id"]: row for row in gated.ledger.to_pylist()}
    assert (rows["blurred"]["outcome"], rows["blurred"]["reason"]) == ("filtered_quality", f"low_{name}: 1")
    assert [face["reason"] for face in rows["blurred"]["rejected"]] == [f"low_{name}"]
    assert (rows["blurred"]["faces_found"], rows["blurred"]["faces_kept"]) == (1, 0)
    assert gated.templates.equals(plain.templates.filter(np.array([name != "blurred" for name in values])))


@pytest.mark.integration
def test_every_number_of_a_template_is_stored(real_models, photos):
    table = extract(real_models, photos).templates
    for column in ("inter_eye", "pose", "sharpness", "luminance", "exposure"):
        values = table[f"quality_{column}"].to_numpy()
        assert ((values > 0) & (values <= 100)).all()
    assert (table["quality"].to_numpy() > 0).all()
    assert table["quality_recognizability"].null_count == 4


@pytest.mark.integration
def test_the_limits_recommended_for_enrolment_reject_no_portrait(real_models, portraits):
    spec = FaceSpec.model_validate(RECOMMENDED["faces"])
    images = []
    for place, pixels in enumerate(portraits):
        data = cv2.imencode(".png", pixels)[1].tobytes()
        images.append(EncodedImage(f"{place}", f"{place}.png", data, "0" * 64))
    found = Extractor(*real_models, spec, DecodeSpec(), 8).extract(images, "mem://shard")
    assert found.ledger["outcome"].to_pylist() == ["ok"] * len(portraits)
