"""The cases of the demo: what an examiner may be handed, each made of the demo's photographs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, TypeAlias

from facebatch.cases.manifest import CaseSpec
from facebatch.faces.degrade import Recipe
from facebatch.faces.directions import Point
from facebatch.pipelines.demo_media import SECONDS, WIDTH, Way, write_cut, write_group, write_video, write_worse
from facebatch.pipelines.demo_people import Person

MEDIA = "case-media"
"""Folder beside the manifest."""
MADE = "Made by the demo: "
"""Begins the narrative of every case."""
ORDINARY = 3
SEVERAL = 4
GROUP = 3
FROM_S, MEANT_AT_S = 0.5, 2.0
"""Where the range of the video begins, and when the designated point holds."""
POOR = ((20, 0.6, 6, 60), (16, 0.8, 8, 50), (12, 0.6, 8, 35), (12, 1.2, 12, 20))
"""Pictures of the degraded case, and the last of them that of the case that is too poor: px between the eyes, blur in
px, noise in grey levels, quality of the JPEG compression."""
Medium: TypeAlias = dict[str, Any]
"""As manifests have it."""


@dataclass
class Script:
    """Makes media in a folder beside the manifest; people take turns, so that few are enough."""

    folder: Path
    enrolled: Sequence[Person]
    left_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._turns = cycle(self.enrolled)

    def write(self, unknown: Path | None) -> list[CaseSpec]:
        """All cases that these people allow; `unknown` is a photo of somebody who is not enrolled."""
        self.folder.mkdir()
        made = [*self._of_one(), *self._of_several()] if self.enrolled else []
        if not self.enrolled:
            self.left_out.append("nobody in the gallery has a usable photo that is a probe")
        if unknown is None:
            self.left_out.append("stranger: no photo of anybody who is not in the gallery")
        else:
            media = [self._copy(unknown, "stranger")]
            made.append(_case("stranger", "one photo of somebody who is not in the gallery", media))
        return made

    def _of_one(self) -> Iterator[CaseSpec]:
        for number in range(1, min(ORDINARY, len(self.enrolled)) + 1):
            name = f"ordinary-{number}"
            yield _case(name, "one photo", [self._copy(self._next().photos[0], name)])
        yield _case("several-photos", "several pictures of one person", self._several())
        poor = self._next()
        media = [self._worse(poor, f"degraded-{number}", *recipe) for number, recipe in enumerate(POOR, start=1)]
        yield _case("degraded", "poor pictures of one person; the last is too poor to take part", media)
        media = [self._worse(self._next(), "too-poor", *POOR[-1])]
        yield _case("too-poor", "one picture that is too poor for a search", media)
        media = [self._copy(self._next().photos[0], "live-feed")]
        yield _case("live-feed", "a request that the policy refuses: media that arrive live", media, live=True)
        cut = self._next().photos[0]
        write_cut(cut, self.folder / f"broken-file{cut.suffix}")
        yield _case("broken-file", "a file that was cut short", [_medium(f"broken-file{cut.suffix}")])
        media = [self._copy(self._next().photos[0], "standing")]
        yield _case("standing", "a standing case: searched again when the gallery changes", media, standing=True)
        yield _case("video", "a video in which somebody else passes by", [self._video()])

    def _of_several(self) -> Iterator[CaseSpec]:
        if len(self.enrolled) < 2:
            self.left_out.append("group pictures: one person alone has photos")
            return
        group = [self._next() for _ in range(min(GROUP, len(self.enrolled)))]
        points = write_group([(each.photos[0], each.middle) for each in group], self.folder / "group.jpg")
        composed = ("composed of single portraits",)
        face = _rounded(points[0])
        media = [_medium("group.jpg", face=face, edits=composed)]
        yield _case("group-designated", "several people in a picture, and the leftmost is meant", media)
        media = [_medium("group.jpg", edits=composed)]
        yield _case("group-undesignated", "several people in a picture, and nobody says who is meant", media)

    def _next(self) -> Person:
        return next(self._turns)

    def _copy(self, photo: Path, name: str, **more: object) -> Medium:
        path = self.folder / f"{name}{photo.suffix}"
        path.write_bytes(photo.read_bytes())
        return _medium(path.name, **more)

    def _several(self) -> list[Medium]:
        """Photos of who has most of them; where nobody has two, versions of one."""
        person = max(self.enrolled, key=lambda each: len(each.photos))
        if len(person.photos) > 1:
            shots = person.photos[:SEVERAL]
            return [self._copy(photo, f"several-photos-{number}") for number, photo in enumerate(shots, start=1)]
        person = self._next()
        path = self.folder / "several-photos-2.png"
        write_worse(person.photos[0], path, Recipe(scale=0.6, stops=-2.0, noise=3.0), seed=1)
        edits = ("the first photo at 60 % of its size, two stops darker, with noise",)
        return [self._copy(person.photos[0], "several-photos-1"), _medium(path.name, edits=edits)]

    def _worse(self, person: Person, name: str, eyes: int, blur: float, noise: float, jpeg: int) -> Medium:
        recipe = Recipe(scale=min(1.0, eyes / person.eyes), blur=blur, noise=noise, jpeg=jpeg)
        write_worse(person.photos[0], self.folder / f"{name}.png", recipe, seed=eyes)
        edits = (f"shrunk to {eyes} px between the eyes", "blurred", "with noise", f"compressed as JPEG of {jpeg}")
        return _medium(f"{name}.png", edits=edits)

    def _video(self) -> Medium:
        meant = self._next()
        cast: list[tuple[Path, Point, Way]] = [(meant.photos[0], meant.middle, _nearing)]
        if len(self.enrolled) > 1:
            other = self._next()
            cast.append((other.photos[0], other.middle, _passing))
        write_video(cast, self.folder / "video.mp4")
        _, x, y = _nearing(MEANT_AT_S / SECONDS)
        edits = ("assembled from still photos",)
        return _medium("video.mp4", start=FROM_S, at=MEANT_AT_S, face=_rounded((x, y)), edits=edits)


def _nearing(share: float) -> tuple[float, float, float]:
    """On the left, from afar to near, then away again."""
    return 170 + 130 * (1 - abs(2 * share - 1)), 130 + 90 * share, 190 - 20 * share


def _passing(share: float) -> tuple[float, float, float]:
    """Into the picture from the right in its second half."""
    return 220.0, WIDTH * (1.6 - 0.8 * share), 180.0


def _rounded(point: Point) -> list[int]:
    return [round(point[0]), round(point[1])]


def _medium(name: str, **more: object) -> Medium:
    return {"uri": f"{MEDIA}/{name}", **more}


def _case(name: str, shows: str, media: Sequence[Medium], *, live: bool = False, standing: bool = False) -> CaseSpec:
    request: dict[str, Any] = {"narrative": f"{MADE}{shows}."}
    values: dict[str, Any] = {
        "case_id": name,
        "request": request,
        "probes": [{"probe_id": "person", "media": list(media)}],
    }
    if live:
        request["media"] = {"live": True}
    if standing:
        values["standing"] = True
    return CaseSpec.model_validate(values)
