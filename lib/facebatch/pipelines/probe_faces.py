"""Which face of a probe image is searched: the one that is meant, and none where that cannot be told."""

from facebatch.errors import ConfigError, ForbiddenError
from facebatch.faces.settings import CROWD, FaceSpec
from facebatch.governance.facts import Facts
from facebatch.governance.obligations import Obligations

DESIGNATING = ("only", "designated")
"""Settings of faces.keep under which a face is searched because it is meant, not because it is large."""


def probe_faces(faces: FaceSpec, request: Facts, asked: Obligations, *, designated: bool) -> FaceSpec:
    """The settings for probes: `faces` with the crowd guard. `designated` says whether faces of probes are designated.

    ConfigError for settings that search bystanders or leave designations aside; ForbiddenError for a larger crowd
    without request.approver, and for a face that is not the designated one where `asked` obliges to that.
    """
    if faces.keep == "all":
        raise ConfigError(
            "faces.keep: all would search everybody in a probe image; set it to only, or to designated with face_x and "
            "face_y in probe_facts"
        )
    if asked.designated_face_only and faces.keep not in DESIGNATING:
        raise ForbiddenError(
            f"the policy packs oblige this search to the designated face alone, and faces.keep is {faces.keep}; set it "
            "to only, or to designated with face_x and face_y in probe_facts"
        )
    if designated and faces.keep != "designated":
        raise ConfigError(
            f"faces.keep: {faces.keep} leaves face_x and face_y of probe_facts aside; set it to designated, or remove "
            "these columns"
        )
    crowd = CROWD if faces.crowd is None else faces.crowd
    if crowd > CROWD and not (request.approver or "").strip():
        raise ForbiddenError(
            f"faces.crowd: {crowd} faces in a probe image are more than {CROWD}, which somebody must approve of; state "
            "who does in request.approver, or crop the images to the designated face"
        )
    return faces.model_copy(update={"crowd": crowd})
