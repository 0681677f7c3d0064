"""Around any detector: the image onto a square canvas before it, faces back to the upright image after it."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from facebatch.faces.models import Detections
from facebatch.faces.settings import FaceSpec


@dataclass(frozen=True, slots=True)
class Canvas:
    """The image as the network sees it, and the way back."""

    pixels: npt.NDArray[np.uint8]
    """(size, size, 3) BGR: border, image, border from the upper left corner; the rest black."""
    scale: tuple[float, float]
    """Canvas px per image px, x and y; they differ by the rounding to whole px only."""
    offset: tuple[int, int]
    """Where the image begins on the canvas, px: the border left of it and above it."""

    def restore(
        self, boxes: npt.NDArray[np.float32], landmarks: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]
    ) -> Detections:
        """Faces in px of the canvas -> px of the image. Shapes are those of `Detections`."""
        scale = np.array(self.scale, dtype=np.float64)
        offset = np.array(self.offset, dtype=np.float64)
        corners = (boxes.reshape(-1, 2, 2).astype(np.float64) - offset) / scale
        points = (landmarks.reshape(-1, 5, 2).astype(np.float64) - offset) / scale
        return Detections(
            boxes=corners.reshape(-1, 4).astype(np.float32),
            landmarks=points.astype(np.float32),
            scores=np.clip(scores.reshape(-1), 0.0, 1.0).astype(np.float32),
        )


def fit(pixels: npt.NDArray[np.uint8], faces: FaceSpec) -> Canvas:
    """Enlarge by `faces.enlarge`, put a black border around, and shrink what is larger than the canvas to fit it.

    `pixels` is (height, width, 3) BGR uint8. The three steps are one resize, so nothing is interpolated twice. An
    image is never enlarged by more than `faces.enlarge`: detectors miss faces that fill the canvas.
    """
    size = faces.detector_size
    height, width = pixels.shape[:2]
    longer = max(height, width)
    border_share = faces.pad * longer
    scale = min(faces.enlarge, size / (longer + 2 * border_share))
    border = int(border_share * scale)
    room = size - 2 * border
    new_width = min(room, max(1, round(width * scale)))
    new_height = min(room, max(1, round(height * scale)))
    canvas = np.zeros((size, size, 3), dtype=np.uint8)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas[border : border + new_height, border : border + new_width] = cv2.resize(
        pixels, (new_width, new_height), interpolation=method
    )
    return Canvas(canvas, (new_width / width, new_height / height), (border, border))
