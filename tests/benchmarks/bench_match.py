"""Bulk match against its peers, interleaved, on one clustered gallery: `make bench-match ARGS='--json FILE'`.

Nothing is asserted. The rows of `--json` are `benchmarks.outcome.Outcome`; see `race` for how the timing is done.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.approximate import approximate, open_graphs, open_truth
from benchmarks.competitors import PEERS, Competitor, exact, installed
from benchmarks.cores import Limiter, confine
from benchmarks.forms import MODES, Forms, open_forms
from benchmarks.outcome import Outcome, outcomes, show
from benchmarks.race import CLOCKS, Course, race
from facebatch.match.kernel_paths import KernelPath, available_paths

TUNING_PROBES = 1_020
"""Probes that say how high `ef` must be."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gallery", type=int, default=200_000, help="templates, three a subject")
    parser.add_argument("--probes", type=int, nargs="+", default=[1020], help="half of them with mates in the gallery")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--modes", nargs="+", choices=sorted(MODES), default=list(MODES))
    parser.add_argument("--rounds", type=int, default=3, help="and one before them that only warms up")
    parser.add_argument("--threads", type=int, default=2, help="cores for every competitor")
    paths = [str(path) for path in available_paths()]
    parser.add_argument("--paths", nargs="+", choices=paths, default=paths, help="of this package")
    peers = "exact peers; usearch and scann are slow, and skipped where they are not installed"
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help=peers)
    parser.add_argument("--ann", action="store_true", help="also HNSW of FAISS and hnswlib, at equal recall of hits")
    parser.add_argument("--ann-gallery", type=int, default=50_000, help="templates for --ann; graphs build slowly")
    clocks = "cpu: process time, for --threads 1 on a machine that is shared"
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall", help=clocks)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def compare_exact(arguments: argparse.Namespace) -> list[Outcome]:
    """Every exact competitor, at each number of probes, in each mode."""
    forms = open_forms(arguments.gallery, max(arguments.probes), arguments.dim, arguments.threads)
    paths, peers = [KernelPath(path) for path in arguments.paths], installed(arguments.peers)
    found = []
    for probes in arguments.probes:
        some = forms.few(probes)
        for mode in arguments.modes:
            found += _run(exact(some, MODES[mode], paths, peers), some, mode, arguments)
    return found


def compare_approximate(arguments: argparse.Namespace) -> list[Outcome]:
    """Graph indexes beside FAISS Flat and this package's fastest path, on a gallery of their own."""
    most = max(*arguments.probes, TUNING_PROBES)
    forms = open_forms(arguments.ann_gallery, most, arguments.dim, arguments.threads)
    graphs, truth = open_graphs(forms), open_truth(forms.few(TUNING_PROBES))
    fastest = [KernelPath(path) for path in arguments.paths[:1]]
    found = []
    for probes in arguments.probes:
        some = forms.few(probes)
        for mode in arguments.modes:
            competitors = exact(some, MODES[mode], fastest, ())
            competitors += approximate(some, MODES[mode], graphs, truth)
            found += _run(competitors, some, mode, arguments)
    return found


def _run(competitors: list[Competitor], forms: Forms, mode: str, arguments: argparse.Namespace) -> list[Outcome]:
    course = Course(arguments.rounds, forms.cores, arguments.clock, Limiter(forms.cores), forms.pool)
    times = race(competitors, course)
    rows = list(outcomes(competitors, times, forms, mode))
    show(rows)
    return rows


def main() -> None:
    arguments = parse()
    confine(arguments.threads)
    found = compare_exact(arguments)
    if arguments.ann:
        found += compare_approximate(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in found], indent=1) + "\n")


if __name__ == "__main__":
    main()
