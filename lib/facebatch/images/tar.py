"""Images of a tar shard with their sidecars (WebDataset convention). Members are read by position, never extracted.

Members whose path is the same up to the first dot of the base name belong together: `a/1.jpg` and `a/1.json`, in any
order. Every member with an image suffix is a result, and so is everything that would be unsafe to extract.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from facebatch.errors import ShardError
from facebatch.images.archive import ArchiveFault, Entry, entries
from facebatch.images.fields import FactError, facts, named, with_facts
from facebatch.images.names import SHARD_IMAGE_SUFFIXES, printable, suffix
from facebatch.images.records import EncodedImage, Reject
from facebatch.images.source import SourceSpec
from facebatch.schemas import Outcome

MAX_SIDECAR_BYTES = 1 << 20

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Catalogue:
    """The members of one archive, by what they are."""

    rows: list[Entry] = field(default_factory=list)
    """One result each, in order."""
    sidecars: dict[str, list[Entry]] = field(default_factory=dict)
    """By key; more than one is a fault of the image."""
    ignored: int = 0
    fault: str | None = None


def read_tar(path: Path, uri: str, name: str, source: SourceSpec) -> Iterator[EncodedImage | Reject]:
    """One result per image of the archive at `path`; `uri` is for messages, `name` leads the image ids.

    ShardError after the last complete image when the archive is cut or damaged, and at once when it has too many
    members or is compressed.
    """
    with path.open("rb") as file:
        catalogue = _catalogue(file, path.stat().st_size, uri, source.max_members)
        seen: set[str] = set()
        for entry in catalogue.rows:
            yield _row(file, entry, f"{name}/{_member(entry)}", catalogue, source, seen)
    _report(catalogue, uri)


def _row(
    file: BinaryIO, entry: Entry, image_id: str, catalogue: _Catalogue, source: SourceSpec, seen: set[str]
) -> EncodedImage | Reject:
    member = _member(entry)
    danger = _danger(entry)
    if danger:
        return Reject(image_id, member, Outcome.UNSAFE_MEMBER, danger)
    if image_id in seen:
        return Reject(image_id, member, Outcome.DUPLICATE_MEMBER, "an earlier member has this name")
    seen.add(image_id)
    if entry.size > source.max_image_bytes:
        reason = f"{entry.size} bytes are more than {source.max_image_bytes}"
        return Reject(image_id, member, Outcome.TOO_LARGE, reason)
    try:
        values = _sidecar(file, catalogue.sidecars.get(_key(member), []))
        given = named(values, source.fields)
        if given is not None and given != image_id:
            if given in seen:
                return Reject(given, member, Outcome.DUPLICATE_MEMBER, "an earlier image of the shard has this id")
            seen.add(given)
            image_id = given
        known = facts(values, source.fields)
    except FactError as error:
        return Reject(image_id, member, Outcome.METADATA_ERROR, str(error))
    return with_facts(image_id, member, _data(file, entry), known)


def _catalogue(file: BinaryIO, length: int, uri: str, max_members: int) -> _Catalogue:
    found = _Catalogue()
    count = 0
    try:
        for entry in entries(file, length):
            count += 1
            if count > max_members:
                raise ShardError(f"{uri} has more than {max_members} members; split it, or raise source.max_members")
            _file_away(found, entry)
    except ArchiveFault as fault:
        found.fault = str(fault)
    return found


def _file_away(found: _Catalogue, entry: Entry) -> None:
    name = _member(entry)
    if _danger(entry) or (entry.kind == "file" and suffix(name) in SHARD_IMAGE_SUFFIXES):
        found.rows.append(entry)
    elif entry.kind == "file" and name == _key(name) + ".json":
        found.sidecars.setdefault(_key(name), []).append(entry)
    elif entry.kind == "file":
        found.ignored += 1


def _danger(entry: Entry) -> str | None:
    if entry.kind == "other":
        return f"the member is a {entry.detail}"
    if entry.name.startswith("/"):
        return "the member's name is absolute"
    if ".." in entry.name.split("/"):
        return "the member's name leads out of the archive"
    return None


def _member(entry: Entry) -> str:
    """The name without `./` and doubled slashes where that is harmless, printable always."""
    if entry.name.startswith("/"):
        return printable(entry.name)
    return printable("/".join(part for part in entry.name.split("/") if part not in ("", ".")))


def _key(name: str) -> str:
    """The path up to the first dot of the base name, a leading dot aside."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + base[:1] + base[1:].split(".", 1)[0]


def _sidecar(file: BinaryIO, found: list[Entry]) -> dict[str, Any]:
    if not found:
        return {}
    if len(found) > 1:
        raise FactError("the image has more than one sidecar")
    if found[0].size > MAX_SIDECAR_BYTES:
        raise FactError(f"the sidecar is larger than {MAX_SIDECAR_BYTES} bytes")
    try:
        values = json.loads(_data(file, found[0]))
    except (ValueError, RecursionError):
        raise FactError("the sidecar is not JSON") from None
    if not isinstance(values, dict):
        raise FactError("the sidecar is not a JSON object")
    return values


def _data(file: BinaryIO, entry: Entry) -> bytes:
    file.seek(entry.offset)
    return file.read(entry.size)


def _report(catalogue: _Catalogue, uri: str) -> None:
    """Say what gave no result; ShardError when the end of the archive was never seen."""
    if catalogue.fault:
        raise ShardError(f"{uri} {catalogue.fault}; write the shard again")
    alone = len(catalogue.sidecars.keys() - {_key(_member(entry)) for entry in catalogue.rows})
    if alone:
        _log.warning("%s: %d sidecars have no image", uri, alone)
    if catalogue.ignored:
        _log.info("%s: %d members are neither images nor sidecars", uri, catalogue.ignored)
