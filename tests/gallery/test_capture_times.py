"""Capture times that cannot be right, counted by image, against plain Python."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from facebatch.gallery.capture_times import EARLIEST, UNSET, CaptureTimes, capture_times, captured_since
from synthetic import template_table, unit

DAY = timedelta(days=1)
TIMES = st.one_of(
    st.none(),
    st.sampled_from([EARLIEST - DAY, EARLIEST, UNSET - DAY, UNSET, UNSET + DAY, datetime(2031, 5, 1, tzinfo=UTC)]),
    st.datetimes(timezones=st.just(UTC)),
)
ROWS = st.lists(st.tuples(st.integers(0, 3), TIMES, TIMES), max_size=6)
"""Image, captured_at, expires_at."""


def table(rows: list[tuple[int, datetime | None, datetime | None]]) -> pa.Table:
    found = template_table(unit(np.ones((len(rows), 2))), [None] * len(rows))
    columns = {
        "image_id": [str(image) for image, _, _ in rows],
        "captured_at": [captured for _, captured, _ in rows],
        "expires_at": [expires for _, _, expires in rows],
    }
    for name, values in columns.items():
        field = found.schema.field(name)
        found = found.set_column(found.schema.get_field_index(name), field, pa.array(values, field.type))
    return found


@given(ROWS, st.datetimes(timezones=st.just(UTC)))
def test_images_are_counted_once_each(
    rows: list[tuple[int, datetime | None, datetime | None]], limit: datetime
) -> None:
    known = [(image, captured, expires) for image, captured, expires in rows if captured is not None]
    templates = table(rows)
    assert capture_times(templates) == CaptureTimes(
        latest=max((captured for _, captured, _ in known), default=None),
        too_early=len({image for image, captured, _ in known if captured < EARLIEST or captured == UNSET}),
        after_expiry=len({image for image, captured, expires in known if expires is not None and captured > expires}),
    )
    assert captured_since(templates, limit) == len({image for image, captured, _ in known if captured >= limit})


def test_it_is_stored_and_read_as_it_was() -> None:
    times = capture_times(table([(0, datetime(2031, 5, 1, 12, tzinfo=UTC), None), (1, UNSET, UNSET - DAY)]))
    assert CaptureTimes.model_validate_json(times.model_dump_json()) == times
    assert (times.too_early, times.after_expiry) == (1, 1)
