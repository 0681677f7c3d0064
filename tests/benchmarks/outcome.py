"""What a race gave: one row for each competitor, and the rows as a table."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.competitors import Competitor
from benchmarks.equality import Definition
from benchmarks.forms import MODES, Forms
from benchmarks.race import Times

WIDTH = 120
"""Columns of a table in a file or a narrow terminal."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One competitor in one mode. None: does not apply."""

    name: str
    mode: str
    probes: int
    gallery: int
    dim: int
    threads: int
    seconds: float
    """Median of the rounds."""
    ratio_vs_faiss_flat: float
    """Median of the rounds' ratios; above 1 is faster than FAISS."""
    share_of_int8_peak: float | None
    """Of the whole scan, not of its kernel alone."""
    int8_peak: float | None
    """Operations per second of all cores together, median of the rounds."""
    equal_to_float32: bool | None
    """Whether rows and scores are those of the definition for all pairs, bit for bit."""
    recall_of_hits: float | None
    recall_at_10: float | None
    note: str


def outcomes(competitors: list[Competitor], times: Times, forms: Forms, mode: str) -> Iterator[Outcome]:
    """In the order of the competitors."""
    definition = Definition(forms, MODES[mode])
    rows, dim = forms.wide_gallery.shape
    for one in competitors:
        seconds = times.median(one.name)
        ours = one.path is not None
        share = forms.operations / seconds / times.peak if ours and times.peak else None
        yield Outcome(
            name=one.name,
            mode=mode,
            probes=len(forms.probes),
            gallery=rows,
            dim=dim,
            threads=forms.cores,
            seconds=round(seconds, 6),
            ratio_vs_faiss_flat=round(times.ratio(one.name), 3),
            share_of_int8_peak=None if share is None else round(share, 3),
            int8_peak=times.peak,
            equal_to_float32=definition.equals(times.found[one.name]) if ours else None,
            recall_of_hits=None if one.quality is None else round(one.quality.recall_of_hits, 4),
            recall_at_10=None if one.quality is None else round(one.quality.recall_at_10, 4),
            note=one.note,
        )


def show(rows: list[Outcome]) -> None:
    """One race."""
    first = rows[0]
    title = f"{first.mode}: {first.probes} probes x {first.gallery} templates x {first.dim}, {first.threads} threads"
    if first.int8_peak:
        title += f", int8 peak {first.int8_peak / 1e9:.0f} GOP/s"
    approximate = any(row.recall_of_hits is not None for row in rows)
    heads = ["", "seconds", "x faiss Flat", "of int8 peak", "equal"]
    table = Table(*heads, *(["hits", "recall@10"] if approximate else []), "")
    for row in rows:
        cells = [row.name, f"{row.seconds:.4g}", f"{row.ratio_vs_faiss_flat:.2f}", _number(row.share_of_int8_peak)]
        cells.append({True: "yes", False: "NO", None: ""}[row.equal_to_float32])
        if approximate:
            cells += [_number(row.recall_of_hits), _number(row.recall_at_10)]
        table.add_row(*cells, row.note)
    console = Console(width=max(Console().width, WIDTH))
    console.print(title)
    console.print(table)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
