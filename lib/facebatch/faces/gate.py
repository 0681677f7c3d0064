"""Which faces are too poor to be enrolled, by the limits that are set; none is by default."""

import numpy as np
import numpy.typing as npt

from facebatch.faces.pose import head_pose
from facebatch.faces.quality import Quality
from facebatch.faces.settings import QualityGate

LOW = "low_"
"""Reasons are this and the name of the number."""
LARGE_YAW = "large_yaw"
LOW_RECOGNIZABILITY = f"{LOW}recognizability"
LOW_QUALITY = f"{LOW}quality"
MEASURED = ("detector", "inter_eye", "pose", "sharpness", "luminance", "exposure")
"""Numbers that are known before a face is embedded, in the order in which they are looked at: the first reason counts.
"""


def poor_picture(quality: Quality, landmarks: npt.NDArray[np.float32], gate: QualityGate) -> str | None:
    """Why a face is not embedded; None: it is. `landmarks` is (5, 2) px.

    Numbers are compared as the float32 that templates store, so what is stored is never below a limit.
    """
    for name in MEASURED:
        if _below(getattr(quality, name), getattr(gate, name)):
            return f"{LOW}{name}"
        if name == "pose" and gate.yaw_most is not None and abs(head_pose(landmarks).yaw) > gate.yaw_most:
            return LARGE_YAW
    return None


def poor_template(recognizability: float | None, unified: float, gate: QualityGate) -> str | None:
    """Why a face is not kept although it was embedded; None: it is. A number that is not known is below no limit."""
    if _below(recognizability, gate.recognizability):
        return LOW_RECOGNIZABILITY
    return LOW_QUALITY if _below(unified, gate.quality) else None


def _below(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and bool(np.float32(value) < np.float32(limit))
