"""Settings of detection, selection and embedding. All of them change rows, so all are part of the shard key."""

from typing import Literal

from pydantic import Field

from facebatch.spec import Spec


class ModelSpec(Spec):
    """Which model pack, where, and how it runs."""

    pack: str = "opencv_yunet_sface"
    """Name of a directory below `packs`, FACEBATCH_MODELS or the user's cache, or a path to a pack."""
    packs: str | None = None
    """Directory of packs, searched before FACEBATCH_MODELS and the user's cache directory."""
    accept_research_only: bool = False
    """Needed for packs whose licence permits research only."""
    device: Literal["cpu", "cuda"] = "cpu"
    """cuda needs onnxruntime-gpu and never falls back to the CPU, because the two differ in the last bits."""
    threads: int = Field(default=1, ge=1)
    """Threads of each network; one process per core beats threads."""
    batch: int = Field(default=32, ge=1, le=1024)
    """Crops per call of the recogniser, composed in shard order."""


class FaceSpec(Spec):
    """Detection and selection."""

    detector_size: int = Field(default=640, ge=64, le=4096, multiple_of=32)
    """Side of the square the detector sees, px; a larger image is shrunk to fit, a smaller one is not enlarged."""
    detector_threshold: float = Field(default=0.6, gt=0, lt=1)
    """Detector scores >= this are faces."""
    pad: float = Field(default=0.0, ge=0, le=2)
    """Border added on each side before detection, as a share of the longer side; tight crops need it."""
    enlarge: float = Field(default=1.0, ge=1, le=8)
    """Factor by which the image is enlarged before detection, as far as it then fits; small crops need it."""
    keep: Literal["largest", "all", "only", "designated"] = "largest"
    """largest: the face with the largest box, and no other if that is too small; all: every face;
    only: refuse images with more than one face; designated: the face at the point that is given for a probe, and where
    none is given as `only`."""
    crowd: int | None = Field(default=None, ge=1)
    """Most faces in an image: one with more is refused as a whole. Absent: as many as there are, of a probe 3."""
    max_faces: int = Field(default=100, ge=1)
    """Largest boxes first; the others are rejected with a reason."""
    min_face_px: float = Field(default=20.0, ge=0)
    """Shorter side of the box; smaller faces are rejected with a reason."""
    min_inter_eye_px: float = Field(default=8.0, ge=0)
    """Distance of the eyes; smaller faces are rejected with a reason."""
