"""CSV that a spreadsheet opens as what it is: text stays text, and nothing in it is taken for a formula."""

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Text that begins so may be run when it is opened (OWASP, CSV injection)."""


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> bytes:
    """UTF-8 with a header, comma-separated, quoted where needed (RFC 4180), each row ended by CR LF.

    Text that a spreadsheet could take for a formula gets a leading apostrophe; numbers are written as they are, None as
    nothing.
    """
    sink = io.StringIO(newline="")
    writer = csv.writer(sink)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return sink.getvalue().encode()


def _cell(value: str | float | None) -> str | float | None:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
