"""Official model packs: which files their publishers give out, under what terms, and what they must hash to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MANIFEST_VERSION = 2


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a pack as its publisher gives it out."""

    name: str
    size: int
    """Bytes, exactly."""
    sha256: str
    urls: tuple[str, ...] = ()
    """Tried in order, https only. Empty for packs that insightface downloads as one archive."""


@dataclass(frozen=True, slots=True)
class OfficialPack:
    """One pack that `facebatch models pull` can get."""

    name: str
    publisher: str
    licence: str
    """SPDX expression."""
    research_only: bool
    terms: str
    """What a person accepts; becomes MODEL.LICENSE."""
    detection: RemoteFile
    recognition: RemoteFile
    source: Literal["urls", "insightface"] = "urls"
    """Where the files come from: their own URLs, or insightface's archive of this name."""
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Manifest entries by task beyond `file` and `sha256`."""
    notes: str = ""

    @property
    def files(self) -> tuple[RemoteFile, RemoteFile]:
        """Detection, then recognition."""
        return (self.detection, self.recognition)

    def manifest(self) -> dict[str, Any]:
        """`manifest.json`, version 2, with a digest for every file."""
        by_task = {"detection": self.detection, "recognition": self.recognition}
        return {
            "manifest_version": MANIFEST_VERSION,
            "model_id": self.name,
            "license": "MODEL.LICENSE",
            "tasks": {
                task: {"file": file.name, "sha256": file.sha256, **self.tasks.get(task, {})}
                for task, file in by_task.items()
            },
        }

    def card(self) -> dict[str, Any]:
        """`card.json`, as `packs.CardSpec` reads it."""
        return {
            "licence": self.licence,
            "research_only": self.research_only,
            "publisher": self.publisher,
            "notes": self.notes,
        }


_ZOO_COMMIT = "47534e27c9851bb1128ccc0102f1145e27f23f98"
_ZOO = f"https://github.com/opencv/opencv_zoo/raw/{_ZOO_COMMIT}/models"
_ZOO_MIRROR = "https://huggingface.co/opencv"
"""OpenCV's own organisation there; the publisher moves downloads to it because GitHub limits them (opencv_zoo#294)."""

OPENCV_YUNET_SFACE = OfficialPack(
    name="opencv_yunet_sface",
    publisher="OpenCV Zoo",
    licence="MIT AND Apache-2.0",
    research_only=False,
    terms=(
        "MIT AND Apache-2.0\n\n"
        "face_detection_yunet_2023mar.onnx: YuNet, by Shiqi Yu and contributors, MIT Licence,\n"
        f"https://github.com/opencv/opencv_zoo/blob/{_ZOO_COMMIT}/models/face_detection_yunet/LICENSE\n\n"
        "face_recognition_sface_2021dec.onnx: SFace, by Yaoyao Zhong and contributors, Apache Licence 2.0,\n"
        f"https://github.com/opencv/opencv_zoo/blob/{_ZOO_COMMIT}/models/face_recognition_sface/LICENSE\n"
    ),
    detection=RemoteFile(
        name="face_detection_yunet_2023mar.onnx",
        size=232_589,
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        urls=(
            f"{_ZOO_MIRROR}/face_detection_yunet/resolve/main/face_detection_yunet_2023mar.onnx",
            f"{_ZOO}/face_detection_yunet/face_detection_yunet_2023mar.onnx",
        ),
    ),
    recognition=RemoteFile(
        name="face_recognition_sface_2021dec.onnx",
        size=38_696_353,
        sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        urls=(
            f"{_ZOO_MIRROR}/face_recognition_sface/resolve/main/face_recognition_sface_2021dec.onnx",
            f"{_ZOO}/face_recognition_sface/face_recognition_sface_2021dec.onnx",
        ),
    ),
    tasks={
        "detection": {"preprocessing_version": "opencv-yunet-1", "preprocessing": {"mean": 0.0, "std": 1.0}},
        "recognition": {
            "preprocessing_version": "opencv-sface-1",
            "preprocessing": {"mean": 0.0, "std": 1.0},
            "input_size": [112, 112],
            "embedding_dimension": 128,
        },
    },
    notes="YuNet takes 640 x 640 px; SFace gives 128 dimensions, 99.40 % on LFW by its publisher.",
)

_INSIGHTFACE_TERMS = (
    "LicenseRef-InsightFace-non-commercial-research\n\n"
    "The pretrained models provided with the InsightFace library are available for non-commercial research purposes\n"
    "only, including models downloaded automatically and by hand. Other use needs a licence from InsightFace.\n"
    "https://github.com/deepinsight/insightface/tree/master/python-package#license\n"
)

_SCRFD_500M = RemoteFile("det_500m.onnx", 2_524_817, "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a")
_SCRFD_10G = RemoteFile("det_10g.onnx", 16_923_827, "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91")
_W600K_MBF = RemoteFile(
    "w600k_mbf.onnx", 13_616_099, "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f"
)
_W600K_R50 = RemoteFile(
    "w600k_r50.onnx", 174_383_860, "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43"
)


def _buffalo(name: str, detection: RemoteFile, recognition: RemoteFile) -> OfficialPack:
    return OfficialPack(
        name=name,
        publisher="InsightFace",
        licence="LicenseRef-InsightFace-non-commercial-research",
        research_only=True,
        terms=_INSIGHTFACE_TERMS,
        detection=detection,
        recognition=recognition,
        source="insightface",
        tasks={"recognition": {"embedding_dimension": 512, "input_size": [112, 112]}},
        notes="Only the detector and the recogniser are kept; age, gender and landmark models are left out.",
    )


OFFICIAL: Mapping[str, OfficialPack] = {
    pack.name: pack
    for pack in (
        OPENCV_YUNET_SFACE,
        _buffalo("buffalo_l", _SCRFD_10G, _W600K_R50),
        _buffalo("buffalo_s", _SCRFD_500M, _W600K_MBF),
        _buffalo("buffalo_sc", _SCRFD_500M, _W600K_MBF),
    )
}
"""Packs by name. Published digests: OpenCV Zoo's LFS pointers; InsightFace's files of release v0.7."""
