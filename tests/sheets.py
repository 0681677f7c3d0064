"""Candidate sheets of made-up cases; their pictures are drawn, or real photos."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image, ImageFilter

from decided import pack_of
from facebatch.governance.denial import Denial
from facebatch.governance.facts import Facts
from facebatch.governance.verdict import decide
from facebatch.pipelines.case_banner import banner_lines
from facebatch.review.sheet import (
    MediumQuality,
    Picture,
    RequestFact,
    Sheet,
    SheetCandidate,
    SheetMedium,
    SheetProbe,
    Standing,
)
from facebatch.schemas import Outcome

AT = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
ALIGNED = (125, 109, 387, 371)
"""Box of the face in a photo of the London set, px: about where the aligned crop lies."""
EVIL = "K<&>\"'9 /*</style><script>alert(1)</script>"
TURNED = "K\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe\x07\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET}"
LONG = "2026-department-of-very-long-names_" * 5

Draw = Callable[[str, bool], bytes]
"""The JPEG of somebody, by a name such as lon001_smiling, whole or aligned."""


def drawn(name: str, aligned: bool) -> bytes:
    """A square of a colour of its own."""
    seed = sum(map(ord, name))
    return _jpeg(Image.new("RGB", (112, 112) if aligned else (160, 200), (seed % 256, seed * 7 % 256, seed * 13 % 256)))


def london(data_dir: Path, blur: float = 0.0) -> Draw:
    """Photos of the set, of whom `lon003_smiling` is the third there; smiling ones are blurred by so many px."""
    people = sorted(path.name.partition("_")[0] for path in (data_dir / "london").glob("lon*_smiling.jpg"))

    def draw(name: str, aligned: bool) -> bytes:
        number, _, look = name.removeprefix("lon").partition("_")
        with Image.open(data_dir / "london" / f"{people[int(number) - 1]}_{look}.jpg") as photo:
            image = photo.convert("RGB").filter(ImageFilter.GaussianBlur(blur if look == "smiling" else 0))
        if aligned:
            return _jpeg(image.crop(ALIGNED).resize((112, 112), Image.Resampling.LANCZOS))
        return _jpeg(image.resize((256, 256), Image.Resampling.LANCZOS))

    return draw


def medium(draw: Draw, name: str, shown: str, **told: object) -> SheetMedium:
    """One that was used."""
    usual = SheetMedium(
        name=name,
        at_ms=None,
        outcome=Outcome.OK,
        reason=None,
        used=True,
        weight=1.0,
        quality=MediumQuality(91.2, 97.0, 63.5, 88.1, 95.0, 71.9, 68.4),
        edits=(),
        original=Picture(draw(shown, False), f"{name}: the face with its surroundings"),
        aligned=Picture(draw(shown, True), f"{name}: the aligned crop"),
    )
    return replace(usual, **told)


def unused(name: str, outcome: Outcome, reason: str | None) -> SheetMedium:
    """One that gave no face."""
    return SheetMedium(name, None, outcome, reason, False, 0.0, MediumQuality(), (), None, None)


def candidates(draw: Draw, count: int, first: int = 1) -> tuple[SheetCandidate, ...]:
    """People of the London set from number `first` on, each less alike than the one before."""
    similarities = [0.7134, *(0.5263 - 0.0071 * place for place in range(count))]
    return tuple(
        SheetCandidate(
            rank=place + 1,
            subject_id=f"lon{first + place:03d}",
            template_id=f"{first + place:032x}",
            similarity=similarities[place],
            margin=similarities[place] - similarities[place + 1] if place + 1 < count else None,
            captured_at=datetime(2019, 5, 1 + place, tzinfo=UTC) if place % 3 != 2 else None,
            image_id=f"gallery-{first + place:03d}.jpg",
            picture=Picture(draw(f"lon{first + place:03d}_neutral", True), f"Candidate of rank {place + 1}"),
        )
        for place in range(count)
    )


def searched(draw: Draw, probe_id: str = "man-at-the-till", **told: object) -> SheetProbe:
    """One that was searched, of band B, with five candidates."""
    usual = SheetProbe(
        probe_id=probe_id,
        outcome=Outcome.OK,
        reason=None,
        advice=(),
        denials=(),
        band="B",
        quality=58.6,
        warning=None,
        threshold=0.3412,
        fpir=0.01,
        expected_false=0.0131,
        length=20,
        full=False,
        fnir=0.0874,
        fpir_measured=0.0096,
        media=(medium(draw, "till-2026-02-27.jpg", "lon001_smiling"),),
        candidates=candidates(draw, 5),
    )
    return replace(usual, **told)


def not_searched(probe_id: str, outcome: Outcome, reason: str | None, **told: object) -> SheetProbe:
    """One of which no template was made, or none that is searched."""
    nothing = SheetProbe(
        probe_id, outcome, reason, (), (), None, None, None, None, None, None, None, False, None, None, (), ()
    )
    return replace(nothing, **told)


def sheet(*probes: SheetProbe, **told: object) -> Sheet:
    """An allowed case."""
    usual = Sheet(
        case_id="2026-04711",
        search_id="5f" * 12,
        made_at=AT,
        gallery="s3://faces/galleries/custody",
        snapshot=41,
        snapshot_sha256="9c" * 32,
        model_name="example pack, 512 numbers",
        templates=1_204_331,
        subjects=987_654,
        unlabelled=0,
        evaluated_at=datetime(2026, 2, 1, 4, 5, tzinfo=UTC),
        approved_for_use=True,
        request=REQUEST,
        banner=banner_lines(_verdict()),
        standing=None,
        probes=probes,
        denied=(),
    )
    return replace(usual, **told)


def refused() -> Sheet:
    """A case that policy refuses."""
    denials = (
        Denial("us-wa.notice", "RCW 43.386.020", "give notice before the service is used", ("gallery.notice_date",)),
        Denial("baseline.requester", "facebatch baseline", "state who asks for the search", ("requester.agency",)),
        Denial("us-ma.place", "M.G.L. c. 6 s. 220", "state the place exactly", (), ("requester.jurisdiction",)),
    )
    probes = tuple(not_searched(name, Outcome.POLICY_DENIED, None) for name in ("a", "b"))
    return sheet(*probes, denied=denials, case_id="2026-04712", search_id="60" * 12)


def standing(draw: Draw) -> Sheet:
    """A standing case with one new candidate."""
    listed = candidates(draw, 3)
    probe = searched(draw, candidates=(listed[0], replace(listed[1], is_new=True), listed[2]))
    news = Standing(since=38, news=("1 candidate of probe man-at-the-till was not listed before.",))
    return sheet(probe, standing=news, case_id="2026-04713", search_id="61" * 12)


def several(draw: Draw) -> Sheet:
    """Every way in which a probe can come out."""
    frames = tuple(
        medium(draw, "shop-camera-3.mp4", "lon003_smiling", at_ms=61_000 + 733 * number, weight=0.25)
        for number in (3, 4, 5, 6)
    )
    crowd = unused("crowd.jpg", Outcome.SEVERAL_FACES, "6 faces; give a point in the one that is meant")
    edited = medium(draw, "still.png", "lon008_smiling", edits=("cropped", "brightened by 20 %"), weight=0.6)
    denial = Denial("us-wa.sketch", "RCW 43.386.080(7)", "no sketch is searched", ())
    advice = ("at least 40 px between the eyes (about 17 now): from nearer", "sharper: in focus, without motion blur")
    poor = medium(draw, "far.jpg", "lon011_smiling", used=False, weight=0.0, outcome=Outcome.NOT_SEARCHABLE)
    poorly = {"band": "C", "quality": 31.0, "warning": POOR}
    return sheet(
        searched(draw, "clip", media=frames, candidates=candidates(draw, 20), full=True, **poorly),
        searched(draw, "nobody", media=(edited, crowd), candidates=()),
        not_searched("grainy", Outcome.NOT_SEARCHABLE, None, advice=advice, media=(poor,), band="D", quality=12.4),
        not_searched("crowd", Outcome.SEVERAL_FACES, "6 faces were found", media=(crowd,)),
        not_searched("sketch", Outcome.POLICY_DENIED, None, denials=(denial,)),
        searched(draw, "unmeasured", **NEVER_MEASURED),
        case_id="2026-04714",
        search_id="62" * 12,
        evaluated_at=None,
        approved_for_use=False,
    )


def odd(draw: Draw) -> Sheet:
    """Ids that are long, hostile, or written from right to left."""
    listed = tuple(
        replace(each, subject_id=name, image_id=name, template_id=name)
        for each, name in zip(candidates(draw, 3), (EVIL, TURNED, LONG), strict=True)
    )
    media = tuple(medium(draw, name, "lon001_smiling", weight=0.3, reason=name) for name in (EVIL, TURNED, LONG))
    facts = (RequestFact(EVIL, TURNED), RequestFact("narrative", LONG))
    probes = (searched(draw, name, candidates=listed, media=media) for name in (EVIL, TURNED, LONG))
    return sheet(*probes, case_id=EVIL, gallery=LONG, model_name=TURNED, request=facts, search_id="63" * 12)


NEVER_MEASURED = dict.fromkeys(("threshold", "fpir", "expected_false", "fnir", "fpir_measured", "band", "quality"))
POOR = "Poor picture: misses are frequent, so that a list without the person says little. More people should review it."
REQUEST = (
    RequestFact("Purpose", "criminal investigation"),
    RequestFact("Offence", "felony, robbery of a shop"),
    RequestFact("Requester", "Unit 7, Example Town"),
    RequestFact("Authority", "court order, ref 12/2026, until 2026-06-01"),
    RequestFact("Narrative", "On 27 February a person took the till of a shop.\nTwo clerks saw the face for a minute."),
)


def _verdict():
    lead = {
        "id": "lead",
        "kind": "oblige",
        "cite": "FBI NGI-IPS privacy impact assessment 2015",
        "message": "a candidate is a lead, and a trained person looks at it",
        "obligations": {"reviewers": 2, "sole_basis_forbidden": True, "reviewer_not_requester": True},
    }
    return decide([pack_of("baseline", lead)], Facts(), AT)


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
