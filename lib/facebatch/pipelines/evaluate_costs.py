"""What templates and searches of an evaluation took, from what its jobs recorded; at other sizes: `evaluate_speed`."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import numpy as np

from facebatch.evaluate.approximation import Approximation, compare
from facebatch.evaluate.bootstrap import ResampleSpec
from facebatch.evaluate.report import CostRow
from facebatch.evaluate.searches import Searches
from facebatch.gallery.commits import committed_keys, find_commit, read_part
from facebatch.match.cells import CellCommit
from facebatch.match.memory import code_bytes, vector_bytes
from facebatch.pipelines.search import SearchManifest
from facebatch.storage import layout
from facebatch.storage.documents import load
from facebatch.storage.open import open_store
from facebatch.storage.parquet import read_table
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore

_STAGES = ("decode_ms", "detect_ms", "embed_ms")
_MILLION = 1_000_000


def costs(search: str, manifest: SearchManifest, dim: int, s3: S3Spec) -> tuple[CostRow, ...]:
    """Bytes of a template, milliseconds of a probe image by stage, milliseconds of a core for a search."""
    probes = open_store(layout.below(search, "probes"), s3)
    return (*_bytes(dim), *_template_times(probes), *_searches(search, manifest, s3))


def losses(exact: Searches, found: Searches, resample: ResampleSpec) -> tuple[CostRow, ...]:
    """What approximate lists lose against exact ones, at rank 1, 10 and L: candidates, and mates."""
    ranks = sorted({rank for rank in (1, 10, found.length) if rank <= min(exact.length, found.length)})
    return tuple(chain.from_iterable(_lost(compare(exact, found, rank, resample)) for rank in ranks))


def _lost(one: Approximation) -> Iterator[CostRow]:
    recall = one.recall
    if recall.value is not None:
        basis = f"{recall.count} of {recall.n} candidates of the exact lists, with its 95 % interval"
        row = CostRow(f"recall@{one.k}", recall.value, "of exact lists", basis, low=recall.low, high=recall.high)
        yield replace(row, count=recall.count, n=recall.n, people=recall.people, method=recall.method)
    if one.penalty is not None and one.interval is not None:
        low, high = one.interval
        mates = one.fnir
        basis = f"FNIR(N, {one.k}) beyond that of exact lists, of {mates.n} searches, with its 95 % interval"
        row = CostRow(f"mates lost at rank {one.k}", one.penalty, "of searches", basis, low=low, high=high)
        yield replace(row, count=mates.count - one.exact_fnir.count, n=mates.n, people=mates.people, method=one.method)


def _bytes(dim: int) -> Iterator[CostRow]:
    stored = vector_bytes(1, dim)
    scanned = code_bytes(_MILLION, dim) / _MILLION
    yield CostRow("a template, stored", stored, "bytes", f"{dim} numbers of 16 bits, before compression")
    yield CostRow("a template, in a segment", stored + scanned, "bytes", "vector and 8-bit code, without ids")


def _template_times(probes: ObjectStore) -> Iterator[CostRow]:
    """Medians over the probe images that gave a template."""
    tables = []
    for key in sorted(committed_keys(probes)):
        commit = find_commit(probes, key)
        if commit is not None:
            part = commit.timings
            tables.append(read_table(read_part(probes, part), kind="timings", origin=part.key))
    for stage in _STAGES:
        taken = np.concatenate([table[stage].to_numpy() for table in tables]) if tables else np.empty(0)
        taken = taken[taken > 0]
        if len(taken):
            name = f"{stage.removesuffix('_ms')} a probe"
            low, median, high = np.quantile(taken, (0.25, 0.5, 0.75)).tolist()
            basis = f"median and middle half of {len(taken)} images, one core"
            yield CostRow(name, median, "ms", basis, low=low, high=high, count=len(taken), method="quartiles")


def _searches(search: str, manifest: SearchManifest, s3: S3Spec) -> Iterator[CostRow]:
    """Scan time of all cells, shared by the probes."""
    cells = open_store(layout.below(search, "cells"), s3)
    found = [load(CellCommit, cells.get(info.key), origin=info.key) for info in cells.list(layout.COMMITS)]
    seconds = [cell.seconds["scan"] for cell in found if "scan" in cell.seconds]
    if seconds and manifest.probes:
        each = 1000 * sum(seconds) / manifest.probes
        basis = f"one core, {manifest.probes} probes together, N = {manifest.rows_scanned} templates"
        yield CostRow("a search", each, "ms", basis)
