import hashlib
import socket

import numpy as np
import onnxruntime
import pytest

from facebatch.errors import ConfigError, ForbiddenError, ModelPackError
from facebatch.faces.open import open_models
from facebatch.faces.scrfd import ScrfdDetector
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.faces.yunet import YunetDetector
from faces.networks import YUNET_OUTPUTS, write_card, write_pack

SCRFD = {"preprocessing_version": "insightface-scrfd-1"}


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("network used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_a_missing_pack_is_an_error_and_never_a_download(no_network, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("FACEBATCH_MODELS", raising=False)
    for name in ("buffalo_l", "opencv_yunet_sface", "raccoon_s"):
        with pytest.raises(ModelPackError, match=f"facebatch models pull {name}"):
            open_models(ModelSpec(pack=name), FaceSpec())
    assert list(tmp_path.iterdir()) == []


def test_opening_needs_no_network(no_network, tmp_path):
    write_pack(tmp_path)
    card, detector, recogniser = open_models(ModelSpec(pack=str(tmp_path)), FaceSpec())
    assert isinstance(detector, YunetDetector)
    assert recogniser.embed(np.zeros((3, 112, 112, 3), np.uint8)).shape == (3, card.dim)


def test_yunet_declared_as_scrfd_is_refused(tmp_path):
    write_pack(tmp_path, detection=SCRFD)
    with pytest.raises(ModelPackError, match=r'12 outputs and cannot be read as SCRFD.*"opencv-yunet-1"'):
        open_models(ModelSpec(pack=str(tmp_path)), FaceSpec())


@pytest.mark.integration
def test_the_real_yunet_declared_as_scrfd_is_refused(models_dir, tmp_path):
    real = models_dir / "yunet_2023mar" / "face_detection_yunet_2023mar.onnx"
    write_pack(tmp_path, detection=SCRFD, detector=real)
    with pytest.raises(ModelPackError, match="cannot be read as SCRFD"):
        open_models(ModelSpec(pack=str(tmp_path)), FaceSpec())


def test_a_detector_without_landmarks_is_refused(tmp_path):
    write_pack(tmp_path, detection=SCRFD, outputs=YUNET_OUTPUTS[:6])
    with pytest.raises(ModelPackError, match="has 6 outputs and cannot be read as SCRFD"):
        open_models(ModelSpec(pack=str(tmp_path)), FaceSpec())


def test_a_fixed_detector_size_is_named(tmp_path):
    write_pack(tmp_path, detection=SCRFD, outputs=[f"out_{index}" for index in range(9)])
    _, detector, _ = open_models(ModelSpec(pack=str(tmp_path)), FaceSpec(detector_size=640))
    assert isinstance(detector, ScrfdDetector)
    with pytest.raises(ConfigError, match=r"detector_size is 320, but .* takes 640 x 640 px only"):
        open_models(ModelSpec(pack=str(tmp_path)), FaceSpec(detector_size=320))


def test_research_only_needs_consent(tmp_path):
    write_card(write_pack(tmp_path), licence="LicenseRef-research", research_only=True)
    with pytest.raises(ForbiddenError, match=r"research only \(LicenseRef-research\); set accept_research_only: true"):
        open_models(ModelSpec(pack=str(tmp_path)), FaceSpec())
    card, _, _ = open_models(ModelSpec(pack=str(tmp_path), accept_research_only=True), FaceSpec())
    assert card.research_only


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this runtime has CUDA")
def test_cuda_is_never_replaced_by_the_cpu(tmp_path):
    write_pack(tmp_path)
    with pytest.raises(ConfigError, match=r"device is cuda, but this onnxruntime offers .*CPUExecutionProvider"):
        open_models(ModelSpec(pack=str(tmp_path), device="cuda"), FaceSpec())


def test_a_recogniser_that_is_no_network_is_refused(tmp_path):
    recorded = hashlib.sha256(b"text").hexdigest()
    write_pack(tmp_path, recognition={"sha256": recorded})
    (tmp_path / "recogniser.onnx").write_bytes(b"text")
    with pytest.raises(ModelPackError, match=r"recogniser\.onnx cannot be opened as a network of its task"):
        open_models(ModelSpec(pack=str(tmp_path)), FaceSpec())
