"""An evaluation's figures for machines: canonical JSON with everything, and a table with a row per figure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import pyarrow as pa

from facebatch.evaluate.differentials import Differentials
from facebatch.evaluate.limits import approved
from facebatch.evaluate.report import CostRow, Occasion, Report
from facebatch.gallery.figures import GateFigure
from facebatch.pipelines.evaluate_band_rows import band_rows
from facebatch.pipelines.evaluate_group_rows import group_rows
from facebatch.pipelines.evaluate_rows import Row, rows_of
from facebatch.schemas import COSTS, FIGURES
from facebatch.storage.documents import canonical

NOTICE: Final = "Results are leads, never identifications."


def figures_json(
    occasion: Occasion,
    report: Report,
    differentials: Differentials | None,
    limits: Sequence[GateFigure],
    costs: Sequence[CostRow],
) -> bytes:
    """The occasion, the verdict with its limits, all figures, costs and findings; no ids of people, probes or images.

    A figure or a cost leaves out the columns it does not have. One without `value` was not measured, and `words` or
    `basis` say why. Times among the costs differ from run to run; all else follows from the search and the settings.
    """
    document = {
        "notice": NOTICE,
        "occasion": {**asdict(occasion), "at": occasion.at.isoformat()},
        "approved_for_use": approved(limits),
        "limits": [figure.model_dump(mode="json") for figure in limits],
        "figures": [_known(asdict(row)) for row in _rows(report, differentials)],
        "costs": [_known(asdict(cost)) for cost in costs],
        "findings": [
            {"name": found.name, "rows": found.rows, "weight": found.weight, "words": found.words}
            for found in report.findings
        ],
    }
    return canonical(document)


def figures_table(report: Report, differentials: Differentials | None) -> pa.Table:
    """`schemas.FIGURES`: the same figures as those of the JSON, in the same order."""
    return pa.Table.from_pylist([asdict(row) for row in _rows(report, differentials)], schema=FIGURES)


def costs_table(costs: Sequence[CostRow]) -> pa.Table:
    """`schemas.COSTS`: the same costs as those of the JSON, in the same order."""
    return pa.Table.from_pylist([asdict(cost) for cost in costs], schema=COSTS)


def _rows(report: Report, differentials: Differentials | None) -> Iterator[Row]:
    yield from rows_of(report)
    yield from band_rows(report.bands) if report.bands else ()
    yield from group_rows(differentials) if differentials else ()


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}
