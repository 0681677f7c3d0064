"""From settings to the two live networks. Never downloads."""

from typing import Any

import cv2

from facebatch.errors import ForbiddenError
from facebatch.faces.models import Detector, ModelCard, Recogniser
from facebatch.faces.packs import find_pack, load_card, read_package
from facebatch.faces.recognise import CropRecogniser
from facebatch.faces.scrfd import ScrfdDetector
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.faces.yunet import YunetDetector


def open_models(spec: ModelSpec, faces: FaceSpec) -> tuple[ModelCard, Detector, Recogniser]:
    """Find, verify and load a pack; also sets OpenCV's threads for this process to `spec.threads`.

    ModelPackError for a missing, altered or unfit pack; ForbiddenError for a research-only licence that the settings
    do not accept; ConfigError for a detector of another fixed size or a device that is not there.
    """
    path = find_pack(spec)
    card = load_card(path)
    if card.research_only and not spec.accept_research_only:
        raise ForbiddenError(
            f"model pack {card.name!r} ({path}) is licensed for research only ({card.licence}); "
            "set accept_research_only: true if your use is, or choose another pack"
        )
    package = read_package(path)
    cv2.setNumThreads(spec.threads)
    detector = _open_detector(package.tasks["detection"], card, spec, faces)
    return card, detector, CropRecogniser(package.tasks["recognition"], card, spec)


def _open_detector(descriptor: Any, card: ModelCard, spec: ModelSpec, faces: FaceSpec) -> Detector:
    if card.detector.layout == "yunet":
        return YunetDetector(card.detector.path, spec, faces)
    return ScrfdDetector(descriptor, spec, faces)
