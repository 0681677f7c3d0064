"""Packs of a test beside the floor, and something that happens while a search runs."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from facebatch.governance.packs import PackSpec
from facebatch.governance.settings import PolicySpec
from facebatch.telemetry.progress import SilentProgress, Stage

NO_SKETCH = {
    "id": "sketch",
    "kind": "forbid",
    "cite": "RCW 43.386.080(6)",
    "message": "no sketches",
    "when": [{"fact": "probe.is_sketch", "op": "equals", "value": True}],
}
"""A rule about single probes."""


def frame(name: str, *rules: Mapping[str, Any]) -> dict[str, Any]:
    """A pack as its file has it, in force and reviewed in time, whose only case is an empty one."""
    return {
        "id": name,
        "version": "1",
        "title": name,
        "cite": f"law {name}",
        "source_url": "https://example.org",
        "reviewed_on": date(2026, 1, 1),
        "review_by": date(2027, 1, 1),
        "rules": [*rules],
        "cases": [{"name": "none", "day": date(2026, 1, 1)}],
    }


def pack_of(name: str, *rules: Mapping[str, Any], **parts: Any) -> PackSpec:
    """The same as an object, with other parts in place of these."""
    return PackSpec.model_validate({**frame(name, *rules), **parts})


def pack_file(folder: Path, *rules: Mapping[str, Any]) -> PolicySpec:
    """The same in a file, as settings name it. Written again, it is another pack from then on."""
    path = folder / "tested.yaml"
    path.write_text(yaml.safe_dump({**frame("tested", *rules), "review_by": date(2999, 1, 1)}))
    return PolicySpec(packs=(str(path),))


class Meanwhile(SilentProgress):
    """Something happens when a stage begins."""

    def __init__(self, stage: str, happens: Callable[[], object]) -> None:
        self._stage, self._happens = stage, happens

    def stage(self, name: str, *, total: int, unit: str) -> AbstractContextManager[Stage]:
        if name == self._stage:
            self._happens()
        return super().stage(name, total=total, unit=unit)
