"""The designated face of one picture of a probe, or why there is none."""

from collections import Counter

from facebatch.faces.looks import Blank, Looker, Sighting, Still
from facebatch.faces.models import Detector
from facebatch.faces.select import MODEL_ERROR, SMALL_INTER_EYE, TOO_MANY_FACES, TOO_SMALL, Selection, select
from facebatch.faces.settings import FaceSpec
from facebatch.images.decode import decode
from facebatch.images.records import Reject
from facebatch.images.source import DecodeSpec
from facebatch.schemas import Outcome

UNCLEAR = "{found} faces found and none designated; say where the face is (face or box), or crop the picture to it"


def see_still(
    still: Still, detector: Detector, looker: Looker, faces: FaceSpec, limits: DecodeSpec
) -> Sighting | Blank:
    """Decode, detect, choose, embed. Never an exception because of the picture."""
    image = still.image
    decoded = image if isinstance(image, Reject) else decode(image, limits)
    if isinstance(decoded, Reject):
        return Blank(still.medium, still.name, decoded.outcome, decoded.reason)
    detections = detector.detect(decoded.pixels)
    selection = select(detections, faces, still.point)
    if not selection.kept:
        outcome, reason = verdict(selection)
        return Blank(still.medium, still.name, outcome, reason, len(selection.rejected))
    [look] = looker.look(decoded.pixels, selection.kept[:1], detections.boxes)
    if look is None:
        reason = "the face has no usable landmarks or embedding"
        return Blank(still.medium, still.name, Outcome.MODEL_ERROR, reason, len(detections.boxes))
    return Sighting(still.medium, still.name, None, None, look)


def verdict(selection: Selection) -> tuple[Outcome, str | None]:
    """What became of a picture without a face that may be searched, and why."""
    if selection.refusal is not None:
        return Outcome.REFUSED, selection.refusal
    counts = Counter(face.reason for face in selection.rejected)
    found = len(selection.rejected)
    if not found:
        return Outcome.NO_FACE, None
    if counts[TOO_MANY_FACES]:
        return Outcome.SEVERAL_FACES, UNCLEAR.format(found=found)
    if counts[TOO_SMALL] or counts[SMALL_INTER_EYE]:
        return Outcome.TOO_SMALL, "the face has too few pixels; find a picture in which it is larger"
    if counts[MODEL_ERROR]:
        return Outcome.MODEL_ERROR, "the face has no usable landmarks"
    return Outcome.FILTERED_QUALITY, ", ".join(f"{reason}: {count}" for reason, count in sorted(counts.items()))
