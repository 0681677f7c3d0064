"""The facts of a request that policy packs decide by. Each is a field of its own; an absent one is unknown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, TypeAdapter

from facebatch.governance.request import Purpose
from facebatch.spec import Spec

FactValue: TypeAlias = str | bool | int | float | date | datetime | tuple[str, ...]
FactKind = Literal["text", "list", "flag", "number", "date"]

Action = Literal["enrol", "search", "compare", "export", "reindex", "evaluate"]
Sector = Literal["law_enforcement", "city", "federal", "child_protection_ngo", "border", "private", "research"]
Offence = Literal[
    "violent_crime",
    "part_1_violent_crime",
    "home_invasion",
    "human_trafficking",
    "child_abuse",
    "child_sexual_abuse_material",
    "hate_crime",
    "weapon_crime",
    "aggravated_animal_cruelty",
    "fentanyl_import",
    "stalking",
    "public_safety_threat",
    "felony",
    "theft",
    "immigration",
    "other",
]
AuthorityKind = Literal[
    "none", "consent", "reasonable_suspicion", "probable_cause", "warrant", "court_order", "statute", "exigent"
]
MediaKind = Literal["still", "video_frame", "video_scan"]
GallerySource = Literal["mugshot", "dmv", "visa", "missing_persons", "volunteers", "other"]
EventContext = Literal["protest", "religious", "political", "union", "health", "other_protected"]
Place = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=24, pattern=r"^([A-Za-z]{2}(-[A-Za-z0-9]+)*)?$"),
]
"""ISO 3166 code, with further parts for state and place: US-CA-SF; the case of letters does not matter. What is no
code is refused, for a place that is written otherwise would lie in the scope of no pack."""


class OffenceFacts(Spec):
    """What is investigated."""

    code: str | None = None
    """As the statute numbers it."""
    categories: tuple[Offence, ...] | None = None
    """All classes that the offence falls into; empty: none of them."""


class RequesterFacts(Spec):
    """Who asks."""

    agency: str | None = None
    """The accountable person or unit, not a shared account."""
    sector: Sector | None = None
    """What kind of body it belongs to."""
    jurisdiction: Place | None = None
    """ISO 3166 code, with further parts for state and place: US-CA-SF. Said less exactly, as US-CA, it may be any place
    in it, and what is forbidden in one of them is; an agency of the whole state has a part of its own, as US-CA-CHP."""
    role: str | None = None
    """The requester's role there."""
    training_date: date | None = None
    """Last training in the use of face recognition."""


class AuthorityFacts(Spec):
    """On what legal authority."""

    kind: AuthorityKind | None = None
    """none: known to be without."""
    ref: str | None = None
    """Number of the warrant, order or file."""
    issued: date | None = None
    """Day on which it was issued."""
    expires: date | None = None
    """First day on which it does not hold any more."""
    judge: str | None = None
    """Judge who issued it."""
    pending_until: AwareDatetime | None = None
    """Until when an authorisation that was asked for may still arrive; exclusive, with time zone."""


class OneProbeFacts(Spec):
    """What may be known of one probe; a request says it of all of its probes."""

    media_kind: MediaKind | None = None
    """video_frame: a frame of a video; video_scan: everybody in a video is searched for."""
    source: str | None = None
    """Where the probe is from."""
    edited: bool | None = None
    """Substantively manipulated."""
    is_sketch: bool | None = None
    """Drawn or composed instead of photographed."""
    quality: float | None = Field(None, ge=0, le=100)
    """Lowest quality of a probe, 0 to 100."""
    lawful_collection: bool | None = None
    """It was collected lawfully."""
    seized_device: bool | None = None
    """From a device that was lawfully seized in the case."""


class ProbeFacts(OneProbeFacts):
    """What is searched for."""

    count: int | None = Field(None, ge=0)
    """How many probes there are; a search of more is refused."""


class GalleryFacts(Spec):
    """What is searched in."""

    id: str | None = None
    """Name by which the authority knows it."""
    source: GallerySource | None = None
    """Where its photos are from."""
    jurisdiction: Place | None = None
    """ISO 3166 code of whose gallery it is, written as the requester's."""
    version: str | None = None
    """Which state of it."""
    evaluated: bool | None = None
    """An evaluation approved this version."""
    notice_date: date | None = None
    """When the public was given notice of its use."""


class MediaFacts(Spec):
    """How the media arrive."""

    live: bool | None = None
    """In real time or nearly so."""
    tracking: bool | None = None
    """To follow somebody over time or place."""


class Facts(Spec):
    """Every fact of one request. None is unknown, as is blank text; an empty list is known to be empty."""

    action: Action | None = None
    """What is to be done."""
    purpose: Purpose | None = None
    """For what, from a closed list."""
    offence: OffenceFacts = OffenceFacts()
    """What is investigated."""
    case_id: str | None = None
    """The case that the request is for."""
    narrative: str | None = None
    """The facts of the case that justify the search."""
    requester: RequesterFacts = RequesterFacts()
    """Who asks."""
    authority: AuthorityFacts = AuthorityFacts()
    """On what legal authority."""
    probe: ProbeFacts = ProbeFacts()
    """What is searched for."""
    gallery: GalleryFacts = GalleryFacts()
    """What is searched in."""
    media: MediaFacts = MediaFacts()
    """How the media arrive."""
    event_contexts: tuple[EventContext, ...] | None = None
    """Protected activities that the probes show; empty: none."""
    basis_protected_class: bool | None = None
    """Somebody is searched for because of religion, politics, a lawful event or a protected class."""
    first_identification: bool | None = None
    """The search is for the first time that a person is linked to an offence, by objective, verifiable facts."""
    dpia_ref: str | None = None
    """The data protection impact assessment."""
    approver: str | None = None
    """Who approves of what needs it, such as probe images with more faces than 3."""


@dataclass(frozen=True, slots=True)
class FactType:
    """What values one fact can have."""

    kind: FactKind
    adapter: TypeAdapter[Any]

    def element(self, value: object) -> FactValue:
        """`value` as one value of the fact, or one element of a list of it. ValidationError when it is none."""
        checked = self.adapter.validate_python([value] if self.kind == "list" else value)
        found: FactValue = checked[0] if self.kind == "list" else checked
        return found


def known(facts: Facts) -> dict[str, FactValue]:
    """The known facts by dotted name."""
    return dict(_known(facts, ""))


def with_changes(facts: Facts, changes: Mapping[str, object]) -> Facts:
    """`facts` with some replaced, by names in FACTS; None makes one unknown. ValidationError for a wrong value."""
    values = facts.model_dump()
    for path, value in changes.items():
        *groups, name = path.split(".")
        inner = values
        for group in groups:
            inner = inner[group]
        inner[name] = value
    return Facts.model_validate(values)


def _known(model: BaseModel, prefix: str) -> Iterator[tuple[str, FactValue]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _known(value, f"{prefix}{name}.")
        elif value is not None and not (isinstance(value, str) and not value.strip()):
            yield prefix + name, value


def _types(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FactType]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _types(annotation, f"{prefix}{name}.")
        else:
            inner = next(part for part in get_args(annotation) if part is not type(None))
            yield prefix + name, FactType(_kind(inner), TypeAdapter(inner))


def _kind(annotation: Any) -> FactKind:
    if get_origin(annotation) is tuple:
        return "list"
    kinds: dict[Any, FactKind] = {
        bool: "flag",
        int: "number",
        float: "number",
        **dict.fromkeys((date, datetime, AwareDatetime), "date"),
    }
    return kinds.get(annotation, "text")


FACTS: Mapping[str, FactType] = dict(_types(Facts, ""))
"""All facts by dotted name, in the order of the fields."""
