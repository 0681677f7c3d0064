"""What fusing the looks of a probe is worth: `make bench-fusion ARGS='--draws 6 --json FILE'`.

Real photos of FACEBATCH_DATA, one of each person enrolled as it is, the others degraded to poor media
(`degraded_frames`) and searched by each method (`fused_searches`). Thresholds, FNIR and their 95 % intervals, which are
over people and count in that the threshold was estimated, are those of `facebatch.evaluate`. The difference to the
default is over the same resamples. London has one photo a person to degrade, so that its media differ in how poor they
are and in nothing else; ORL has nine, and is also told by itself. Nothing is asserted.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.degraded_frames import Camera, people
from benchmarks.fused_searches import Method, Rating, World, search
from facebatch.evaluate.bootstrap import ResampleSpec, spread
from facebatch.evaluate.error_rates import at_targets
from facebatch.evaluate.identification import fnir
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.thresholds import fnir_replicates, threshold_replicates
from facebatch.faces.fusion import FusionSpec
from facebatch.faces.settings import ModelSpec

TARGETS = (0.01, 0.1)
RESAMPLES = ResampleSpec()
WIDTH = 170
"""Columns of the table."""
DEFAULT = Method("default", FusionSpec())
METHODS = (
    Method("one frame at random", FusionSpec(method="best"), one=True),
    Method("best frame", FusionSpec(method="best")),
    Method("plain mean", FusionSpec(method="mean")),
    *(Method(f"weighted, power {power}", FusionSpec(method="weighted", power=power)) for power in (1, 2, 4)),
    *(Method(f"top {k}", FusionSpec(k=k)) for k in (2, 3, 4, 6, 8)),
    *(Method(f"top 4, power {power}", FusionSpec(k=4, power=power)) for power in (0, 2, 4)),
    Method("weighted, media pooled", FusionSpec(method="weighted"), pooled=True),
    Method("top 4, media pooled", FusionSpec(k=4), pooled=True),
    *(Method(f"top 4, by {by.replace('_', ' ')}", FusionSpec(k=4), by=by) for by in get_args(Rating)[1:]),
    Method("max over frames", None),
)
Row = dict[str, Any]


def world(arguments: argparse.Namespace) -> World:
    """Embeds everything: some 40 ms a frame on one core."""
    camera = Camera(
        ModelSpec(pack=arguments.pack, threads=arguments.threads),
        arguments.far,
        one_photo_a_medium=arguments.one_photo_a_medium,
    )
    found = people(Path(os.environ["FACEBATCH_DATA"]))[:: arguments.every]
    enrolled = [camera.enrol(person) for person in found]
    probes = [
        (number, looks)
        for number, person in enumerate(track(found, console=Console(stderr=True)))
        for looks in camera.probes(person, arguments.draws, number)
    ]
    gallery = np.stack([one.vector for one in enrolled])
    return World(found, gallery, probes, camera.centroid(found, enrolled))


def row(method: Method, searches: Searches, default: Searches) -> Row:
    """Figures of one method."""
    points = at_targets(searches, TARGETS, RESAMPLES)
    differences = spread(_replicates(searches) - _replicates(default))
    labels = searches.groups["set"]
    parts = {name: searches.select(labels.codes == code) for code, name in enumerate(labels.names)}
    found: Row = {"method": method.name}
    for point, difference in zip(points, differences, strict=True):
        if point.rates is None or point.threshold is None:
            raise SystemExit(f"{point.words}; raise --draws")
        missed = point.rates.fnir.counted
        found[f"fpir_{point.target:g}"] = {
            "threshold": point.threshold,
            "fnir": missed.value,
            "fnir_by_set": {name: fnir(part, threshold=point.threshold).value for name, part in parts.items()},
            "interval": [missed.low, missed.high],
            "count": missed.count,
            "searches": missed.n,
            "people": missed.people,
            "non_mated": point.searches,
            "non_mated_people": point.people,
            "minus_default": difference,
        }
    return found


def _replicates(searches: Searches) -> np.ndarray:
    return fnir_replicates(searches, threshold_replicates(searches, TARGETS, RESAMPLES), RESAMPLES)


def show(rows: list[Row], title: str) -> None:
    """One table."""
    names = ("T", "FNIR", "of ORL", "minus default")
    heads = [f"{name}\nFPIR {target:.0%}" for target in TARGETS for name in names]
    table = Table("", *heads, title=title)
    for one in rows:
        cells = []
        for target in TARGETS:
            point = one[f"fpir_{target:g}"]
            low, high = point["interval"]
            less, more = point["minus_default"]
            cells += [f"{point['threshold']:.3f}", f"{point['fnir']:.3f} ({low:.3f}, {high:.3f})"]
            cells += [f"{point['fnir_by_set']['orl']:.3f}", f"{less:+.3f}, {more:+.3f}"]
        table.add_row(one["method"], *cells)
    Console(width=WIDTH).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="open_yunet_omz")
    parser.add_argument("--draws", type=int, default=6, help="probes of each person")
    parser.add_argument("--far", type=float, default=0.8, help="share of media from far away")
    parser.add_argument("--every", type=int, default=1, help="take every nth person only")
    parser.add_argument("--one-photo-a-medium", action="store_true", help="frames of a medium show one photo")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.threads)
    seen = world(arguments)
    default = search(seen, DEFAULT)
    rows = [row(method, search(seen, method), default) for method in METHODS]
    frames = sum(len(looks) for _, looks in seen.probes)
    title = f"{len(seen.probes)} probes of {len(seen.people)} people, {frames} looks; gallery of {len(seen.gallery)}"
    show(rows, title)
    if arguments.json:
        facts = {"arguments": {name: str(value) for name, value in vars(arguments).items()}, "title": title}
        arguments.json.write_text(json.dumps(facts | {"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
