"""Quality bands of probes: which threshold a search gets, which is refused, and what would mend it."""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from pydantic import Field, model_validator

from facebatch.gallery.evaluation import Band as Band
from facebatch.gallery.evaluation import Evaluation
from facebatch.spec import Spec

BANDS: Final[tuple[Band, ...]] = ("A", "B", "C", "D")
"""Best first."""
UNKNOWN: Final[Band] = "C"
"""Of a quality that could not be assessed, which is not a bad one (FailureToAssess of ISO/IEC 29794-1; OFIQ 1.0.3 gives
it a value of its own): no ground to refuse a search, nor to spare its reader the warnings of the worst that is made."""
WORDS: Final[Mapping[Band, str]] = {
    "A": "Good picture.",
    "B": "Fair picture: the person may be missed more often than with a good one.",
    "C": "Poor picture: the person may be missed often, so that a list without them says little. More people should "
    "review it.",
    "D": "Not searchable: the picture is too poor for a search to say anything, so none is made. That is no finding "
    "about the person.",
}
POOR: Final = 50.0
"""A single number below this is named in `advice`: the middle of every scale."""
SMALL_PX, WANTED_PX = 40, 70
"""Between the eyes: below the one little can be told, the other is the middle of OFIQ's scale."""
_SCALE_PX = 20.0
_ADVICE: Final = {
    "pose": "more frontal: the face turned to the camera",
    "sharpness": "sharper: in focus, without motion blur, less compressed",
    "luminance": "better lit: the face neither in the dark nor in glaring light",
    "exposure": "better exposed: no part of the face burnt out or black",
    "detector": "the whole face in view: nothing before it, and not cut off at the edge",
    "recognizability": "another picture or frame: the model tells this face hardly from any other",
}
_OTHERWISE = "another picture or frame: no single number says what spoils this one"


class BandSpec(Spec):
    """Where bands begin, in unified quality; what is below C is D.

    The defaults are round numbers about what degraded photos showed with the pack open_yunet_omz at an FMR of 1e-3: one
    in a hundred missed from 65 on, one in fourteen from 45, one in five from 30, and half of those below (`make
    bench-quality`). Another model or camera calls for others; `evaluate` tells what each band misses.
    """

    a: float = Field(default=65.0, ge=0, le=100)
    """Least quality of band A."""
    b: float = Field(default=45.0, ge=0, le=100)
    """Least quality of band B."""
    c: float = Field(default=30.0, ge=0, le=100)
    """Least quality that is searched; 0: every probe is."""

    @model_validator(mode="after")
    def _descend(self) -> "BandSpec":
        if not self.a > self.b > self.c:
            raise ValueError(f"bands begin at {self.a:g}, {self.b:g}, {self.c:g}; a must be above b, and b above c")
        return self

    @property
    def limits(self) -> tuple[float, float, float]:
        """Least quality of A, B and C."""
        return self.a, self.b, self.c

    def range_of(self, band: Band) -> tuple[float, float]:
        """Lower limit, inclusive, and upper limit, exclusive unless it is 100."""
        ends = (100.0, *self.limits, 0.0)
        place = BANDS.index(band)
        return ends[place + 1], ends[place]


def band_of(quality: float | None, spec: BandSpec) -> Band:
    """The band of a unified quality in [0, 100], compared as the float32 that templates store; `UNKNOWN` for None or
    NaN.
    """
    if quality is None or math.isnan(quality):
        return UNKNOWN
    return next((band for band in BANDS[:-1] if np.float32(quality) >= np.float32(spec.range_of(band)[0])), "D")


def published_limits(evaluation: Evaluation | None) -> BandSpec | None:
    """The bands whose thresholds an evaluation carries: a probe must get its band by these. None: it measured none."""
    if evaluation is None or evaluation.band_limits is None:
        return None
    a, b, c = evaluation.band_limits
    return BandSpec(a=a, b=b, c=c)


def advice(numbers: Mapping[str, float | None]) -> tuple[str, ...]:
    """What would make a picture searchable, worst first; at least one line.

    `numbers` are the single qualities by name, 0-100: inter_eye, pose, sharpness, luminance, exposure, detector,
    recognizability; None or missing: not assessed. Other names are not looked at.
    """
    named = ("inter_eye", *_ADVICE)
    known = {name: value for name in named if (value := numbers.get(name)) is not None and not math.isnan(value)}
    poor = sorted((value, name) for name, value in known.items() if value < POOR)
    lines = (_eyes(value) if name == "inter_eye" else _ADVICE[name] for value, name in poor)
    return tuple(lines) or (_OTHERWISE,)


def _eyes(quality: float) -> str:
    """In px, by the inverse of `faces.quality.inter_eye`."""
    share = min(max(quality / 100, 1e-6), 1 - 1e-6)
    pixels = max(0.0, WANTED_PX + _SCALE_PX * math.log(share / (1 - share)))
    wanted = SMALL_PX if pixels < SMALL_PX else WANTED_PX
    return f"at least {wanted} px between the eyes (about {pixels:.0f} now): from nearer, or the picture in full size"
