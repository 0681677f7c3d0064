"""The files of an evaluation's report, under names that no other evaluation has."""

from dataclasses import dataclass

from facebatch.evaluate.differentials import Differentials
from facebatch.evaluate.report import CostRow, Occasion, Report
from facebatch.gallery.figures import GateFigure
from facebatch.pipelines.evaluate_files import costs_table, figures_json, figures_table
from facebatch.pipelines.evaluate_page import render
from facebatch.storage.digest import digest
from facebatch.storage.parquet import write_table
from facebatch.storage.store import ObjectStore


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """All that one evaluation has to tell."""

    occasion: Occasion
    report: Report
    differentials: Differentials
    limits: tuple[GateFigure, ...]
    costs: tuple[CostRow, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """Where the report is."""

    page: str
    """URI."""
    figures_sha256: str
    """Of the JSON file."""


def write_report(store: ObjectStore, told: Told) -> Written:
    """Write evaluate-<snapshot>-<moment>-<search>.html, .json, .parquet and, beside them, .costs.parquet; a put, since
    nobody else has that name. Figures are the same bytes for the same search and settings, costs hold times.
    """
    occasion = told.occasion
    moment = f"{occasion.at:%Y%m%dT%H%M%S}{occasion.at.microsecond // 1000:03d}Z"
    name = f"evaluate-{occasion.snapshot:06d}-{moment}-{occasion.search[:8]}"
    figures = figures_json(occasion, told.report, told.differentials, told.limits, told.costs)
    table = figures_table(told.report, told.differentials)
    store.put(f"{name}.json", figures)
    store.put(f"{name}.parquet", write_table(table, kind="figures", model=occasion.model or None))
    costs = costs_table(told.costs)
    store.put(f"{name}.costs.parquet", write_table(costs, kind="costs", model=occasion.model or None))
    page = render(occasion, told.report, told.differentials, told.limits, told.costs)
    store.put(f"{name}.html", page.encode())
    return Written(f"{store.uri}/{name}.html", digest(figures))
