"""The command line: flags and a YAML file over the same models, one line per error, `--json` for programs."""

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Dict
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from facebatch import __version__
from facebatch.config import EmbedConfig, IndexConfig, MatchConfig, read_yaml
from facebatch.errors import FacebatchError
from facebatch.faces import packs
from facebatch.faces.catalogue import OFFICIAL
from facebatch.faces.open import open_models
from facebatch.faces.pull import pull
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.pipelines import demo as demo_pipeline
from facebatch.pipelines import embed as embed_pipeline
from facebatch.pipelines import index as index_pipeline
from facebatch.pipelines import match as match_pipeline
from facebatch.pipelines.demo import DemoConfig
from facebatch.telemetry import logs
from facebatch.telemetry.progress import Progress, open_progress

Flat = Parameter(name="*")
"""A config's keys are flags of their own: --source.uri, --run.workers."""


@Parameter(name="*")
@dataclasses.dataclass(frozen=True)
class Output:
    """How a command speaks."""

    json: Annotated[bool, Parameter(negative="")] = False
    """Print one JSON object on standard output and nothing else."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """No progress."""
    log: Literal["warning", "info", "debug"] = "warning"
    """Level of the log on standard error."""

    def start(self) -> Progress:
        """Set up logging; the progress display to use."""
        logs.configure(self.log.upper(), json=self.json)
        return open_progress("none" if self.quiet or self.json else "auto")

    def show(self, title: str, result: object) -> None:
        """A result as a table, or as JSON."""
        values = _plain(result)
        if self.json:
            sys.stdout.write(json.dumps(values, default=str) + "\n")
            return
        table = Table(show_header=False)
        for key, value in values.items():
            table.add_row(key, _words(value))
        console = Console()
        console.print(title, table, sep="\n")


Flag = Annotated[bool, Parameter(negative="")]
DryRun = Annotated[bool, Parameter(negative="", help="Print the plan and write nothing.")]

app = App(
    name="facebatch",
    result_action="return_value",
    version=__version__,
    help="Face templates, galleries, bulk matches. Leads, never identifications.",
)
models_app = App(name="models", help="Model packs: list, check, pull.")
app.command(models_app)


@app.command
def embed(config: Annotated[EmbedConfig, Flat], output: Output = Output(), *, dry_run: DryRun = False) -> None:
    """Turn image shards into templates and publish a gallery snapshot."""
    result = embed_pipeline.run(config, output.start(), dry_run=dry_run)
    output.show("embed: the plan" if dry_run else "embed", result)


@app.command
def index(config: Annotated[IndexConfig, Flat], output: Output = Output(), *, dry_run: DryRun = False) -> None:
    """Build FAISS segments of the head snapshot and publish a snapshot that lists them."""
    result = index_pipeline.run(config, output.start(), dry_run=dry_run)
    output.show("index: the plan" if dry_run else "index", result)


@app.command
def match(config: Annotated[MatchConfig, Flat], output: Output = Output(), *, dry_run: DryRun = False) -> None:
    """Search an allowed request's probes in a snapshot; write candidate lists and a coverage certificate."""
    result = match_pipeline.run(config, output.start(), dry_run=dry_run)
    output.show("match: the plan" if dry_run else "match (candidates are leads, not identifications)", result)


@app.command
def demo(config: Annotated[DemoConfig, Flat] = DemoConfig(), output: Output = Output()) -> None:
    """Run embed, index and match on real photographs and write a page to look at."""
    report = demo_pipeline.run(config, output.start())
    output.show("demo (candidates are leads, not identifications)", report if output.json else report.summary())


@models_app.command(name="list")
def list_models(model: Annotated[ModelSpec, Flat] = ModelSpec(), output: Output = Output()) -> None:
    """Packs on this machine, and official packs that can be pulled."""
    output.start()
    found = {listing.name: _state(listing) for listing in packs.list_packs(model)}
    offered = {
        name: f"can be pulled; {pack.licence}{', research only' if pack.research_only else ''}; {pack.publisher}"
        for name, pack in OFFICIAL.items()
        if name not in found
    }
    output.show("model packs", {**found, **offered})


@models_app.command
def check(model: Annotated[ModelSpec, Flat] = ModelSpec(), output: Output = Output()) -> None:
    """Verify a pack's checksums, open its networks, and print its card."""
    output.start()
    card, _, _ = open_models(model.model_copy(update={"accept_research_only": True}), FaceSpec())
    output.show(f"model pack {card.name}", card)


@models_app.command(name="pull")
def pull_models(name: str, output: Output = Output(), *, to: Path | None = None, accept_licence: Flag = False) -> None:
    """Download a pack from its publisher, verify it, and put it in place. Never done by a worker.

    Parameters
    ----------
    name
        Name of the pack, as `models list` shows it.
    to
        Directory of packs; absent: FACEBATCH_MODELS, then the user's cache.
    accept_licence
        Say that you have read the licence shown and accept it.
    """
    output.start()
    folder = to or packs.pack_directories(ModelSpec())[0]
    card = pull(name, folder, accept_licence)
    output.show(f"pulled to {folder / name}", card)


def _state(listing: packs.PackListing) -> str:
    if listing.card is None:
        return f"unusable: {listing.fault}"
    limits = ", research only" if listing.card.research_only else ""
    return f"dim {listing.card.dim}; {listing.card.licence}{limits}; {listing.path}"


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(help="YAML file with the job's settings; flags win over it.")] = None,
) -> None:
    """Read the config file, then run the command with it below its flags."""
    if config is not None:
        app.config = (Dict(read_yaml(config), source=str(config), use_commands_as_keys=False),)
    else:
        app.config = ()
    app(tokens, exit_on_error=False, print_error=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Exit codes: 0 done, 2 mend something, 73 plan again, 75 try again, 77 not allowed, 130 stopped."""
    try:
        app.meta(arguments, exit_on_error=False, print_error=False)
    except FacebatchError as error:
        _fail(str(error), error.exit_code)
    except CycloptsError as error:
        _fail(_usage(error), 2)
    except KeyboardInterrupt:
        _fail("stopped; the same command resumes", 130)


def _usage(error: CycloptsError) -> str:
    """One line per fault. Faults of values come from the models and are told by key."""
    if not isinstance(error.__cause__, ValidationError):
        return str(error)
    faults = error.__cause__.errors()
    return "\n".join(_fault(".".join(map(str, item["loc"])), item["type"], item) for item in faults)


def _fault(key: str, kind: str, item: Mapping[str, Any]) -> str:
    return f"{key}: this setting is required" if kind == "missing" else f"{key}: {item['msg']}, given {item['input']!r}"


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"facebatch: {message}\n")
    sys.exit(code)


def _plain(result: object) -> dict[str, Any]:
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return dataclasses.asdict(result)
    if isinstance(result, Mapping):
        return dict(result)
    raise TypeError(f"cannot show {type(result).__name__}")


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(part)}" for name, part in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    return str(value)
