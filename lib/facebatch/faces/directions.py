"""What is settled about single images before they are read: which are refused, and which face of one is meant."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from facebatch.governance.probe_rules import Refusals
from facebatch.images.records import ImageShard
from facebatch.storage.documents import canonical_digest

Point: TypeAlias = tuple[float, float]
"""x, y in px of the upright image."""
_Direction: TypeAlias = tuple[str, str | None, Point | None]


@dataclass(frozen=True, slots=True)
class Directions:
    """For the images of a source, by image id. They change rows, so they are part of the shard key where they do."""

    refused: Mapping[str, str | None] = field(default_factory=dict)
    """Why an image is refused; None: it is not, though others are."""
    others: str | None = None
    """Why all images that are not in `refused` are."""
    points: Mapping[str, Point] = field(default_factory=dict)
    """Where the designated face of an image is."""
    digest: str = field(init=False)
    """Of all of it; empty where nothing is settled."""

    def __post_init__(self) -> None:
        """Compute the digest, once for all shards."""
        settled = [each for name in sorted({*self.refused, *self.points}) if (each := self._of(name)) is not None]
        allowed = sorted(name for name, reason in self.refused.items() if reason is None) if self.others else []
        known = canonical_digest([settled, self.others, allowed]) if settled or self.others else ""
        object.__setattr__(self, "digest", known)

    def refusal(self, image_id: str) -> str | None:
        """Why this image is refused; None: it is not."""
        return self.refused.get(image_id, self.others)

    def point(self, image_id: str) -> Point | None:
        """Where its designated face is, or None where none is designated."""
        return self.points.get(image_id)

    def key_part(self, shard: ImageShard) -> Mapping[str, str]:
        """Canonical values that tell apart what becomes of a shard; empty, so that its key stays, where nothing is
        settled about its images. The images of an archive are not known before it is read: all of it counts for them.
        """
        if not self.digest or shard.kind != "objects":
            return {"directions": self.digest} if self.digest else {}
        settled = list(self._concerning(shard))
        return {"directions": canonical_digest(settled)} if settled else {}

    def _concerning(self, shard: ImageShard) -> Iterator[_Direction]:
        return (each for member in shard.members if (each := self._of(member.image_id)) is not None)

    def _of(self, image_id: str) -> _Direction | None:
        reason = self.refusal(image_id)
        point = self.point(image_id) if reason is None else None
        return None if reason is None and point is None else (image_id, reason, point)


def directions(refusals: Refusals, points: Mapping[str, Point]) -> Directions:
    """Those of a decided request whose probes have designated faces at `points`."""
    shared = {id(refusal): refusal for refusal in (*refusals.named.values(), refusals.others)}
    reasons = {key: None if refusal is None else refusal.reason for key, refusal in shared.items()}
    others = reasons[id(refusals.others)]
    named = {probe: reasons[id(refusal)] for probe, refusal in refusals.named.items()}
    return Directions(
        {probe: reason for probe, reason in named.items() if reason is not None or others is not None}, others, points
    )


NOTHING_SETTLED = Directions()
