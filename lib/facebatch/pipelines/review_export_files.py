"""The files of an export: a JSON document, and a CSV file that a spreadsheet opens without running anything."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from facebatch.evaluate.intervals import Rate
from facebatch.governance.audit import Moment
from facebatch.governance.pseudonyms import Pseudonym
from facebatch.pipelines.review_results import NOTICE, ReviewedResult
from facebatch.schemas import FORMAT_VERSION
from facebatch.spec import Spec

JSON_NAME = "leads.json"
CSV_NAME = "leads.csv"
COLUMNS = tuple(name for name in ReviewedResult.model_fields if name != "format_version")
BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
_ACTIVE = re.compile(r"(?:\A|(?<=[;\t\r\n]))(?=[=+\-@\t\r])")
"""Where a cell, or what a spreadsheet may take for one, begins with what it may take for a formula."""


class ExaminerErrors(Spec):
    """How often an examiner took a decoy for a candidate."""

    examiner: Pseudonym
    errors: int
    lists: int
    """With a decoy, that the examiner looked at."""
    value: float | None
    """errors / lists; None: no list had a decoy, so it was not measured."""
    low: float | None
    """Of the 95 % Wilson interval."""
    high: float | None


class ExportedSearch(Spec):
    """One search of an export."""

    search: str
    case_id: str
    decided_at: Moment
    """When the packs allowed that it leaves."""
    packs: dict[str, str]
    """sha256 of every pack that was asked, by its id."""
    obligations: dict[str, Any]
    """What whoever receives it must keep to."""
    floor: float | None
    """Least similarity of a candidate."""
    thresholds: dict[str, float]
    """The same by the quality band of the probe, in place of `floor`."""
    fpir: float | None
    """Target that these were published for; None: none was."""
    withheld: dict[str, str]
    """Probes that were not let go, and why."""
    open: int
    """Probes that examiners do not agree on, or not yet."""


class ExportDocument(Spec):
    """All that leaves."""

    format_version: int = FORMAT_VERSION
    notice: str = NOTICE
    exported_at: Moment
    searches: tuple[ExportedSearch, ...]
    results: tuple[ReviewedResult, ...]
    examiners: tuple[ExaminerErrors, ...]
    """Over all sheets of the searches looked at."""


def error_rates(rates: Mapping[Pseudonym, Rate]) -> tuple[ExaminerErrors, ...]:
    """By examiner."""
    return tuple(
        ExaminerErrors(
            examiner=name, errors=found.count, lists=found.n, value=found.value, low=found.low, high=found.high
        )
        for name, found in rates.items()
    )


def as_csv(results: Sequence[ReviewedResult]) -> bytes:
    """One row per result, RFC 4180: CRLF, quotes where they are needed. UTF-8 with a byte order mark, without which a
    spreadsheet takes it for another encoding. Text that a spreadsheet may take for a formula has ' before it; numbers
    are as they are.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for each in results:
        writer.writerow([_cell(getattr(each, name)) for name in COLUMNS])
    return (BYTE_ORDER_MARK + text.getvalue()).encode()


def _cell(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    words = "\n".join(value) if isinstance(value, tuple) else str(value)
    return _ACTIVE.sub("'", words)
