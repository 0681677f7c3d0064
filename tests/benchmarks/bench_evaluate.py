"""How long an evaluation takes: `make bench-evaluate ARGS='--probes 10000 100000 --json FILE'`.

Lists of 50 candidates from a gallery of a million, half of the probes mated, two probes a person. Joining and checking
the tables, and the report with 1 000 bootstrap replicates are timed; of the report again apart: the figures of all of
the gallery, error rates over its size, and thresholds over its size. Peak memory is that of the process so far. Nothing
is asserted.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.error_rates import IdentificationSpec, measure
from facebatch.evaluate.growth import grow
from facebatch.evaluate.inputs import Inputs
from facebatch.evaluate.report import ReportSpec, gallery_sizes, report
from facebatch.evaluate.searches import Searches, collect
from facebatch.evaluate.threshold_growth import thresholds_at_sizes
from facebatch.evaluate.thresholds import threshold_at

Row = dict[str, Any]


def tables(probes: int, gallery: int, length: int) -> Inputs:
    """Labelled lists: the first half is mated, every twentieth of these with a mate that is not listed."""
    drawn = np.random.default_rng(0)
    number = np.arange(probes)
    person = number // 2
    stride = drawn.integers(1, gallery // length, probes)
    subject = (drawn.integers(0, gallery, probes)[person][:, None] + np.arange(length) * stride[:, None]) % gallery
    similarity = drawn.gumbel(0.2, 0.03, (probes, length)).astype(np.float32)
    mated = number < probes // 2
    similarity[mated, 0] = drawn.normal(0.55, 0.12, int(mated.sum()))
    mate = np.where(mated & (number % 20 > 0), subject[:, 0], (subject[:, 0] + 1) % gallery)
    order = np.argsort(-similarity, axis=1)
    probe = pl.Series("probe_id", number).cast(pl.String)
    candidates = pl.DataFrame(
        {
            "probe_id": probe.gather(np.repeat(number, length)),
            "rank": np.tile(np.arange(1, length + 1, dtype=np.int32), probes),
            "subject_id": np.take_along_axis(subject, order, axis=1).ravel(),
            "similarity": np.take_along_axis(similarity, order, axis=1).ravel(),
        }
    ).with_columns(pl.col("subject_id").cast(pl.String), template_id=pl.col("probe_id"))
    truth = pl.DataFrame({"probe_id": probe, "subject_id": mate, "person_id": person}).with_columns(
        pl.when(pl.Series(mated)).then(pl.col("subject_id").cast(pl.String)), pl.col("person_id").cast(pl.String)
    )
    subjects = pl.DataFrame({"subject_id": np.arange(gallery)}).cast(pl.String)
    return Inputs(candidates.lazy(), truth.lazy(), subjects.lazy(), length)


def timed(name: str, work: Callable[[], Any], row: Row) -> Any:
    """What comes of the work; wall and CPU seconds, of all cores, go into `row`."""
    started, busy = time.perf_counter(), time.process_time()
    found = work()
    row[f"{name}_seconds"] = round(time.perf_counter() - started, 3)
    row[f"{name}_cpu"] = round(time.process_time() - busy, 3)
    return found


def parts(searches: Searches, spec: ReportSpec, row: Row) -> None:
    """What a report is made of, one after another."""
    wanted, resample = spec.identification, spec.identification.resample
    sizes = gallery_sizes(searches.gallery.size, spec.sizes)
    thresholds = [threshold_at(searches, target) for target in wanted.targets]
    timed("measure", lambda: measure(searches, wanted), row)
    timed("growth", lambda: [grow(searches, sizes, threshold, resample) for threshold in thresholds], row)
    timed("thresholds", lambda: thresholds_at_sizes(searches, sizes, wanted.targets, resample), row)


def race(probes: int, gallery: int, length: int, replicates: int) -> Row:
    """One size."""
    inputs = tables(probes, gallery, length)
    spec = ReportSpec(identification=IdentificationSpec(resample=ResampleSpec(replicates=replicates)))
    row: Row = {"probes": probes, "gallery": gallery, "length": length, "replicates": replicates}
    searches = timed("collect", lambda: collect(inputs), row)
    figures = timed("report", lambda: report(searches, spec), row).identification
    parts(searches, spec, row)
    last = figures.targets[-1]
    missed = None if last.rates is None else last.rates.fnir.counted
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return row | {"peak_mib": peak, "threshold": last.threshold, "fnir": missed and missed.value}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--probes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--gallery", type=int, default=1_000_000)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = [race(n, arguments.gallery, arguments.length, arguments.replicates) for n in arguments.probes]
    table = Table(*(name.replace("_", " ") for name in rows[0]))
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=170).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
