import cv2
import numpy as np
import pytest

from facebatch.errors import ModelPackError
from facebatch.faces.packs import load_card, read_package
from facebatch.faces.recognise import CropRecogniser
from facebatch.faces.settings import ModelSpec
from faces.networks import SFACE, write_pack

CROPS = np.random.default_rng(3).integers(0, 256, (5, 112, 112, 3), dtype=np.uint8)


def open_recogniser(pack, **changes) -> CropRecogniser:
    folder = write_pack(pack, **changes)
    return CropRecogniser(read_package(folder).tasks["recognition"], load_card(folder), ModelSpec())


def test_sface_equals_opencv(tmp_path):
    ours = open_recogniser(tmp_path, batch=1).embed(CROPS)
    opencv = cv2.FaceRecognizerSF.create(str(tmp_path / "recogniser.onnx"), "")
    expected = np.concatenate([opencv.feature(crop) for crop in CROPS])
    np.testing.assert_allclose(ours, expected, atol=1e-4)
    assert np.ptp(ours, axis=0).max() > 0.01


def test_a_fixed_batch_gives_the_same_rows_as_an_open_one(tmp_path):
    open_batch = open_recogniser(tmp_path / "open").embed(CROPS)
    for batch in (1, 2, 4):
        fixed = open_recogniser(tmp_path / str(batch), batch=batch).embed(CROPS)
        assert fixed.shape == (5, 128)
        np.testing.assert_allclose(fixed, open_batch, atol=1e-5)


def test_preprocessing_comes_from_the_manifest(tmp_path):
    centred = {"preprocessing_version": "insightface-arcface-1", "preprocessing": {"mean": 127.5, "std": 127.5}}
    ours = open_recogniser(tmp_path / "arcface", recognition=centred).embed(CROPS)
    plain = open_recogniser(tmp_path / "sface").embed(CROPS)
    assert np.abs(ours - plain).max() > 0.1


def test_channels_reach_the_network_as_rgb(tmp_path):
    recogniser = open_recogniser(tmp_path)
    blue = np.zeros((1, 112, 112, 3), np.uint8)
    blue[..., 0] = 255
    opencv = cv2.FaceRecognizerSF.create(str(tmp_path / "recogniser.onnx"), "")
    np.testing.assert_allclose(recogniser.embed(blue), opencv.feature(blue[0]), atol=1e-4)
    assert np.abs(recogniser.embed(blue) - recogniser.embed(blue[..., ::-1].copy())).max() > 0.1


def test_no_crops(tmp_path):
    recogniser = open_recogniser(tmp_path)
    assert recogniser.embed(CROPS[:0]).shape == (0, 128)
    assert (recogniser.dim, recogniser.input_size) == (128, 112)


def test_a_declared_dim_that_is_not_the_real_one_is_refused(tmp_path):
    with pytest.raises(ModelPackError, match=r"gives 64 values .* declares 128: a pack of another dim"):
        open_recogniser(tmp_path, dim=64, recognition={"embedding_dimension": 128})


def test_a_declared_crop_size_that_is_not_the_real_one_is_refused(tmp_path):
    with pytest.raises(ModelPackError, match=r"takes crops of \(112, 112\), but its manifest says 160"):
        open_recogniser(tmp_path, recognition={**SFACE, "input_size": [160, 160]})
