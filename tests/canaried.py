"""A world that is watched by canaries: held-out photos of four enrolled people and of twenty strangers."""

import shutil
from pathlib import Path

from facebatch.config import EmbedConfig
from facebatch.images.source import SourceSpec
from facebatch.match.canaries import CanarySpec
from facebatch.pipelines import embed
from worlds import FOLDER, PEOPLE, QUIET, World

MATED, STRANGERS = 4, 20


def photos_of(data: Path, mood: str) -> list[Path]:
    """One photo of each person, by person."""
    return sorted((data / "london").glob(f"lon*_{mood}.jpg"))


def put_canaries(data: Path, world: World) -> None:
    """Photos and gallery of the canaries: mated ones in folders named by their subject, strangers beside these."""
    folder = world.root / "canary-photos"
    smiling = photos_of(data, "smiling")
    for photo in smiling[:MATED]:
        own = folder / photo.name.split("_")[0]
        own.mkdir(parents=True)
        shutil.copy(photo, own)
    for photo in smiling[PEOPLE : PEOPLE + STRANGERS]:
        shutil.copy(photo, folder)
    where = SourceSpec(uri=str(folder), fields=FOLDER)
    config = EmbedConfig(gallery=str(world.root / "canaries"), source=where, model=world.model, run=world.run)
    embed.run(config, QUIET)


def watched(world: World, **changes: object) -> CanarySpec:
    return CanarySpec(gallery=str(world.root / "canaries"), threshold=0.5, length=5).model_copy(update=changes)


def enrol(data: Path, world: World, people: slice) -> None:
    """Neutral photos of more people: from PEOPLE on the strangers, then people that no canary is of."""
    for photo in photos_of(data, "neutral")[people]:
        own = world.root / "gallery-photos" / photo.name.split("_")[0]
        own.mkdir()
        shutil.copy(photo, own)
