"""Recognisers of the ArcFace family and SFace, read by insightface."""

from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.errors import ModelPackError
from facebatch.faces import session
from facebatch.faces.models import ModelCard
from facebatch.faces.settings import ModelSpec


class CropRecogniser:
    """`models.Recogniser` over insightface's ArcFaceONNX: RGB, (value - mean) / std as the pack's manifest says.

    SFace is the same reader with mean 0 and std 1, as in OpenCV's FaceRecognizerSF.
    """

    def __init__(self, descriptor: Any, card: ModelCard, spec: ModelSpec) -> None:
        """ModelPackError when the network's real crop size or dimension is not what the manifest declares.

        The dimension is taken from one run on a black crop, because graphs often leave it open.
        """
        self._network = session.open_insightface(descriptor, spec)
        self._dim = card.dim
        self._size = card.input_size
        if tuple(self._network.input_size) != (self._size, self._size):
            raise ModelPackError(
                f"{descriptor.path} takes crops of {self._network.input_size}, but its manifest says {self._size}"
            )
        batch = self._network.input_shape[0]
        self._fixed_batch: int | None = batch if isinstance(batch, int) and batch > 0 else None
        try:
            real = self._run(np.zeros((1, self._size, self._size, 3), dtype=np.uint8)).shape
        except Exception as error:  # onnxruntime's exceptions share no base of their own
            raise session.unreadable(descriptor.path, error) from error
        if real != (1, self._dim):
            raise ModelPackError(
                f"{descriptor.path} gives {'x'.join(map(str, real[1:]))} values per face, but its manifest declares "
                f"{self._dim}: a pack of another dim"
            )

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self._dim

    @property
    def input_size(self) -> int:
        """Side of the aligned crop, px."""
        return self._size

    def embed(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """See `models.Recogniser`. A network with a fixed batch gets its batches filled up with black crops."""
        if not len(crops):
            return np.empty((0, self._dim), dtype=np.float32)
        return self._run(crops)

    def _run(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        step = self._fixed_batch
        if step is None:
            return np.asarray(self._network.get_feat(list(crops)), dtype=np.float32)
        missing = -len(crops) % step
        filled = np.concatenate([crops, np.zeros((missing, *crops.shape[1:]), dtype=np.uint8)])
        parts = [self._network.get_feat(list(filled[start : start + step])) for start in range(0, len(filled), step)]
        return np.concatenate(parts).astype(np.float32)[: len(crops)]
