"""The merge of cells into lists: equal to its definition row by row, whatever the order of the cells."""

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.match.candidates import merge
from facebatch.schemas import CANDIDATES
from facebatch.storage.parquet import write_table

SIMILARITIES = st.sampled_from([0.5, 0.25, 0.0, -0.0, -0.25, 1.0, 0.3, 1e-40, -1e-40])

found_rows = st.tuples(
    st.sampled_from(["p10", "p2", "p", "é#1"]), st.integers(0, 6), st.sampled_from([None, "a", "b", "ä"]), SIMILARITIES
)


def row_of(probe: str, template: int, subject: str | None, similarity: float) -> dict[str, Any]:
    return {
        "probe_id": probe,
        "rank": 9,
        "subject_id": subject,
        "template_id": f"t{template}{subject or ''}",
        "similarity": float(np.float32(similarity)),
        "snapshot": 3,
    }


def cell(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=CANDIDATES)


def by_definition(rows: list[dict[str, Any]], length: int) -> list[dict[str, Any]]:
    """One probe after the other: best template of each subject, ties by template_id, cut."""
    merged = []
    for probe in sorted({row["probe_id"] for row in rows}, key=str.encode):
        own = [row for row in rows if row["probe_id"] == probe]
        own.sort(key=lambda row: (-row["similarity"], row["template_id"].encode()))
        listed: dict[tuple[str, str], dict[str, Any]] = {}
        for row in own:
            subject = row["subject_id"]
            listed.setdefault(("template", row["template_id"]) if subject is None else ("subject", subject), row)
        merged += [{**row, "rank": place + 1} for place, row in enumerate(list(listed.values())[:length])]
    return merged


@settings(max_examples=300)
@given(
    st.lists(st.lists(found_rows, max_size=12, unique_by=lambda row: row[:3]), min_size=1, max_size=4),
    st.integers(1, 5),
)
def test_merged_lists_are_those_of_the_definition(cells: list[list[Any]], length: int) -> None:
    seen: set[Any] = set()
    distinct = [[row for row in rows if not (row[:3] in seen or seen.add(row[:3]))] for rows in cells]
    rows = [[row_of(*row) for row in some] for some in distinct]
    found = merge([cell(some) for some in rows], length)
    assert found.to_pylist() == by_definition([row for some in rows for row in some], length)
    again = merge([cell(some[::-1]) for some in reversed(rows)], length)
    assert write_table(again, kind="candidates", model="m") == write_table(found, kind="candidates", model="m")


def test_lists_of_usual_length_are_those_of_the_definition() -> None:
    random = np.random.default_rng(0)
    cells = []
    for segment in range(3):
        rows = []
        for probe in range(40):
            scores = -np.sort(-random.integers(0, 60, 50).astype(np.float32) / 64)
            subjects = random.permutation(90)[:50]
            rows += [
                row_of(f"probe/{probe}.jpg", int(number), f"s{subject}" if subject % 5 else None, float(score))
                | {"template_id": f"{subject:04d}-{segment}"}
                for number, (subject, score) in enumerate(zip(subjects, scores, strict=True))
            ]
        cells.append(rows)
    found = merge([cell(rows) for rows in cells], 50)
    assert found.num_rows == 40 * 50
    assert found.to_pylist() == by_definition([row for rows in cells for row in rows], 50)


def test_nothing_found_is_an_empty_table() -> None:
    assert merge([CANDIDATES.empty_table()], 5).equals(CANDIDATES.empty_table())
    assert merge([CANDIDATES.empty_table(), cell([])], 5).schema.equals(CANDIDATES)
