"""Detectors of the SCRFD family, read by insightface."""

from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.errors import ConfigError, ModelPackError
from facebatch.faces import session
from facebatch.faces.detect import fit
from facebatch.faces.models import Detections
from facebatch.faces.settings import FaceSpec, ModelSpec

_OUTPUTS = (9, 15)
"""Scores, boxes and landmarks of three or five strides; the variants without landmarks cannot be aligned."""


class ScrfdDetector:
    """`models.Detector` over insightface's SCRFD."""

    def __init__(self, descriptor: Any, spec: ModelSpec, faces: FaceSpec) -> None:
        """ModelPackError for another layout, ConfigError when the network has another fixed size."""
        self._faces = faces
        self._network = session.open_insightface(descriptor, spec)
        outputs = [output.name for output in self._network.session.get_outputs()]
        if len(outputs) not in _OUTPUTS:
            hint = (
                ' (its names are YuNet\'s: declare preprocessing_version "opencv-yunet-1")'
                if "cls_8" in outputs
                else ""
            )
            raise ModelPackError(
                f"{descriptor.path} has {len(outputs)} outputs and cannot be read as SCRFD, which has 9 or 15{hint}"
            )
        fixed = self._network.static_input_size
        if fixed is not None and fixed != (faces.detector_size, faces.detector_size):
            raise ConfigError(
                f"detector_size is {faces.detector_size}, but {descriptor.path} takes {fixed[0]} x {fixed[1]} px only"
            )

    def detect(self, pixels: npt.NDArray[np.uint8]) -> Detections:
        """See `models.Detector`. Non-maximum suppression at IoU 0.4, insightface's default."""
        canvas = fit(pixels, self._faces)
        size = (self._faces.detector_size, self._faces.detector_size)
        found, landmarks = self._network.detect(
            canvas.pixels, input_size=size, det_thresh=self._faces.detector_threshold
        )
        return canvas.restore(found[:, :4], landmarks, found[:, 4])
