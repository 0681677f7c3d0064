"""demo: the whole way on real photographs, on local Ray and local disk, with a table and a page to look at."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from facebatch.config import EmbedConfig, IndexConfig, MatchConfig
from facebatch.errors import ConfigError, ModelPackError
from facebatch.faces import packs
from facebatch.faces.catalogue import OFFICIAL
from facebatch.faces.pull import pull
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.governance.facts import Facts, RequesterFacts
from facebatch.images.source import FieldsSpec, SourceSpec
from facebatch.match.settings import MatchSpec
from facebatch.pipelines import demo_cases, demo_page, embed, index, match
from facebatch.pipelines.cases import CasesReport
from facebatch.pipelines.finding import read_finding
from facebatch.pipelines.photos import find_photos, write_shards
from facebatch.runtime.executor import RunSpec
from facebatch.runtime.open import open_executor
from facebatch.spec import Spec
from facebatch.telemetry.progress import Progress

MARKER = ".facebatch-demo"
"""Lies in a folder this command made, and may therefore empty."""
NEARBY_MODELS = Path("../shared/models")
"""Where a checkout may have model packs beside it."""
DEVELOPMENT_PACK = "open_yunet_omz"


class DemoConfig(Spec):
    """The demo's few settings."""

    images: str | None = None
    """Folder of photos, <subject>/<photo>.jpg or with labels.csv; absent: photos nearby or in installed packages."""
    probe_set: str = "smiling"
    """Photos whose `set` in labels.csv is this are the probes; without any, the second half of each subject's."""
    out: str = "demo-out"
    """Folder for shards, gallery, results and the page; emptied first when an earlier demo made it."""
    model: ModelSpec = ModelSpec()
    faces: FaceSpec = FaceSpec()
    """Of all photos. Of those that are probes, where nothing else is stated here, one with several faces is refused
    (keep: only, crowd: 3)."""
    run: RunSpec = RunSpec()


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demo did."""

    images: int
    ledger_rows: int
    """Gallery and probes together: one per image."""
    templates: int
    """Gallery and probes together."""
    probes: int
    rank1: float
    """Share of probes whose subject is first on the candidate list; a probe without a template counts as a miss."""
    seconds: dict[str, float]
    """Wall time per stage."""
    report: str
    """Path of the HTML page."""
    cases: CasesReport | None
    """Of the cases that were made of the same photos; None: these photos allow none."""

    def summary(self) -> dict[str, str]:
        """The same for people."""
        hits = round(self.rank1 * self.probes)
        stages = {name: f"{seconds:.1f} s" for name, seconds in self.seconds.items()}
        rows = "one ledger row each" if self.ledger_rows == self.images else f"{self.ledger_rows} ledger rows"
        return {
            "rank-1 hits": f"{hits} of {self.probes} probes ({self.rank1:.3f})",
            "images": f"{self.images}, {rows}",
            "templates": str(self.templates),
            **stages,
            **self._of_cases(),
            "look at": self.report,
        }

    def _of_cases(self) -> dict[str, str]:
        if self.cases is None:
            return {}
        ran = self.cases
        told = f"{ran.outcomes.get('ok', 0)} of {ran.probes} probes searched, {ran.with_candidates} with candidates"
        return {"made-up cases": f"{ran.cases}, {ran.refused} refused; {told}", "case sheets": ran.index}


class Clock:
    """Wall time per stage, in order."""

    def __init__(self) -> None:
        """No stage yet."""
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Note how long the block takes."""
        started = time.monotonic()
        yield
        self.seconds[stage] = round(time.monotonic() - started, 2)


def run(config: DemoConfig, progress: Progress) -> DemoReport:
    """Build shards, embed, index, match, count rank-1 hits, make cases and carry them out, write the page."""
    model = choose_pack(config.model)
    sitting = find_photos(config.images, config.probe_set)
    out = prepare(Path(config.out))
    jobs = _jobs(config, model, out)
    clock = Clock()
    with clock.time("shards"):
        write_shards(sitting.gallery, out / "shards/gallery")
        write_shards(sitting.probes, out / "shards/probes")
    with ExitStack() as stack:
        with clock.time("start"):
            stack.enter_context(open_executor(config.run))
        with clock.time("embed"):
            embed.run(jobs.embed, progress)
        with clock.time("index"):
            index.run(jobs.index, progress)
        with clock.time("match"):
            match.run(jobs.match, progress)
        finding = read_finding(jobs.match, sitting)
        with clock.time("cases"):
            made = demo_cases.run(jobs.match, jobs.embed.source, finding, sitting, progress)
    with clock.time("page"):
        page = demo_page.write(finding, sitting, made, out / "demo.html")
    return DemoReport(
        images=len(sitting.gallery) + len(sitting.probes),
        ledger_rows=finding.snapshot.images + finding.manifest.images,
        templates=finding.snapshot.templates + finding.manifest.probes,
        probes=len(sitting.probes),
        rank1=finding.rank1_hits / len(sitting.probes),
        seconds=clock.seconds,
        report=str(page),
        cases=made.report,
    )


@dataclass(frozen=True, slots=True)
class Jobs:
    """The three configs of a demo."""

    embed: EmbedConfig
    index: IndexConfig
    match: MatchConfig


def _jobs(config: DemoConfig, model: ModelSpec, out: Path) -> Jobs:
    def shards(name: str) -> SourceSpec:
        return SourceSpec(uri=str(out / "shards" / name), kind="tar", fields=FieldsSpec(image_id="image_id"))

    gallery, faces, run = str(out / "gallery"), config.faces, config.run
    request = Facts(purpose="system_test", case_id="demo", requester=RequesterFacts(agency="demo"))
    return Jobs(
        EmbedConfig(gallery=gallery, source=shards("gallery"), model=model, faces=faces, run=run),
        IndexConfig(gallery=gallery, run=run),
        MatchConfig(
            gallery=gallery,
            results=str(out / "results"),
            request=request,
            probes=shards("probes"),
            model=model,
            faces=faces,
            match=MatchSpec(unevaluated=True),
            run=run,
        ),
    )


def choose_pack(model: ModelSpec) -> ModelSpec:
    """The pack asked for, else the development pack when it is there, else the offer to pull."""
    try:
        packs.find_pack(model)
    except ModelPackError:
        if model.pack != ModelSpec().pack:
            raise
    else:
        return model
    for place in (os.environ.get("FACEBATCH_MODELS"), str(NEARBY_MODELS)):
        if place and (Path(place) / DEVELOPMENT_PACK).is_dir():
            return model.model_copy(update={"pack": DEVELOPMENT_PACK, "packs": str(Path(place).resolve())})
    return _offer(model)


def _offer(model: ModelSpec) -> ModelSpec:
    command = f"facebatch models pull {model.pack} --accept-licence"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ModelPackError(f"no model pack on this machine; with network access, get one with `{command}`")
    terms = OFFICIAL[model.pack].terms
    sys.stderr.write(f"No model pack on this machine. {model.pack} comes under these terms:\n\n{terms}\n")
    sys.stderr.write("Download it and accept them? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise ModelPackError(f"no model pack; get one later with `{command}`")
    pull(model.pack, packs.pack_directories(model)[0], accept_licence=True)
    return model


def prepare(out: Path) -> Path:
    """An empty folder of our own; ConfigError when something else lies there."""
    if out.exists():
        if any(out.iterdir()) and not (out / MARKER).exists():
            raise ConfigError(f"{out} is not empty and was not made by an earlier demo; choose another with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / MARKER).touch()
    return out.resolve()
