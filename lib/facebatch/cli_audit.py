"""`facebatch audit`: whether the record of what was done is whole, where it ends, and its counts of a year."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from facebatch.cli_gallery import At, GallerySpec
from facebatch.cli_output import Output, plain
from facebatch.errors import ConfigError, CorruptError
from facebatch.evaluate.words import counted
from facebatch.gallery import history
from facebatch.governance import audit, audit_chain, audit_report, statute_report
from facebatch.governance.audit import Anchor
from facebatch.pipelines import policy_files
from facebatch.spec import parse
from facebatch.storage.store import ObjectStore

audit_app = App(name="audit", help="The chain of audit events of a gallery: verify, anchor, report.")

_ANCHOR = re.compile(r"([0-9]{1,12}):([0-9a-f]{64})")
_NO_EVENT = (
    "no event is recorded: either all snapshots were published before there was an audit, and the next run begins the "
    "chain, or the whole chain was removed, which only an anchor shows"
)
Kept = Annotated[
    tuple[str, ...],
    Parameter(name="--anchor", negative="", help="An anchor kept elsewhere, as `audit anchor` printed it; repeatable."),
]


@audit_app.command
def verify(*, at: At, anchors: Kept = (), output: Output = Output()) -> None:
    """Read every event and name those changed, removed, reordered or forged; exit code 2 when there is one.

    A cut or rewritten end shows only against an anchor.
    """
    output.start()
    kept = [_anchor(value) for value in anchors]
    store = _open(at)
    end = audit.last_seq(store)
    found = audit_chain.verify(store, kept)
    lines = [finding.problem for finding in found]
    checked = f"{counted(end, 'event')}, {counted(len(kept), 'anchor')}, {counted(len(found), 'finding')}"
    unanchored = [] if kept else ["without an anchor a cut or rewritten end is not found"]
    unanchored += [] if end else [_NO_EVENT]
    result = {"events": end, "anchors": len(kept), "findings": [plain(finding) for finding in found]}
    output.tell("\n".join([*lines, checked, *unanchored, ""]), result)
    _require_whole(store, found)


@audit_app.command
def anchor(*, at: At, output: Output = Output()) -> None:
    """Print where the chain ends, to be kept where nobody who can write to the gallery can change it."""
    output.start()
    end = audit.anchor(_open(at))
    output.tell(f"{end.seq}:{end.hash}\n", end.model_dump(mode="json"))


@audit_app.command
def report(*, at: At, year: int, jurisdiction: str, packs: Path | None = None, output: Output = Output()) -> None:
    """Counts of a year; small ones are not told. Refused for a broken chain.

    Parameters
    ----------
    year
        Which year, UTC.
    jurisdiction
        As the requests state it, such as us-md; places in it are counted too.
    packs
        A policy pack, or a folder of them: tell each field that the laws in them ask for, of those that cover the
        jurisdiction. Absent: count by month, purpose, action and decision. Publish one of the two, for their
        difference gives small counts away.
    """
    output.start()
    store = _open(at)
    asking = None if packs is None else policy_files.read_packs(packs)
    _require_whole(store, audit_chain.verify(store))
    events = audit_chain.read_chain(store)
    if asking is None:
        found = audit_report.summarise(events, year, jurisdiction)
        output.tell(audit_report.text(found), found)
    else:
        filled = statute_report.report(events, year, jurisdiction, asking)
        output.tell(statute_report.text(filled), filled)


def _open(at: GallerySpec) -> ObjectStore:
    """The store of a gallery. NotFoundError where there is none."""
    store = at.open()
    history.require_gallery(store)
    return store


def _anchor(value: str) -> Anchor:
    match = _ANCHOR.fullmatch(value)
    if match is None:
        raise ConfigError(f"--anchor {value!r}: give it as `facebatch audit anchor` prints it, number:hash")
    return parse(Anchor, {"seq": int(match[1]), "hash": match[2]}, origin="--anchor")


def _require_whole(store: ObjectStore, found: Sequence[audit_chain.Finding]) -> None:
    if found:
        numbers = ", ".join(dict.fromkeys(f"{finding.kind} {finding.seq}" for finding in found[:5]))
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise CorruptError(
            f"{store.uri}: the audit chain is not whole ({numbers}{more}); `facebatch audit verify` names each remedy"
        )
