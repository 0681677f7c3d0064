"""YuNet in its own twelve-output layout, decoded as OpenCV's FaceDetectorYN does."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from facebatch.errors import ConfigError, ModelPackError
from facebatch.faces import session
from facebatch.faces.detect import fit
from facebatch.faces.models import Detections
from facebatch.faces.settings import FaceSpec, ModelSpec

_STRIDES = (8, 16, 32)
_OUTPUTS = [f"{kind}_{stride}" for stride in _STRIDES for kind in ("cls", "obj", "bbox", "kps")]
_NMS_IOU = 0.3
_NMS_TOP = 5000

Floats = npt.NDArray[np.float32]


class YunetDetector:
    """`models.Detector` over onnxruntime."""

    def __init__(self, path: Path, spec: ModelSpec, faces: FaceSpec) -> None:
        """ModelPackError for another layout, ConfigError when the network has another fixed size."""
        self._faces = faces
        self._session = session.open_session(path, spec)
        names = {output.name for output in self._session.get_outputs()}
        if names != set(_OUTPUTS):
            raise ModelPackError(
                f"{path} is declared as YuNet but its outputs are {', '.join(sorted(names))}; expected {_OUTPUTS[0]} "
                f"to {_OUTPUTS[-1]}"
            )
        entry = self._session.get_inputs()[0]
        self._input = entry.name
        fixed = {side for side in entry.shape[2:] if isinstance(side, int)}
        if fixed - {faces.detector_size}:
            raise ConfigError(
                f"detector_size is {faces.detector_size}, but {path} takes {max(fixed)} px only; set it to {max(fixed)}"
            )

    def detect(self, pixels: npt.NDArray[np.uint8]) -> Detections:
        """See `models.Detector`. Non-maximum suppression at IoU 0.3 over whole px, OpenCV's default."""
        canvas = fit(pixels, self._faces)
        blob = cv2.dnn.blobFromImage(canvas.pixels)
        outputs = dict(zip(_OUTPUTS, self._session.run(_OUTPUTS, {self._input: blob}), strict=True))
        threshold = self._faces.detector_threshold
        parts = [_decode(outputs, stride, canvas.pixels.shape[1] // stride, threshold) for stride in _STRIDES]
        boxes, landmarks, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
        kept = _suppress(boxes, scores)
        return canvas.restore(boxes[kept], landmarks[kept], scores[kept])


def _decode(outputs: dict[str, Floats], stride: int, columns: int, threshold: float) -> tuple[Floats, Floats, Floats]:
    """Boxes (n, 4), landmarks (n, 5, 2) and scores (n,) of one stride at or above `threshold`, px of the canvas.

    Formulas: OpenCV 4.10, modules/objdetect/src/face_detect.cpp (Wu, Peng and Yu, YuNet, 2023): a cell (c, r)
    predicts its centre relative to the cell and its size as a logarithm, both in strides; the score is the geometric
    mean of class and objectness. Cells are stored row by row.
    """
    score = np.sqrt(np.clip(outputs[f"cls_{stride}"], 0, 1) * np.clip(outputs[f"obj_{stride}"], 0, 1)).reshape(-1)
    cells = np.flatnonzero(score >= threshold)
    origin = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
    box = outputs[f"bbox_{stride}"].reshape(-1, 4)[cells]
    centre = (origin + box[:, :2]) * stride
    half = np.exp(box[:, 2:]) * (stride / 2)
    points = (outputs[f"kps_{stride}"].reshape(-1, 5, 2)[cells] + origin[:, None, :]) * stride
    return np.concatenate([centre - half, centre + half], axis=1), points, score[cells]


def _suppress(boxes: Floats, scores: Floats) -> npt.NDArray[np.intp]:
    """Indices kept by greedy suppression, best score first; boxes are cut to whole px as OpenCV does."""
    if not len(boxes):
        return np.empty(0, dtype=np.intp)
    corners = np.trunc(boxes[:, :2])
    sizes = np.trunc(boxes[:, 2:] - boxes[:, :2])
    rectangles = np.concatenate([corners, sizes], axis=1).astype(np.float64)
    kept = cv2.dnn.NMSBoxes(rectangles.tolist(), scores.tolist(), 0.0, _NMS_IOU, top_k=_NMS_TOP)
    return np.asarray(kept, dtype=np.intp).reshape(-1)
