"""A finished sheet is bound to its assignment by a key that only the page of that assignment holds.

The key is derived from the review secret, one per assignment, and written into that examiner's page and nowhere else.
The page seals what it saves with it (`seal.js`, WebCrypto); the import derives the key again and checks.

Refused, because no seal fits: a file that was changed in any value after it was saved, one that was made by hand or by
another tool, one of another assignment, examiner, case or installation, and one that is sealed with another key.

Not kept out: whoever has the page has its key and can seal any answers for that one assignment, so send a page to its
examiner alone, over a channel that shows who that is. Whoever has the review secret can do it for all assignments. A
seal is therefore no signature by which a third person could tell who of the two sealed: it says that the file came from
that page or from who coordinates. When the page was opened and finished is what the examiner's clock said. The file is
not encrypted. Of several files that one page saved, the one imported first stands (`imports`).

The seal is HMAC-SHA256 (RFC 2104, FIPS 198-1), 64 lower-case hex digits, under the 32 bytes of the key, over:

1. the ASCII bytes of `facebatch review sheet 1` and a line feed (0x0A);
2. the sheet as canonical JSON in UTF-8: no byte order mark, no white space between tokens; the keys of an object in
   ascending order, which are ASCII; text in double quotes, in which a quote, a backslash, a tab and a line feed are
   `\\"`, `\\\\`, `\\t` and `\\n`, and nothing else is escaped; null as `null`. There are no numbers, no other control
   characters below U+0020, and no lone surrogates. Times are text as `Date.prototype.toISOString` writes it.

That is what `JSON.stringify` writes of text and null in ECMAScript 2019 and later. White space and the order of keys in
the file do not count: what is sealed is what it says.
"""

import hashlib
import hmac
import json
from contextlib import suppress
from typing import Annotated

from pydantic import StringConstraints

from facebatch.errors import CorruptError, StopError
from facebatch.review.assignments import Assignment
from facebatch.review.outcomes import FinishedSheet, face_label
from facebatch.review.secret import ReviewSecret
from facebatch.spec import Spec
from facebatch.storage.documents import canonical, load

PREFIX = b"facebatch review sheet 1\n"
MAX_SHEET_BYTES = 2 << 20
"""A file with MAX_PROBES notes of MAX_NOTE characters, each of them escaped or of four bytes, is smaller."""


class SealedSheet(Spec):
    """What an examiner's page saves."""

    sheet: FinishedSheet
    seal: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def sheet_key(secret: ReviewSecret, assignment: str) -> bytes:
    """The 32 bytes for the page of one assignment, and for no other eyes."""
    return secret.derive("sheet key", assignment)


def sealed_bytes(sheet: FinishedSheet) -> bytes:
    """What is sealed, as the module says."""
    return PREFIX + canonical(sheet.model_dump(mode="json"))


def seal(sheet: FinishedSheet, key: bytes) -> SealedSheet:
    """What the page does, in Python."""
    return SealedSheet(sheet=sheet, seal=_mac(sheet, key))


def read_sealed(data: bytes, *, origin: str) -> SealedSheet:
    """The sheet in a file, whose seal nobody has checked yet. StopError naming `origin` when it holds none."""
    if len(data) > MAX_SHEET_BYTES:
        raise StopError(
            f"{origin}: has {len(data)} bytes, a finished sheet at most {MAX_SHEET_BYTES}; import the sheet"
        )
    _require_json(data, origin)
    try:
        return load(SealedSheet, data, origin=origin)
    except RecursionError:
        raise CorruptError(
            f"{origin}: is nested deeper than a finished sheet; import the file the page saved"
        ) from None


def check_sealed(sealed: SealedSheet, assignment: Assignment, secret: ReviewSecret, *, origin: str) -> None:
    """CorruptError naming `origin` unless the sheet is what the page of this assignment saved."""
    sheet = sealed.sheet
    if not hmac.compare_digest(sealed.seal, _mac(sheet, sheet_key(secret, assignment.assignment))):
        raise CorruptError(
            f"{origin}: its seal is not that of assignment {assignment.assignment}, so it was edited or comes from "
            "elsewhere; import the file as the examiner's page saved it"
        )
    docket = assignment.docket
    told = (sheet.assignment, sheet.review, sheet.case, sheet.examiner)
    if told != (assignment.assignment, docket.review, docket.case, assignment.examiner):
        raise CorruptError(
            f"{origin}: names another review, case or examiner than assignment {assignment.assignment}; have its page "
            "made and filled in anew"
        )
    _require_complete(sheet, docket.shown, origin)


def _require_json(data: bytes, origin: str) -> None:
    try:
        with suppress(RecursionError):  # told by who reads it
            json.loads(data)
    except ValueError:
        told = "is not JSON" if data.strip() else "is empty"
        raise CorruptError(f"{origin}: {told}; save the sheet again from the page") from None


def _require_complete(sheet: FinishedSheet, shown: tuple[int, ...], origin: str) -> None:
    if len(sheet.findings) != len(shown):
        raise CorruptError(
            f"{origin}: has {len(sheet.findings)} findings for {len(shown)} probes; fill in the page again"
        )
    for finding, count in zip(sheet.findings, shown, strict=True):
        if finding.candidate is not None and finding.candidate not in {face_label(place) for place in range(count)}:
            raise CorruptError(
                f"{origin}: probe {finding.probe} has no face {finding.candidate} among its {count}; fill in the page "
                "again"
            )


def _mac(sheet: FinishedSheet, key: bytes) -> str:
    return hmac.new(key, sealed_bytes(sheet), hashlib.sha256).hexdigest()
