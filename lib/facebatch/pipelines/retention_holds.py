"""Legal holds: what is held is never due. A hold has a name, ends by a release of its own, and both stay as a record.

Whoever holds puts the hold and looks afterwards what was deleted; whoever deletes puts the record of a deletion and
looks afterwards who holds. Of two who begin at the same time at least one sees the other.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pydantic import AwareDatetime

from facebatch.errors import ConfigError, NotFoundError, StopError
from facebatch.gallery.commits import find, put_first
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec
from facebatch.storage import layout
from facebatch.storage.documents import canonical_digest
from facebatch.storage.store import ObjectStore

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_CASE_LENGTH = 24


class Hold(Spec):
    """What must be kept, why and on whose authority. Exactly one of `search` and `case`."""

    format_version: int = FORMAT_VERSION
    name: str
    search: str | None = None
    """A search id."""
    case: str | None = None
    """Digest of a case id, as `case_digest` has it: all searches of the case."""
    reason: str
    authority: str
    by: str
    at: AwareDatetime

    def covers(self, search: str, case: str | None) -> bool:
        """Whether a search is held; one whose case nobody knows is, by the hold of any case."""
        return self.search == search or (self.case is not None and case in (self.case, None))


class Release(Spec):
    """The end of a hold."""

    format_version: int = FORMAT_VERSION
    name: str
    reason: str
    authority: str
    by: str
    at: AwareDatetime


@dataclass(frozen=True, slots=True)
class HoldEntry:
    """A hold, and its release where it has one."""

    hold: Hold
    release: Release | None


def case_digest(case_id: str) -> str:
    """Stands for a case in names and records. ConfigError for a blank id."""
    if not case_id.strip():
        raise ConfigError("a blank id names no case; give it as the request states it")
    return canonical_digest(["case", case_id.strip()])[:_CASE_LENGTH]


def put_hold(results: ObjectStore, wanted: Hold, record: Callable[[Hold], object] = lambda stands: None) -> Hold:
    """Hold; the first of a name wins, and holding the same again returns what stands. `record` is called with what is
    to stand before it does.

    ConfigError for a name that is no word, StopError when it is taken or was released.
    """
    if not _NAME.fullmatch(wanted.name):
        raise ConfigError(f"{wanted.name!r} cannot name a hold; use up to 64 letters, digits, dashes and underscores")
    before = find(results, layout.hold(wanted.name), Hold)
    if before is not None:
        _require_same(results, before, wanted)
    record(before or wanted)
    stands, _ = put_first(results, layout.hold(wanted.name), wanted)
    _require_same(results, stands, wanted)
    return stands


def put_release(
    results: ObjectStore, wanted: Release, record: Callable[[Hold, Release], object] = lambda hold, stands: None
) -> Release:
    """Release a hold and keep both on record. `record` is called with the end that is to stand before it does.

    NotFoundError naming those in force when there is none of this name.
    """
    hold = find(results, layout.hold(wanted.name), Hold) if _NAME.fullmatch(wanted.name) else None
    if hold is None:
        names = ", ".join(entry.hold.name for entry in read_holds(results) if entry.release is None) or "none"
        raise NotFoundError(f"{results.uri} has no hold {wanted.name!r}; in force are: {names}")
    record(hold, find(results, layout.release(wanted.name), Release) or wanted)
    return put_first(results, layout.release(wanted.name), wanted)[0]


def read_holds(results: ObjectStore) -> list[HoldEntry]:
    """All holds, by name, the released ones too."""
    released = {layout.stem(info.key) for info in results.list(layout.RELEASES)}
    found = []
    for info in results.list(layout.HOLDS):
        hold = find(results, info.key, Hold)
        if hold is not None:
            name = layout.stem(info.key)
            end = find(results, layout.release(name), Release) if name in released else None
            found.append(HoldEntry(hold, end))
    return found


def in_force(entries: Iterable[HoldEntry]) -> tuple[Hold, ...]:
    """Holds that were not released."""
    return tuple(entry.hold for entry in entries if entry.release is None)


def held_by(holds: Sequence[Hold], search: str, case: str | None) -> tuple[str, ...]:
    """Names of the holds that keep a search; `case` is the digest of its case, None where nobody knows it."""
    return tuple(hold.name for hold in holds if hold.covers(search, case))


def _require_same(results: ObjectStore, stands: Hold, wanted: Hold) -> None:
    where = f"{results.uri}/{layout.hold(wanted.name)}"
    if (stands.search, stands.case) != (wanted.search, wanted.case):
        raise StopError(f"{where}: holds something else since {stands.at:%Y-%m-%d}; choose another name")
    if find(results, layout.release(wanted.name), Release) is not None:
        raise StopError(f"{where}: was released, which stays on record; choose another name")
