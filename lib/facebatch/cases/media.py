"""The media of a probe as a unit of work: what is listed of them, and what is read of them. One unit is one probe."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path

from facebatch.cases.manifest import CaseSpec, MediumSpec, ProbeSpec
from facebatch.errors import NotFoundError, StaleError
from facebatch.faces.looks import Blank, Clip, Still
from facebatch.images.grouping import whole
from facebatch.images.loose import read_loose
from facebatch.images.manifest import HEADS, asked, resolved
from facebatch.images.names import printable
from facebatch.images.records import ImageShard, Member
from facebatch.images.source import SourceSpec
from facebatch.images.video import VideoSpec, is_video
from facebatch.schemas import Outcome
from facebatch.storage.digest import file_digest
from facebatch.storage.open import open_store, split_object
from facebatch.storage.settings import S3Spec

EVERYBODY = "everybody"
"""Name of what is listed of a probe in whose videos each person is searched for."""
SCHEME = "case"
"""Of the names of probes among what is embedded."""


def list_probe(case: CaseSpec, probe: ProbeSpec, manifest: str, s3: S3Spec) -> ImageShard:
    """What lies at the media's URIs, with how each is to be read: one HEAD request per medium. The manifest's own name
    is no part of it, so a probe is the same in tomorrow's manifest.
    """
    where = f"{manifest}: case {case.case_id!r}, probe {probe.probe_id!r}"
    members = [_member(medium, resolved(medium.uri, manifest, where)) for medium in probe.media]
    with ThreadPoolExecutor(HEADS, thread_name_prefix="head") as pool:
        listed = list(pool.map(partial(asked, s3=s3), members))
    shard = whole(listed, f"{SCHEME}:{case.case_id}#{probe.probe_id}")
    return replace(shard, name=EVERYBODY) if probe.everybody else shard


def unread(probe: ProbeSpec, case: CaseSpec) -> ImageShard:
    """A probe that is refused: nothing is asked about its media."""
    return whole([_member(medium, medium.uri) for medium in probe.media], f"{SCHEME}:{case.case_id}#{probe.probe_id}")


def probe_of(shard: ImageShard) -> str:
    """The id of the probe whose media these are."""
    return shard.uri.partition("#")[2]


def read_media(
    shard: ImageShard, source: SourceSpec, limits: VideoSpec, s3: S3Spec, workdir: Path
) -> Iterator[Still | Clip | Blank]:
    """One result per medium, in order; a video is a file in `workdir` until the next one is asked for.

    Never an exception because of one medium. StaleError when one was replaced since it was listed.
    """
    numbered = [(number, member, _spec(member)) for number, member in enumerate(shard.members)]
    for video, run in groupby(numbered, key=lambda each: is_video(each[1].uri)):
        if video:
            for number, member, medium in run:
                yield from _clip((number, member, medium), limits, s3, workdir)
        else:
            yield from _stills(list(run), shard, source, s3)


def _stills(
    run: Sequence[tuple[int, Member, MediumSpec]], shard: ImageShard, source: SourceSpec, s3: S3Spec
) -> Iterator[Still]:
    part = replace(shard, members=tuple(member for _, member, _ in run))
    for (number, member, medium), image in zip(run, read_loose(part, source, s3), strict=True):
        yield Still(number, member.image_id, image, medium.point)


def _clip(
    found: tuple[int, Member, MediumSpec], limits: VideoSpec, s3: S3Spec, workdir: Path
) -> Iterator[Clip | Blank]:
    number, member, medium = found
    name = member.image_id
    if not member.etag:
        yield Blank(number, name, Outcome.MISSING, "there was no such object when the case was listed")
        return
    if member.size > limits.max_bytes:
        yield Blank(number, name, Outcome.TOO_LARGE, f"{member.size} bytes are more than {limits.max_bytes}")
        return
    folder, key = split_object(member.uri)
    store = open_store(folder, s3)
    path = workdir / f"{number}{posixpath.splitext(key)[1].lower()}"
    try:
        if store.head(key).etag != member.etag:
            raise StaleError(f"{member.uri} has changed since it was listed; run the job again")
        store.get_file(key, path)
        at = medium.start if medium.at is None else medium.at
        yield Clip(number, name, path, file_digest(path), medium.start, medium.end, medium.point, at)
    except NotFoundError:
        yield Blank(number, name, Outcome.MISSING, "there is no such object")
    finally:
        path.unlink(missing_ok=True)


def _member(medium: MediumSpec, uri: str) -> Member:
    told: Mapping[str, object] = medium.model_dump(mode="json", exclude_defaults=True)
    return Member(printable(medium.uri), uri, 0, "", told)


def _spec(member: Member) -> MediumSpec:
    return MediumSpec.model_validate(member.fields)
