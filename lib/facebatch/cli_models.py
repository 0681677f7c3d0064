"""`facebatch models`: packs on this machine and at their publishers, and what is made of one."""

from pathlib import Path
from typing import Annotated

from cyclopts import App

from facebatch.cli_output import DryRun, Flag, Flat, Output
from facebatch.faces import packs
from facebatch.faces.catalogue import OFFICIAL
from facebatch.faces.open import open_models
from facebatch.faces.pull import pull
from facebatch.faces.settings import FaceSpec, ModelSpec
from facebatch.pipelines import centroid as centroid_pipeline
from facebatch.pipelines.centroid import CentroidConfig

models_app = App(name="models", help="Model packs: list, check, pull; where unrecognisable faces lie for one.")


@models_app.command(name="list")
def list_models(*, model: Annotated[ModelSpec, Flat] = ModelSpec(), output: Output = Output()) -> None:
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
def check(*, model: Annotated[ModelSpec, Flat] = ModelSpec(), output: Output = Output()) -> None:
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


@models_app.command
def centroid(*, config: Annotated[CentroidConfig, Flat], output: Output = Output(), dry_run: DryRun = False) -> None:
    """Make the file that recognizability is measured from, of photos of good faces."""
    result = centroid_pipeline.run(config, output.start(), dry_run=dry_run)
    output.show("models centroid: the plan" if dry_run else "models centroid", result)


def _state(listing: packs.PackListing) -> str:
    if listing.card is None:
        return f"unusable: {listing.fault}"
    limits = ", research only" if listing.card.research_only else ""
    return f"dim {listing.card.dim}; {listing.card.licence}{limits}; {listing.path}"
