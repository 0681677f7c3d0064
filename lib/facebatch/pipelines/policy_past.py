"""Requests that were decided in the past: one to a line of a file, or read from the searches that were made of them.

A request that was refused left no search, so only the audit events and a file of requests can tell of it.
"""

import json
from contextlib import suppress
from pathlib import Path

from pydantic import AwareDatetime, Field

from facebatch.errors import ConfigError, StopError
from facebatch.governance.facts import Facts
from facebatch.governance.probe_rules import StatedFacts
from facebatch.pipelines.retention_survey import unsearched
from facebatch.pipelines.search import SearchManifest
from facebatch.pipelines.search_request import stated_then
from facebatch.spec import Spec, parse
from facebatch.storage import layout
from facebatch.storage.documents import load
from facebatch.storage.files import disk_faults
from facebatch.storage.open import open_store
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore

SHOWN = 20
"""Faults told one by one."""


class PastRequest(Spec):
    """One line of a file of past requests (JSON Lines)."""

    id: str
    at: AwareDatetime
    """When it was decided."""
    request: Facts
    stated: dict[str, StatedFacts] = Field(default_factory=dict)
    """By probe id, what was stated of single probes."""


def read_lines(path: Path) -> list[PastRequest]:
    """Past requests, one JSON object to a line. CorruptError naming file and line for what is none."""
    with disk_faults(str(path)):
        lines = path.read_bytes().splitlines()
    return [load(PastRequest, line, origin=f"{path}:{at}") for at, line in enumerate(lines, 1) if line.strip()]


def read_results(results: ObjectStore, s3: S3Spec) -> list[PastRequest]:
    """The requests of all finished searches below a root of results, with what was stated of single probes, in the
    order in which they were decided.

    Costs a listing of everything below the root and one read for each search, two where facts of probes were stated.
    NotFoundError where there is no finished search, ConfigError with a line for each search that cannot be read.
    """
    keys = [info.key for info in results.list() if _is_manifest(info.key)]
    if not keys:
        raise unsearched(results)
    found: list[PastRequest] = []
    told: list[str] = []
    for key in keys:
        try:
            found.append(_read(results, s3, key))
        except StopError as error:
            told.append(str(error))
    if told:
        more = [f"{len(told) - SHOWN} more manifests cannot be read"] if len(told) > SHOWN else []
        raise ConfigError("\n".join([*told[:SHOWN], *more]))
    return sorted(found, key=lambda past: (past.at, past.id))


def _is_manifest(key: str) -> bool:
    folder, _, name = key.partition("/")
    return bool(folder) and name == layout.SEARCH_MANIFEST


def _read(results: ObjectStore, s3: S3Spec, key: str) -> PastRequest:
    origin, data = f"{results.uri}/{key}", results.get(key)
    if _has_plain_requester(data):
        raise ConfigError(
            f"{origin}: its requester is plain text, as before requests had facts; write the request as a line of a "
            "--requests file (id, at, request with requester.agency), or move the folder elsewhere"
        )
    manifest = load(SearchManifest, data, origin=origin)
    folder = open_store(layout.below(results.uri, key.partition("/")[0]), s3)
    stated = stated_then(folder, manifest.request, manifest.request_sha256)
    told = {"id": manifest.search_id, "at": manifest.decided_at, "request": manifest.request, "stated": stated}
    return parse(PastRequest, told, origin=origin)


def _has_plain_requester(data: bytes) -> bool:
    with suppress(ValueError, KeyError, TypeError):
        return isinstance(json.loads(data)["request"]["requester"], str)
    return False
