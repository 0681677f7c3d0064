"""The command line: flags and a YAML file over the same models, one line per error, `--json` for programs."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Dict
from pydantic import ValidationError

from facebatch import __version__
from facebatch.cli_audit import audit_app
from facebatch.cli_gallery import gallery_app
from facebatch.cli_models import models_app
from facebatch.cli_output import DryRun, Flat, Output, write
from facebatch.cli_policy import policy_app
from facebatch.cli_retention import retention_app
from facebatch.cli_review import review_app
from facebatch.cli_trust import keygen, trust, trusted
from facebatch.config import (
    CasesConfig,
    EmbedConfig,
    EvaluateConfig,
    ExpireConfig,
    IndexConfig,
    MatchConfig,
    ReindexConfig,
    load_config,
    read_yaml,
)
from facebatch.errors import ConfigError, FacebatchError
from facebatch.evaluate.group_limits import AllLimitsSpec
from facebatch.pipelines import cases as cases_pipeline
from facebatch.pipelines import demo as demo_pipeline
from facebatch.pipelines import embed as embed_pipeline
from facebatch.pipelines import evaluate as evaluate_pipeline
from facebatch.pipelines import expire as expire_pipeline
from facebatch.pipelines import expire_finds
from facebatch.pipelines import index as index_pipeline
from facebatch.pipelines import match as match_pipeline
from facebatch.pipelines import pairs as pairs_pipeline
from facebatch.pipelines import plan_match as plan_match_pipeline
from facebatch.pipelines import reindex as reindex_pipeline
from facebatch.pipelines.demo import DemoConfig
from facebatch.pipelines.expire_results import require_erased
from facebatch.pipelines.generation_report import check_known
from facebatch.pipelines.pairs import PairsConfig
from facebatch.pipelines.plan_match import PlanMatchConfig
from facebatch.pipelines.reindex_erase import require_known
from facebatch.pipelines.retention_words import require_judged

app = App(
    name="facebatch",
    result_action="return_value",
    version=__version__,
    help="Face templates, galleries, bulk matches. Leads, never identifications.",
)
app.command(models_app)
plan_app = App(name="plan", help="What a job would come to, from numbers alone: nothing is read.")
app.command(plan_app)
app.command(gallery_app)
app.command(policy_app)
policy_app.command(keygen)
policy_app.command(trust)
policy_app.command(trusted)
app.command(audit_app)
app.command(retention_app)
app.command(review_app)


@app.command
def embed(*, config: Annotated[EmbedConfig, Flat], output: Output = Output(), dry_run: DryRun = False) -> None:
    """Turn image shards into templates and publish a gallery snapshot."""
    result = embed_pipeline.run(config, output.start(), dry_run=dry_run)
    output.show("embed: the plan" if dry_run else "embed", result)


@app.command
def index(*, config: Annotated[IndexConfig, Flat], output: Output = Output(), dry_run: DryRun = False) -> None:
    """Build FAISS segments of the head snapshot and publish a snapshot that lists them."""
    result = index_pipeline.run(config, output.start(), dry_run=dry_run)
    output.show("index: the plan" if dry_run else "index", result)


@app.command
def reindex(*, config: Annotated[ReindexConfig, Flat], output: Output = Output(), dry_run: DryRun = False) -> None:
    """Bring the gallery up to date: embed what changed, carry out deletions, add a segment, publish a snapshot."""
    result = reindex_pipeline.run(config, output.start(), dry_run=dry_run)
    output.show("reindex: the plan" if dry_run else "reindex", result)
    check_known(result)


@app.command
def expire(
    *,
    config: Annotated[ExpireConfig, Flat],
    output: Output = Output(),
    delete: Annotated[
        bool, Parameter(negative="", help="Carry out the plan: what is deleted does not come back.")
    ] = False,
    verify: Annotated[bool, Parameter(negative="", help="Scan what is stored for it, and write nothing.")] = False,
) -> None:
    """Print what is to be erased from a gallery and from the results of past searches; erase it; or scan for it."""
    progress = output.start()
    if delete and verify:
        raise ConfigError("--delete and --verify are two runs; give one of them")
    if verify:
        found = expire_pipeline.verify(config, progress)
        output.tell(expire_finds.text(found), found)
        expire_finds.require_gone(found)
        return
    result = expire_pipeline.run(config, progress, dry_run=not delete)
    output.show("expire" if delete else "expire: the plan, of which nothing is done without --delete", result)
    require_judged(result.searches)
    if delete:
        require_erased(result.results)
    require_known(result.unknown, planned=not delete)


@app.command
def match(*, config: Annotated[MatchConfig, Flat], output: Output = Output(), dry_run: DryRun = False) -> None:
    """Search an allowed request's probes in a snapshot; write candidate lists and a coverage certificate."""
    result = match_pipeline.run(config, output.start(), dry_run=dry_run)
    output.show("match: the plan" if dry_run else "match (candidates are leads, not identifications)", result)


@app.command
def cases(*, config: Annotated[CasesConfig, Flat], output: Output = Output(), dry_run: DryRun = False) -> None:
    """Search hundreds of cases, each allowed or refused by itself; write a candidate sheet for each, and an index."""
    result = cases_pipeline.run(config, output.start(), dry_run=dry_run)
    output.show("cases: the plan" if dry_run else "cases (candidates are leads, not identifications)", result)


@app.command
def pairs(*, config: Annotated[PairsConfig, Flat], output: Output = Output()) -> None:
    """Score a folder of people by a list of image pairs, as Labeled Faces in the Wild is scored."""
    output.show("pairs", pairs_pipeline.run(config, output.start()))


@app.command
def evaluate(
    *,
    config: Annotated[EvaluateConfig, Flat],
    output: Output = Output(),
    gate: Annotated[Path | None, Parameter(help="A YAML file of limits, in place of those of the config.")] = None,
) -> None:
    """Measure error rates of labelled probes, write a report, and publish thresholds and a verdict.

    Decided by the policy packs as action evaluate, and recorded, before anything of lists or probes is read.
    """
    if gate is not None:
        config = config.model_copy(update={"limits": load_config(AllLimitsSpec, gate)})
    output.show("evaluate", evaluate_pipeline.run(config, output.start()))


@app.command
def demo(*, config: Annotated[DemoConfig, Flat] = DemoConfig(), output: Output = Output()) -> None:
    """Run embed, index and match on real photographs and write a page to look at."""
    report = demo_pipeline.run(config, output.start())
    output.show("demo (candidates are leads, not identifications)", report)


@plan_app.command(name="match")
def plan_match(*, config: Annotated[PlanMatchConfig, Flat], output: Output = Output()) -> None:
    """What so many probes against so many templates come to: cells, bytes, memory, core-hours, requests."""
    output.start()
    output.show("match: an estimate", plan_match_pipeline.run(config))


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(help="YAML file with the job's settings; flags win over it.")] = None,
) -> None:
    """Read the config file, then run the command with it below its flags."""
    app.config = () if config is None else (settings(tokens, config),)
    app(tokens, exit_on_error=False, print_error=False)


def settings(tokens: Sequence[str], config: Path) -> Dict:
    """A file's settings for the command in `tokens`.

    They are put below the words of the command: at the root, cyclopts would leave out in silence what is named like a
    command, such as gallery, index and match.
    """
    values = read_yaml(config)
    for command in reversed(app.parse_commands(tokens)[0]):
        values = {command: values}
    return Dict(values, source=str(config))


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
    write(f"facebatch: {message}\n", sys.stderr)
    sys.exit(code)
