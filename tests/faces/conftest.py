"""Real networks, loaded once."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from facebatch.faces.models import Detector, ModelCard, Recogniser
from facebatch.faces.open import open_models
from facebatch.faces.settings import FaceSpec, ModelSpec


@pytest.fixture(scope="session")
def real_models(models_dir: Path) -> tuple[ModelCard, Detector, Recogniser]:
    return open_models(ModelSpec(pack="open_yunet_omz", packs=str(models_dir)), FaceSpec())


@pytest.fixture(scope="session")
def portraits(data_dir: Path) -> list[npt.NDArray[np.uint8]]:
    """Twelve real portraits, 512 px."""
    files = sorted((data_dir / "london").glob("*.jpg"))[::21]
    return [cv2.imread(str(path)) for path in files]
