"""What a decision costs, and the check of its token: `make bench-policy ARGS='--json FILE'`.

Each call is timed by itself, by the CPU time of its thread, so that other work on the machine does not count; told are
the median and the 99th percentile of all calls. The ten packs are the ten largest of the example packs. `nothing
stated` is the request for which most is to be done: every pack has it in its scope, and all that can deny does. Nothing
is asserted; `within 1 ms` says whether 99 of 100 calls keep to the cost that was set.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.table import Table

from facebatch.governance import policy, tokens, verdict
from facebatch.governance.facts import Facts, with_changes
from facebatch.governance.packs import PackSpec
from facebatch.governance.signing import public
from facebatch.governance.tokens import Binding
from facebatch.pipelines.policy_files import read_packs
from infra.tree import ROOT

BUDGET_MS = 1.0
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
STATED = with_changes(
    Facts(),
    {
        "action": "search",
        "purpose": "criminal_investigation",
        "offence.categories": ("violent_crime",),
        "case_id": "EXAMPLE-CASE-0000",
        "narrative": "An example of a narrative.",
        "requester.agency": "Example unit",
        "requester.sector": "law_enforcement",
        "requester.jurisdiction": "US-MD",
        "requester.training_date": "2026-06-01",
        "authority.kind": "warrant",
        "probe.media_kind": "still",
        "probe.quality": 70.0,
        "probe.lawful_collection": True,
        "gallery.evaluated": True,
        "media.live": False,
        "media.tracking": False,
        "event_contexts": (),
    },
)
Row = dict[str, Any]


def timed(name: str, work: Callable[[], object], calls: int) -> Row:
    """Milliseconds of each of so many calls, after a tenth as many that do not count."""
    taken = np.empty(calls)
    for number in range(-(calls // 10), calls):
        begun = time.thread_time_ns()
        work()
        spent = time.thread_time_ns() - begun
        if number >= 0:
            taken[number] = spent / 1e6
    median, high = (round(float(value), 4) for value in np.percentile(taken, [50, 99]))
    return {"what": name, "calls": calls, "median_ms": median, "p99_ms": high, "within_1_ms": high < BUDGET_MS}


def decisions(packs: Sequence[PackSpec], calls: int) -> Iterator[Row]:
    """Ten packs and all, for a request that states its facts and for one that states nothing."""
    largest = sorted(packs, key=lambda pack: (-len(pack.rules), pack.id))[:10]
    for chosen in (largest, packs):
        for name, facts in (("facts stated", STATED), ("nothing stated", Facts())):
            what = f"decide, {len(chosen)} packs, {name}"
            yield timed(what, partial(verdict.decide, chosen, facts, AT), calls)


def token_rows(calls: int) -> Iterator[Row]:
    """Signing once for a search, and the check that a worker makes before it reads."""
    decision, signer = policy.decide(STATED, (), AT), Ed25519PrivateKey.generate()
    binding = Binding(
        request=decision.request_sha256,
        packs=tuple(sorted(decision.digests.values())),
        results="memory://results/search",
        probe_set="ab" * 32,
        gallery="memory://gallery",
        snapshot=1,
    )
    token, trusted = tokens.issue(decision, binding, signer, now=AT), frozenset({public(signer)})
    yield timed("issue a token", partial(tokens.issue, decision, binding, signer, now=AT), calls)
    yield timed("check a token", partial(tokens.check, token, binding, trusted, now=AT), calls)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packs", type=Path, default=ROOT / "configs" / "policies")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = [*decisions(read_packs(arguments.packs), arguments.calls), *token_rows(arguments.calls)]
    table = Table(*(name.replace("_", " ") for name in rows[0]))
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=100).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
