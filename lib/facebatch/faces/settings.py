"""Settings of detection, selection and embedding. All of them change rows, so all are part of the shard key."""

from typing import Any, Literal

from pydantic import Field, model_validator

from facebatch.spec import Spec

CROWD = 3
"""Most faces in a probe image, unless somebody approves of more."""


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
    centroid: str | None = None
    """Path of the centroid that recognizability is measured from; absent: the pack's own, where it has one."""


class QualityGate(Spec):
    """Least quality of faces that are kept: those below are rejected with a reason, `low_` and the name. Absent limits
    reject none. For enrolment: a poor probe is better searched for with a warning than not at all."""

    detector: float | None = Field(default=None, ge=0, le=100)
    """Of 100 times the detector's score."""
    inter_eye: float | None = Field(default=None, ge=0, le=100)
    """Of the distance of the eyes as a quality; `min_inter_eye_px` is the same limit in px."""
    pose: float | None = Field(default=None, ge=0, le=100)
    """Of how frontal the head is: 100 is frontal, 50 is turned by 45 degrees."""
    sharpness: float | None = Field(default=None, ge=0, le=100)
    """Of the focus of the face region; a small face enlarged to the crop has little."""
    luminance: float | None = Field(default=None, ge=0, le=100)
    """Dark skin has 64 and more in good light."""
    exposure: float | None = Field(default=None, ge=0, le=100)
    """Of how little of the face is burnt out or black: a twentieth burnt out leaves 17."""
    recognizability: float | None = Field(default=None, ge=0, le=100)
    """Needs a centroid: facebatch models centroid."""
    quality: float | None = Field(default=None, ge=0, le=100)
    """Of the unified quality."""
    yaw_most: float | None = Field(default=None, ge=0, le=90)
    """Degrees that a head may be turned to either side; those that are turned further are rejected as `large_yaw`."""


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
    """Most faces in an image: one with more is refused as a whole. Absent: as many as there are."""
    max_faces: int = Field(default=100, ge=1)
    """Largest boxes first; the others are rejected with a reason."""
    min_face_px: float = Field(default=20.0, ge=0)
    """Shorter side of the box; smaller faces are rejected with a reason."""
    min_inter_eye_px: float = Field(default=8.0, ge=0)
    """Distance of the eyes; smaller faces are rejected with a reason."""
    gate: QualityGate = QualityGate()
    """Least quality of the faces that are kept."""


class ProbeFaceSpec(FaceSpec):
    """Detection and selection in probes, where only the face of the person who is looked for is searched."""

    keep: Literal["largest", "all", "only", "designated"] = "only"
    """only: a probe image with more than one face is not searched; designated: the face at the point that is given for
    the probe, and where none is given as `only`; largest: the face with the largest box, whosoever it is, and no other
    if that is too small; all: refused, for it would search bystanders."""
    crowd: int | None = Field(default=CROWD, ge=1)
    """Most faces in a probe image: one with more is refused as a whole; more than 3 needs request.approver. Absent:
    3."""

    @model_validator(mode="before")
    @classmethod
    def _of_other_images(cls, values: Any) -> Any:
        """Settings of other images: what they state counts, and what they leave out is as it is for probes."""
        is_other = isinstance(values, FaceSpec) and not isinstance(values, cls)
        return values.model_dump(exclude_unset=True) if is_other else values
