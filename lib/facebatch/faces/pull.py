"""Getting official packs, when a person asks for it: terms accepted, digests checked, then put in place at once."""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from facebatch.errors import ConfigError, ForbiddenError, ModelPackError, RetryableError
from facebatch.faces.catalogue import OFFICIAL, OfficialPack, RemoteFile
from facebatch.faces.download import download
from facebatch.faces.models import ModelCard
from facebatch.faces.packs import CARD, LICENCE, MANIFEST, load_card

MIRROR = "FACEBATCH_MODEL_MIRROR"
"""Environment variable: base URL that serves `<pack>/<file>` instead of the publishers."""


def pull(
    name: str,
    target: Path,
    accept_licence: bool,
    *,
    catalogue: Mapping[str, OfficialPack] = OFFICIAL,
    mirror: str | None = None,
) -> ModelCard:
    """Install the official pack `name` as `target / name`; a pack that is there and intact is left as it is.

    `mirror` (else FACEBATCH_MODEL_MIRROR) replaces the publishers' URLs. The pack appears whole or not at all.
    ModelPackError for an unknown name or wrong bytes; ForbiddenError, with the terms, without `accept_licence`;
    RetryableError when the publisher cannot be reached.
    """
    pack = catalogue.get(name)
    if pack is None:
        raise ModelPackError(f"{name!r} is not an official pack; known: {', '.join(sorted(catalogue))}")
    if not accept_licence:
        raise ForbiddenError(
            f"{name} by {pack.publisher} comes under these terms:\n\n{pack.terms}\n"
            "nothing was downloaded; accept them with --accept-licence"
        )
    place = target.expanduser() / name
    if place.exists():
        return _installed(place, pack)
    place.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=place.parent))
    try:
        _fetch(pack, staging, mirror or os.environ.get(MIRROR))
        _describe(pack, staging)
        load_card(staging)
        staging.chmod(0o755)
        _put_in_place(staging, place)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return _installed(place, pack)


def _installed(place: Path, pack: OfficialPack) -> ModelCard:
    """The card of what lies there; ModelPackError when it is not this pack, unaltered."""
    try:
        card = load_card(place)
    except ModelPackError as error:
        raise ModelPackError(f"{place} exists but is not usable ({error}); remove it and pull again") from error
    if [card.detector.sha256, card.recogniser.sha256] != [file.sha256 for file in pack.files]:
        raise ModelPackError(f"{place} exists but holds other files than {pack.name}; remove it and pull again")
    return card


def _put_in_place(staging: Path, place: Path) -> None:
    """Rename; a pack that another process put there meanwhile stays, and the caller verifies it."""
    try:
        staging.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def _describe(pack: OfficialPack, folder: Path) -> None:
    for name, content in ((MANIFEST, pack.manifest()), (CARD, pack.card())):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (folder / LICENCE).write_text(pack.terms, encoding="utf-8")


def _fetch(pack: OfficialPack, folder: Path, mirror: str | None) -> None:
    if pack.source == "insightface":
        if mirror:
            raise ConfigError(
                f"{pack.name} comes through insightface's own downloader, which knows no mirror: unset it"
            )
        _fetch_insightface(pack, folder)
        return
    for file in pack.files:
        download(file, _urls(pack, file, mirror), folder / file.name)


def _urls(pack: OfficialPack, file: RemoteFile, mirror: str | None) -> tuple[str, ...]:
    return (f"{mirror.rstrip('/')}/{pack.name}/{file.name}",) if mirror else file.urls


def _fetch_insightface(pack: OfficialPack, folder: Path) -> None:
    """insightface downloads and unpacks its archive; the two files of the pack are kept, the rest is dropped."""
    from insightface.utils.storage import ensure_available

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                unpacked = Path(ensure_available("models", pack.name, root=scratch))
        except OSError as error:
            raise RetryableError(f"insightface could not download {pack.name}: {error}; check the network") from error
        except (RuntimeError, zipfile.BadZipFile) as error:
            raise ModelPackError(
                f"insightface could not install {pack.name}: {error}; nothing was installed"
            ) from error
        for file in pack.files:
            found = sorted(unpacked.rglob(file.name))
            if not found:
                raise ModelPackError(
                    f"insightface's archive of {pack.name} holds no {file.name}; nothing was installed"
                )
            found[0].rename(folder / file.name)
