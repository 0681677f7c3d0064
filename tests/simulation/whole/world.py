"""One simulated gallery with its sources, its requests to erase, its store and its rules, as a seed decides."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

from facebatch.config import EmbedConfig, IndexConfig, ReindexConfig
from facebatch.faces.models import ModelCard, ModelFile
from facebatch.gallery.commits import shard_key
from facebatch.gallery.deletions import DeletionRequest, parse_request
from facebatch.gallery.gates import GateSpec
from facebatch.images.records import ImageShard
from facebatch.images.source import SourceSpec
from facebatch.index.compact import CompactSpec
from facebatch.index.spec import IndexSpec
from facebatch.pipelines.embedding import RowsSpec
from facebatch.runtime.executor import RunSpec
from simulation.rules import Listed
from simulation.scheduler import DAWN
from simulation.whole.images import EXPIRING, FINGERPRINT, SUBJECTS, Face, faces
from simulation.whole.rows import RowRules
from simulation.whole.shape import Shape
from simulation.world import DAY, GALLERY, World, seeded

_FILE = ModelFile("recognition", Path("none"), "0" * 64, "arcface")
CARD = ModelCard("synthetic", 4, 112, _FILE, _FILE, "CC0-1.0", False, FINGERPRINT)
_RUN = RunSpec(executor="ray", address="simulated", attempts=2, backoff_s=0.0)
_SEGMENTS = IndexSpec(kind="Flat", segment_rows=5)
_GATES = GateSpec(gone_most=1.0, gone_most_of_source=1.0)
"""Sources lose what they like."""


class Source:
    """A source of images whose owner changes it at times."""

    def __init__(self, uri: str, draw: Random, expires: bool) -> None:
        self.config = EmbedConfig(gallery=GALLERY, source=SourceSpec(uri=uri), run=_RUN)
        self._rows = RowsSpec(
            source=self.config.source, decode=self.config.decode, model=self.config.model, faces=self.config.faces
        ).key_part()
        self._draw = draw
        self._mark = EXPIRING if expires else "k"
        self.revisions: list[tuple[ImageShard, ...]] = []
        self.expected: list[Listed] = []
        """Per revision, what a snapshot must list of it."""
        self.faces: dict[str, tuple[Face, ...]] = {}
        """By shard key, whatever it ever had."""
        self.turn_to(tuple(self._shard(number, 0) for number in range(draw.choice((1, 2, 3)))))

    @property
    def uri(self) -> str:
        """Its name in the gallery."""
        return self.config.source.uri

    def begin_with(self, revision: tuple[ImageShard, ...]) -> None:
        """Forget the past."""
        self.revisions.clear()
        self.expected.clear()
        self.turn_to(revision)

    def change(self) -> None:
        """The next revision: shards replaced, removed, added, or as they were some time ago."""
        now = self.revisions[-1]
        number = len(self.revisions)
        replaced = (*now[:-1], self._shard(len(now) - 1, number))
        removed = now[:-1] or replaced
        added = (*now, self._shard(len(now), number)) if len(now) < 4 else removed
        is_first = now == self.revisions[0]
        restored = not is_first and self._draw.random() < 0.5
        self.turn_to(self.revisions[0] if restored else self._draw.choice((replaced, removed, added)))

    def turn_to(self, revision: tuple[ImageShard, ...]) -> None:
        """The next revision."""
        keys = [shard_key(shard, model=FINGERPRINT, rows_config=self._rows) for shard in revision]
        self.faces.update((key, faces(shard)) for shard, key in zip(revision, keys, strict=True))
        self.revisions.append(revision)
        self.expected.append(frozenset((shard.uri, key) for shard, key in zip(revision, keys, strict=True)))

    def _shard(self, number: int, version: int) -> ImageShard:
        name = f"{self.uri[-1]}/{number}.tar"
        return ImageShard(f"{self.uri}/{number}.tar", "tar", number % 2 + 2, f"{self._mark}{version}", name=name)


class WholeWorld(World):
    """A gallery in which processes live."""

    shape: Shape
    rules: RowRules

    def __init__(self, seed: int, shape: Shape) -> None:
        uris = [f"memory://images/{name}" for name in "ab"][: shape.sources]
        self.sources = {uri: Source(uri, seeded(f"source {uri[-1]}", seed), shape.expires) for uri in uris}
        known: dict[str, tuple[Face, ...]] = {}
        for source in self.sources.values():
            known.update(source.faces)
            source.faces = known
        rules = RowRules({uri: source.expected for uri, source in self.sources.items()}, known)
        super().__init__(seed, shape.stay, shape.faults, shape.page, rules)
        self.shape = shape
        self.index_config = IndexConfig(gallery=GALLERY, index=_SEGMENTS, run=_RUN)
        self.requests: dict[str, DeletionRequest] = {}
        """Deletions handed out so far, by URI."""
        self._today = DAWN.date()
        self._officer = seeded("officer", seed)

    def begin_night(self, number: int) -> None:
        """Night 0 is that of DAWN."""
        self._today = (DAWN + number * DAY).date()
        if self.shape.expires:
            self.rules.expires_by(self._today)

    def reindex_config(self, uris: tuple[str, ...], deletions: str | None) -> ReindexConfig:
        """Of a driver of tonight that looks after these sources."""
        return ReindexConfig(
            gallery=GALLERY,
            sources=tuple(self.sources[uri].config.source for uri in uris),
            index=_SEGMENTS,
            gates=_GATES,
            deletions=deletions,
            as_of=self._today,
            compaction=CompactSpec(rows=self.shape.budget),
            run=_RUN,
        )

    def ask_to_erase(self) -> str:
        """Hand out a file of deletions, of whom may be in the gallery; its URI."""
        draw = self._officer
        known = [face for uri in self.sources for key, face in self._known(uri)]
        face = draw.choice(known)
        lines = {("subject", draw.choice(SUBJECTS)), ("template", face.template_id), ("image", face.image_id)}
        asked = sorted(lines)[: draw.choice((1, 1, 2))] if draw.random() < 0.5 else [draw.choice(sorted(lines))]
        return self.hand_out([f"{kind},{name},request,court" for kind, name in asked])

    def hand_out(self, lines: Sequence[str]) -> str:
        """A file of deletions with these lines; its URI."""
        uri = f"memory://requests/{len(self.requests)}.csv"
        text = "\n".join(["kind,id,reason,authority", *lines, ""])
        request = parse_request(text.encode(), uri)
        self.requests[uri] = self.rules.asked[request.sha256] = request
        return uri

    def lines(self, uri: str) -> list[str]:
        """What a file of deletions says."""
        return [f"{one.kind},{one.id},{one.reason},{one.authority}" for one in self.requests[uri].deletions]

    def _known(self, uri: str) -> list[tuple[str, Face]]:
        keys = sorted({key for revision in self.sources[uri].expected for _, key in revision})
        return [(key, face) for key in keys for face in self.sources[uri].faces[key]]
