"""Contracts of the two networks, and the card of a model pack."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Detections:
    """Faces of one image, in the detector's order."""

    boxes: npt.NDArray[np.float32]
    """(n, 4): x0, y0, x1, y1 px; may reach outside the image."""
    landmarks: npt.NDArray[np.float32]
    """(n, 5, 2): image-left eye, image-right eye, nose tip, image-left and image-right mouth corner; x, y px."""
    scores: npt.NDArray[np.float32]
    """(n,): [0, 1]."""


class Detector(Protocol):
    """Finds faces in one image."""

    def detect(self, pixels: npt.NDArray[np.uint8]) -> Detections:
        """`pixels` is (height, width, 3) BGR uint8. Same input, same bits."""
        ...


class Recogniser(Protocol):
    """Turns aligned crops into embeddings."""

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        ...

    @property
    def input_size(self) -> int:
        """Side of the aligned crop, px."""
        ...

    def embed(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(n, input_size, input_size, 3) BGR uint8 -> (n, dim) as the network gives it, not normalised."""
        ...


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a pack."""

    task: str
    """detection or recognition."""
    path: Path
    sha256: str
    layout: str
    """Which decoder reads its outputs: scrfd, yunet, arcface or sface."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a pack is. Made from its manifest and, where there is one, its `card.json`."""

    name: str
    dim: int
    input_size: int
    """px."""
    detector: ModelFile
    recogniser: ModelFile
    licence: str
    """SPDX expression from card.json, else the first line of MODEL.LICENSE."""
    research_only: bool
    """The licence does not permit operational use."""
    fingerprint: str
    """64 hex digits over the files' digests, layouts and preprocessing: templates of two fingerprints never mix."""
