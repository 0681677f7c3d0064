"""`facebatch retention`: what decides when the results of searches go: holds, authorisations, closed cases."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated, Literal

from cyclopts import App, Parameter

from facebatch.cli_output import Flat, Output
from facebatch.errors import ConfigError
from facebatch.pipelines.retention_audit import AuditTrail
from facebatch.pipelines.retention_authorise import Authorisation, Revocation, put_authorisation, put_revocation
from facebatch.pipelines.retention_cases import ClosedCase, put_closed
from facebatch.pipelines.retention_deleted import read_deleted
from facebatch.pipelines.retention_holds import (
    Hold,
    HoldEntry,
    Release,
    case_digest,
    in_force,
    put_hold,
    put_release,
    read_holds,
)
from facebatch.pipelines.retention_survey import Results, StoredSearch, read_search, require_known, survey
from facebatch.spec import Spec
from facebatch.storage.open import open_store
from facebatch.storage.settings import S3Spec

retention_app = App(name="retention", help="Searches: hold, release, list, close, authorise, refuse, revoke.")

Granted = Literal["consent", "reasonable_suspicion", "probable_cause", "warrant", "court_order", "statute", "exigent"]


class ResultsSpec(Spec):
    """Which results."""

    results: str
    """Root of the results: a local path or s3://bucket/prefix."""
    s3: S3Spec = S3Spec()

    def open(self) -> Results:
        """Their store."""
        return Results(open_store(self.results, self.s3), self.s3)


At = Annotated[ResultsSpec, Flat]


class SearchedSpec(ResultsSpec):
    """Which results, and where what is decided about them is recorded: in the audit chains of the galleries that were
    searched.
    """

    gallery: str | None = None
    """Root of a gallery in whose chain it is recorded where a search does not say which one it searched, or that one is
    no gallery any more."""


Searched = Annotated[SearchedSpec, Flat]


class ActSpec(Spec):
    """Why something is done to results, on whose authority, and by whom."""

    reason: str
    """In words; name nobody."""
    authority: str
    """Who ordered it, with a reference."""
    by: str
    """Who records it: an accountable person or unit."""


Act = Annotated[ActSpec, Flat]


@retention_app.command
def hold(
    name: str,
    /,
    *,
    at: Searched,
    act: Act,
    search: str | None = None,
    case: str | None = None,
    output: Output = Output(),
) -> None:
    """Keep a search, or all searches of a case, whatever else would delete them.

    Parameters
    ----------
    name
        What to call the hold; it is released by this name.
    search
        A search id: the name of its folder.
    case
        A case id, as the requests state it; only its digest is recorded.
    """
    output.start()
    results = at.open()
    if (search is None) == (case is None):
        raise ConfigError("give --search or --case, one of them: what is to be held")
    digest = None if case is None else case_digest(case)
    if search is not None:
        read_search(results, search)
    wanted = Hold(name=name, search=search, case=digest, at=datetime.now(UTC), **_told(act))
    trail = AuditTrail(results, at.gallery)
    stands = put_hold(results.store, wanted, trail.held)
    kept = _kept(results, stands)
    counts = {"searches": len(kept), "deleted_before": _begun(results, kept)}
    output.show("held", {**stands.model_dump(mode="json"), **counts, **trail.told})


@retention_app.command
def release(name: str, /, *, at: Searched, act: Act, output: Output = Output()) -> None:
    """End a hold. The hold and its end stay on record.

    Parameters
    ----------
    name
        Of the hold.
    """
    output.start()
    wanted = Release(name=name, at=datetime.now(UTC), **_told(act))
    results = at.open()
    trail = AuditTrail(results, at.gallery)
    stands = put_release(results.store, wanted, trail.released)
    output.show("released", {**stands.model_dump(mode="json"), **trail.told})


@retention_app.command(name="list")
def list_holds(
    *, at: At, every: Annotated[bool, Parameter(name="--all", negative="")] = False, output: Output = Output()
) -> None:
    """Holds in force, and with --all those that were released.

    Parameters
    ----------
    every
        Also released ones.
    """
    output.start()
    results = at.open()
    require_known(results)
    entries = read_holds(results.store)
    shown = [entry for entry in entries if every or entry.release is None]
    holds = [
        {**entry.hold.model_dump(mode="json"), "release": entry.release and entry.release.model_dump(mode="json")}
        for entry in shown
    ]
    output.tell("".join(f"{line}\n" for line in _lines(shown, len(in_force(entries)))), {"holds": holds})


@retention_app.command
def close(case: str, /, *, at: Searched, on: date, by: str, output: Output = Output()) -> None:
    """Record when a case was closed: with retention.starts case_close, the clocks of its searches start then.

    Parameters
    ----------
    case
        A case id, as the requests state it; only its digest is recorded.
    on
        The day, UTC.
    by
        Who records it.
    """
    output.start()
    _require_said({"by": by})
    wanted = ClosedCase(case=case_digest(case), on=on, by=by, at=datetime.now(UTC))
    results = at.open()
    trail = AuditTrail(results, at.gallery)
    stands = put_closed(results.store, wanted, trail.closed)
    output.show("closed", {**stands.model_dump(mode="json"), **trail.told})


@retention_app.command
def authorise(search: str, /, *, at: Searched, ref: str, kind: Granted, by: str, output: Output = Output()) -> None:
    """Record the authorisation that a search was allowed without. Not after its deadline, and once.

    Parameters
    ----------
    search
        Its id: the name of its folder.
    ref
        Under which it was granted.
    kind
        What it is.
    by
        Who records it.
    """
    output.start()
    granted = Authorisation(outcome="granted", kind=kind, ref=ref, by=by, at=datetime.now(UTC))
    output.show("authorised", _record(at, search, granted))


@retention_app.command
def refuse(search: str, /, *, at: Searched, reason: str, by: str, output: Output = Output()) -> None:
    """Record that the authorisation of a search was refused: `facebatch expire --delete` deletes all of it.

    Parameters
    ----------
    search
        Its id: the name of its folder.
    reason
        In words; name nobody.
    by
        Who records it.
    """
    output.start()
    refused = Authorisation(outcome="refused", reason=reason, by=by, at=datetime.now(UTC))
    output.show("refused; expire --delete deletes the search", _record(at, search, refused))


@retention_app.command
def revoke(search: str, /, *, at: Searched, reason: str, by: str, output: Output = Output()) -> None:
    """Record that the authorisation of a search, which had come, was taken back: nobody may use the search any more.
    `facebatch expire --delete` deletes it: at once where its policy packs have what is unlawful purged, else when its
    days are over.

    Parameters
    ----------
    search
        Its id: the name of its folder.
    reason
        In words; name nobody.
    by
        Who records it.
    """
    output.start()
    _require_said({"reason": reason, "by": by})
    results = at.open()
    stored = read_search(results, search)
    trail = AuditTrail(results, at.gallery)
    wanted = Revocation(reason=reason, by=by, at=datetime.now(UTC))
    stands = put_revocation(results.folder(search), wanted, partial(trail.revoked, stored))
    at_once = stored.state.obligations.purge_unlawful
    told = {"search": search, **stands.model_dump(mode="json"), "goes": "at once" if at_once else "with its days"}
    output.show("revoked; nobody may use the search", {**told, **trail.told})


def _record(at: SearchedSpec, search: str, wanted: Authorisation) -> dict[str, object]:
    said = {"ref": wanted.ref, "reason": wanted.reason, "by": wanted.by}
    _require_said({name: value for name, value in said.items() if value is not None})
    results = at.open()
    stored = read_search(results, search)
    trail = AuditTrail(results, at.gallery)
    record = partial(trail.authorised, stored)
    stands = put_authorisation(results.folder(search), wanted, stored.state.pending_until, record)
    return {"search": search, **stands.model_dump(mode="json", exclude_none=True), **trail.told}


def _told(act: ActSpec) -> dict[str, str]:
    _require_said(act.model_dump())
    return act.model_dump()


def _require_said(words: Mapping[str, str]) -> None:
    """ConfigError naming the flag of what is blank."""
    blank = [name for name, value in words.items() if not value.strip()]
    if blank:
        raise ConfigError(f"--{blank[0]} is blank; say it in words, since it stays on record")


def _kept(results: Results, hold: Hold) -> list[str]:
    """Ids of the searches that a hold covers now."""
    found = (found for found in survey(results) if isinstance(found, StoredSearch))
    return [stored.search_id for stored in found if hold.covers(stored.search_id, stored.about.case)]


def _begun(results: Results, searches: Sequence[str]) -> tuple[str, ...]:
    """What of these had been deleted, or was being deleted, before the hold."""
    begun = ((search, read_deleted(results.folder(search))) for search in searches)
    return tuple(f"{search}: {', '.join(found)}" for search, found in begun if found)


def _lines(entries: Sequence[HoldEntry], standing: int) -> Iterator[str]:
    for entry in entries:
        hold = entry.hold
        what = f"search {hold.search}" if hold.search else f"case {hold.case}"
        yield f"{hold.name}: {what}, since {hold.at:%Y-%m-%d} by {hold.by}, on the authority of {hold.authority}"
        yield f"  {hold.reason}"
        if entry.release is not None:
            end = entry.release
            yield f"  released {end.at:%Y-%m-%d} by {end.by}, on the authority of {end.authority}: {end.reason}"
    yield f"{standing} hold{'s' * (standing != 1)} in force"
