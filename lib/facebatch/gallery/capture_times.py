"""What a shard's capture times tell about the dates its images came with. Reported, never corrected."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.spec import Spec

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
"""No enrolled photograph is older; spreadsheets and file systems write such dates where they have none."""
UNSET = datetime(1970, 1, 1, tzinfo=UTC)
"""The zero of Unix time: what a clock says that was never set."""
_TIME = pa.timestamp("us", "UTC")


class CaptureTimes(Spec):
    """Of the images with templates in one shard. Nothing here depends on the day it was found out."""

    latest: datetime | None
    """The last `captured_at`; None where none is given."""
    too_early: int
    """Images captured before EARLIEST, or at UNSET exactly."""
    after_expiry: int
    """Images captured after they expire."""


def capture_times(templates: pa.Table) -> CaptureTimes:
    """From a templates table. Pure."""
    captured = templates["captured_at"]
    early = pc.or_(pc.less(captured, pa.scalar(EARLIEST, _TIME)), pc.equal(captured, pa.scalar(UNSET, _TIME)))
    return CaptureTimes(
        latest=pc.max(captured).as_py(),
        too_early=_images(templates, early),
        after_expiry=_images(templates, pc.greater(captured, templates["expires_at"])),
    )


def captured_since(templates: pa.Table, limit: datetime) -> int:
    """Images of a templates table that were captured at `limit` or later. Pure."""
    return _images(templates, pc.greater_equal(templates["captured_at"], pa.scalar(limit, _TIME)))


def _images(templates: pa.Table, wanted: pa.ChunkedArray) -> int:
    """Distinct images among the rows where `wanted` is true; an absent time is none that could be wrong."""
    return int(pc.count_distinct(templates["image_id"].filter(wanted)).as_py())
