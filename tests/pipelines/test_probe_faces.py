"""Only the face that is meant is searched; a crowd needs somebody who approves."""

import pytest

from facebatch.config import EvaluateConfig, MatchConfig
from facebatch.errors import ConfigError, ForbiddenError
from facebatch.faces.settings import CROWD, FaceSpec, ProbeFaceSpec
from facebatch.governance.facts import Facts
from facebatch.governance.obligations import Obligations
from facebatch.images.source import SourceSpec
from facebatch.pipelines.probe_faces import probe_faces
from facebatch.spec import parse

NOTHING = Obligations()
DESIGNATED = Obligations(designated_face_only=True)


def test_probes_have_a_crowd_guard_unless_a_stricter_one_is_set() -> None:
    spec = FaceSpec(keep="only", min_face_px=31)
    assert probe_faces(spec, Facts(), NOTHING, designated=False) == spec.model_copy(update={"crowd": CROWD})
    strict = FaceSpec(crowd=1)
    assert probe_faces(strict, Facts(), NOTHING, designated=False) == strict


def test_probes_are_of_one_face_unless_their_settings_state_otherwise() -> None:
    spec = ProbeFaceSpec()
    assert (spec.keep, spec.crowd) == ("only", CROWD)
    assert MatchConfig.model_fields["faces"].default == EvaluateConfig.model_fields["faces"].default == spec
    stated = parse(ProbeFaceSpec, {"detector_size": 320}, origin="faces")
    assert (stated.keep, stated.crowd, stated.detector_size) == ("only", CROWD, 320)
    assert probe_faces(spec, Facts(), DESIGNATED, designated=False) is not None


@pytest.mark.parametrize(("stated", "keep"), [({}, "only"), ({"keep": "largest"}, "largest"), ({"pad": 0.5}, "only")])
def test_settings_of_other_images_count_for_probes_as_far_as_they_state_something(
    stated: dict[str, object], keep: str
) -> None:
    source = SourceSpec(uri="memory://probes")
    config = MatchConfig(gallery="g", results="r", probes=source, faces=FaceSpec.model_validate(stated))
    assert config.faces == ProbeFaceSpec.model_validate({"keep": keep, **stated})
    again = MatchConfig(gallery="g", results="r", probes=source, faces=config.faces)
    assert again.faces == config.faces


@pytest.mark.parametrize("approver", [None, "", "  "])
def test_a_larger_crowd_needs_an_approver(approver: str | None) -> None:
    spec = FaceSpec(crowd=CROWD + 1)
    with pytest.raises(ForbiddenError, match=r"faces.crowd: 4 .*request.approver, or crop"):
        probe_faces(spec, Facts(approver=approver), NOTHING, designated=False)
    assert probe_faces(spec, Facts(approver="a supervisor"), NOTHING, designated=False) == spec


def test_a_search_of_everybody_in_a_picture_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"faces.keep: all .*set it to only, or to designated"):
        probe_faces(FaceSpec(keep="all"), Facts(approver="a supervisor"), NOTHING, designated=True)


@pytest.mark.parametrize("keep", ["largest", "only"])
def test_designations_are_never_left_aside(keep: str) -> None:
    with pytest.raises(ConfigError, match=f"faces.keep: {keep} leaves face_x and face_y"):
        probe_faces(FaceSpec.model_validate({"keep": keep}), Facts(), NOTHING, designated=True)
    spec = FaceSpec(keep="designated", crowd=2)
    assert probe_faces(spec, Facts(), NOTHING, designated=True) == spec


def test_where_packs_ask_for_the_designated_face_the_largest_is_not_enough() -> None:
    with pytest.raises(ForbiddenError, match=r"oblige .* faces.keep is largest; set it to only"):
        probe_faces(FaceSpec(), Facts(), DESIGNATED, designated=False)
    for keep in ("only", "designated"):
        spec = FaceSpec.model_validate({"keep": keep, "crowd": 2})
        assert probe_faces(spec, Facts(), DESIGNATED, designated=False) == spec
