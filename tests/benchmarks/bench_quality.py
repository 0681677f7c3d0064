"""What the quality scores are worth: error versus discard on degraded real photos, `make bench-quality`.

Each photo is degraded many times over a wide range (12 to 60 px between the eyes, blur, low light, over-exposure,
noise, JPEG) and compared with another photo of the person as it is. The threshold is that of an FMR of 1e-3 over all
non-mated comparisons of the set, and stays where it is. Told is the FNMR that is left when the worst probes by each
score are not compared: a score that tells nothing leaves it where it was.

Nobody is in two of these: people with one photo make the centroid; those of one half of the London set, `chosen`, are
what formulas were chosen by; the other half and ORL, whose photos are small, grey and of turned heads, measure them:
each by itself, and `held out`, both together, each with its own threshold.
"""

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.degraded_frames import Person, people
from benchmarks.degraded_probes import Probes, Studio
from benchmarks.discards import Missed, Scores, fnmr_left, gain
from facebatch.faces.quality import unified
from facebatch.faces.recognizability import Centroid, recognizability
from facebatch.faces.session import open_session
from facebatch.faces.settings import ModelSpec

FMR = 1e-3
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3)
SEEDS = {"chosen": 1, "london": 2, "orl": 3}
LEVELS = (0, 15, 30, 45, 65, 80, 100)
"""Ends of ranges of unified quality."""
LIGHTQNET = Path("lightqnet") / "lightqnet-dm025.onnx"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Halves:
    """Who is for what."""

    centroid: list[Person]
    measured: dict[str, list[Person]]
    """By set."""


def halves(data: Path) -> Halves:
    """By name: every other person of London's is measured."""
    everyone = people(data)
    london = [person for person in everyone if person.folder == "london"]
    mated = [person for person in london if person.mated]
    orl = [person for person in everyone if person.folder == "orl" and person.mated]
    alone = [person for person in london if not person.mated]
    return Halves(alone, {"chosen": mated[::2], "london": mated[1::2], "orl": orl})


def scores(probes: Probes, centroid: Centroid, lightqnet: Path | None) -> dict[str, Scores]:
    """Every score and candidate by name, (n,) each, higher is better."""
    known = recognizability(probes.vectors, centroid)
    found = {name: np.array([getattr(one, name) for one in probes.qualities]) for name in asdict(probes.qualities[0])}
    numbers = np.stack([*found.values(), known])
    pairs = list(zip(probes.qualities, known.tolist(), strict=True))
    found |= {
        "recognizability": known,
        "least of all": numbers.min(axis=0),
        "geometric mean of all": np.exp(np.log(np.maximum(numbers, 1e-3)).mean(axis=0)),
        "detector x recognizability": found["detector"] * known,
        "unified without recognizability": np.array([unified(quality, None) for quality, _ in pairs]),
        "unified": np.array([unified(quality, score) for quality, score in pairs]),
    }
    return found if lightqnet is None else {**found, "LightQNet": _lightqnet(probes, lightqnet)}


def _lightqnet(probes: Probes, path: Path) -> Scores:
    session = open_session(path, ModelSpec())
    name = session.get_inputs()[0].name
    small = np.stack([cv2.resize(crop, (96, 96)) for crop in probes.crops]).astype(np.float32)
    return np.asarray(session.run(None, {name: ((small - 128) / 128).transpose(0, 3, 1, 2)})[0], np.float64).ravel()


@dataclass(frozen=True, slots=True)
class Rated:
    """Degraded photos of one set, n of them, with what became of them and all their scores."""

    name: str
    people: npt.NDArray[np.str_]
    """(n,)."""
    missed: Missed
    """(n,)."""
    scores: dict[str, Scores]
    """(n,) each."""
    thresholds: dict[str, float]
    without_face: int


def rate(name: str, probes: Probes, centroid: Centroid, lightqnet: Path | None) -> Rated:
    """A set at its own threshold."""
    missed, threshold = probes.missed(FMR)
    rated = scores(probes, centroid, lightqnet)
    return Rated(name, probes.people, missed, rated, {name: round(threshold, 4)}, probes.without_face)


def join(name: str, parts: Sequence[Rated]) -> Rated:
    """Sets of different people as one."""
    return Rated(
        name=name,
        people=np.concatenate([part.people for part in parts]),
        missed=np.concatenate([part.missed for part in parts]),
        scores={score: np.concatenate([part.scores[score] for part in parts]) for score in parts[0].scores},
        thresholds={set_name: value for part in parts for set_name, value in part.thresholds.items()},
        without_face=sum(part.without_face for part in parts),
    )


def curves(rated: Rated, draws: int) -> Iterator[Row]:
    """A row per score: FNMR left, and how much more falls than by the detector's score when a tenth is discarded."""
    for name, score in rated.scores.items():
        left = fnmr_left(score, rated.missed, SHARES)
        more = gain(score, rated.scores["detector"], rated.missed, rated.people, 0.1, draws)
        yield {
            "score": name,
            **{f"{share:g}": round(value, 4) for share, value in zip(SHARES, left, strict=True)},
            "gain_on_detector": [round(value, 4) for value in more],
        }
    best = fnmr_left(-rated.missed.astype(np.float64), rated.missed, SHARES)
    yield {"score": "(all misses first)", **{f"{s:g}": round(v, 4) for s, v in zip(SHARES, best, strict=True)}}


def levels(quality: Scores, missed: Missed) -> Iterator[Row]:
    """FNMR by ranges of unified quality."""
    for low, high in pairwise(LEVELS):
        inside = (quality >= low) & ((quality < high) | (high == LEVELS[-1]))
        fnmr = round(float(missed[inside].mean()), 4) if inside.any() else None
        yield {"quality": f"{low}-{high}", "probes": int(inside.sum()), "fnmr": fnmr}


def measure(rated: Rated, draws: int) -> Row:
    """Everything about one set."""
    return {
        "set": rated.name,
        "people": len(np.unique(rated.people)),
        "probes": len(rated.missed),
        "without_face": rated.without_face,
        "thresholds": rated.thresholds,
        "missed": int(rated.missed.sum()),
        "curves": list(curves(rated, draws)),
        "levels": list(levels(rated.scores["unified"], rated.missed)),
    }


def show(found: Row) -> None:
    """One set as tables."""
    console = Console(width=110)
    console.print(
        f"{found['set']}: {found['people']} people, {found['probes']} degraded photos, {found['missed']} missed at "
        f"FMR {FMR:g} (similarity {found['thresholds']}); no face found in {found['without_face']} more"
    )
    table = Table("score", *(f"{share:.0%}" for share in SHARES), "gain on detector at 10 %")
    for row in found["curves"]:
        more = "{:+.4f} ({:+.4f} to {:+.4f})".format(*row["gain_on_detector"]) if "gain_on_detector" in row else ""
        table.add_row(row["score"], *(f"{row[f'{share:g}']:.4f}" for share in SHARES), more)
    console.print(table)
    table = Table("unified quality", "probes", "FNMR")
    for row in found["levels"]:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="open_yunet_omz", help="a pack of FACEBATCH_MODELS")
    parser.add_argument("--draws", type=int, default=16, help="degraded copies of a photo; a quarter of it for ORL")
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    models, who = Path(os.environ["FACEBATCH_MODELS"]), halves(Path(os.environ["FACEBATCH_DATA"]))
    studio = Studio(ModelSpec(pack=arguments.pack, packs=str(models)))
    centroid = studio.centroid(who.centroid)
    lightqnet = models / LIGHTQNET if (models / LIGHTQNET).is_file() else None
    sets = []
    for name, chosen in who.measured.items():
        draws = max(1, arguments.draws // 4) if name == "orl" else arguments.draws
        sets.append(rate(name, studio.probes(chosen, draws, SEEDS[name]), centroid, lightqnet))
    sets.append(join("held out", sets[1:]))
    rows = [measure(rated, arguments.bootstrap) for rated in sets]
    for row in rows:
        show(row)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
