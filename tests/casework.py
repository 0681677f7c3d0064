"""Cases on real photos against a small gallery, through the job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from facebatch.config import CasesConfig
from facebatch.governance.facts import Facts, RequesterFacts
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import cases
from facebatch.pipelines.cases import CasesReport
from facebatch.pipelines.search import SearchManifest, find_search
from facebatch.storage.local import LocalStore
from worlds import QUIET, World

ASKED = Facts(purpose="system_test", requester=RequesterFacts(agency="tests"))

Case = Mapping[str, Any]


@dataclass(frozen=True)
class Desk:
    """Where cases of a test are written to and searched from."""

    world: World

    @property
    def root(self) -> Path:
        return self.world.root

    @property
    def people(self) -> list[str]:
        return sorted(path.name for path in (self.root / "gallery-photos").iterdir())

    def photo(self, person: str) -> str:
        """Of somebody in the gallery, not the enrolled one."""
        return str(next((self.root / "probe-photos" / person).iterdir()))

    def config(self, listed: Sequence[Case], **changes: object) -> CasesConfig:
        manifest = self.root / "cases.yaml"
        manifest.write_text(yaml.safe_dump({"cases": [dict(case) for case in listed]}))
        config = CasesConfig(
            gallery=str(self.root / "gallery"),
            results=str(self.root / "results"),
            cases=str(manifest),
            request=ASKED,
            model=self.world.model,
            match=MatchSpec(unevaluated=True, length=3),
            run=self.world.run,
        )
        return config.model_copy(update=changes)

    def run(self, listed: Sequence[Case], **changes: object) -> CasesReport:
        report = cases.run(self.config(listed, **changes), QUIET)
        assert isinstance(report, CasesReport)
        return report

    @property
    def results(self) -> LocalStore:
        return LocalStore(self.root / "results")

    def manifests(self) -> dict[str, list[SearchManifest]]:
        """Certificates of all finished searches, by case."""
        found: dict[str, list[SearchManifest]] = {}
        for info in self.results.list():
            if info.key.endswith("/manifest.json") and not info.key.startswith("runs/"):
                manifest = find_search(LocalStore(self.root / "results" / info.key.partition("/")[0]))
                assert manifest is not None
                found.setdefault(str(manifest.request.case_id), []).append(manifest)
        return {case: sorted(each, key=lambda manifest: manifest.snapshot) for case, each in found.items()}


def case_of(name: str, *media: Mapping[str, Any], probe: str = "p1", **more: Any) -> dict[str, Any]:
    """A case with one probe."""
    return {"case_id": name, "probes": [{"probe_id": probe, "media": [dict(each) for each in media]}], **more}
