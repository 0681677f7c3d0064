"""What a candidate sheet shows of one case, and nothing else: no vectors, no bystanders, nobody below the threshold.

A sheet is for those who may see the lists as they are. An examiner who is to look without scores, ranks and dates gets
a blinded one (`blinding`).
"""

from dataclasses import dataclass
from datetime import datetime

from facebatch.gallery.evaluation import Band
from facebatch.governance.denial import Denial
from facebatch.schemas import Outcome


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to show."""

    jpeg: bytes
    """Without metadata."""
    alt: str
    """What it is, in words for who does not see it; nothing about the person that the picture alone would tell."""


@dataclass(frozen=True, slots=True)
class BannerLine:
    """What a reader of the sheet must keep to."""

    words: str
    citation: str | None = None
    """Where that is written."""


@dataclass(frozen=True, slots=True)
class RequestFact:
    """One fact of the request, as it is shown."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A case that is searched again whenever the gallery changes."""

    since: int | None
    """Snapshot that it was last searched against; None: this is the first time."""
    news: tuple[str, ...]
    """What is new since then, a line each; empty: nothing."""


@dataclass(frozen=True, slots=True)
class MediumQuality:
    """The columns of `schemas.MEDIA`: each in [0, 100], higher is better; None: not assessed, which is not bad."""

    inter_eye: float | None = None
    pose: float | None = None
    sharpness: float | None = None
    luminance: float | None = None
    exposure: float | None = None
    recognizability: float | None = None
    unified: float | None = None


@dataclass(frozen=True, slots=True)
class SheetMedium:
    """One still, or one frame of a video; a whole video that gave none."""

    name: str
    """As the manifest gives it."""
    at_ms: int | None
    """Since the start of the video; None: a still, or no frame of it was used."""
    outcome: Outcome
    reason: str | None
    """Absent when there is nothing to add."""
    used: bool
    """Whether the template that was searched with holds some of it."""
    weight: float
    """Its share of that template, in [0, 1]."""
    quality: MediumQuality
    edits: tuple[str, ...]
    """What was done to it before the search, in words; empty: as far as the case tells, nothing."""
    original: Picture | None
    """The face with its surroundings; None where no face was chosen."""
    aligned: Picture | None
    """The crop that the template was made of."""


@dataclass(frozen=True, slots=True)
class SheetCandidate:
    """One person of the gallery who is at or above the threshold."""

    rank: int
    """1 = most alike."""
    subject_id: str | None
    """None: an unlabelled template, which counts as a person of its own."""
    template_id: str
    similarity: float
    """Cosine in [-1, 1]."""
    margin: float | None
    """Similarity minus that of the next person, listed or not; None where no next one is known."""
    captured_at: datetime | None
    image_id: str
    picture: Picture | None
    """The aligned crop; None where it could not be had."""
    is_new: bool = False
    """Of a standing case: not listed when it was last searched."""


@dataclass(frozen=True, slots=True)
class SheetProbe:
    """One person's media, and whom one search with them found."""

    probe_id: str
    outcome: Outcome
    """OK: it was searched."""
    reason: str | None
    """Why it was not searched; absent when there is nothing to add."""
    advice: tuple[str, ...]
    """What would make it searchable, a line each."""
    denials: tuple[Denial, ...]
    """Rules that refuse this probe and not the whole case."""
    band: Band | None
    quality: float | None
    """Unified, 0-100."""
    warning: str | None
    """What a reader must know of a list of a band below B."""
    threshold: float | None
    """Similarities at or above it are listed; None: none is known, and the most alike are listed whatever they are."""
    fpir: float | None
    """The target that the threshold was set for."""
    expected_false: float | None
    """How many people of a list, on average, are at or above the threshold and not the probe's person."""
    length: int | None
    """Longest list that the search gives."""
    full: bool
    """Whether the list is that long, so that more people may be at or above the threshold."""
    fnir: float | None
    """Share of searches of this band, of people in the gallery, that did not list them; measured at the threshold."""
    fpir_measured: float | None
    """Share of searches of this band, of people not in the gallery, that listed somebody all the same; measured."""
    media: tuple[SheetMedium, ...]
    candidates: tuple[SheetCandidate, ...]
    """In order of rank; empty where it was searched: nobody is at or above the threshold."""
    doubts: tuple[str, ...] = ()
    """Media of its template that are so unlike its others that they may show somebody else, a line each, naming the
    medium; empty: none were noticed, which does not say that all show one person."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One case."""

    case_id: str
    search_id: str
    made_at: datetime
    """Aware; shown in UTC, as all times are."""
    gallery: str
    """URI."""
    snapshot: int
    snapshot_sha256: str
    model_name: str
    templates: int
    """Live ones, each of which was compared with every probe."""
    subjects: int | None
    """People behind them, N, each unlabelled template counted as one; None: not counted."""
    unlabelled: int
    """Templates without a subject: where there are any, N is at most `subjects`."""
    evaluated_at: datetime | None
    """When the gallery's error rates were measured; None: never, for this model."""
    approved_for_use: bool
    """Whether that evaluation met its declared limits."""
    request: tuple[RequestFact, ...]
    banner: tuple[BannerLine, ...]
    """Obligations, and the policy packs they come from, below the words that candidates are leads."""
    standing: Standing | None
    """None: a case that is searched once."""
    probes: tuple[SheetProbe, ...]
    denied: tuple[Denial, ...]
    """All rules that refuse the case; empty: it is allowed. Nothing of the probes of a refused case was read."""
