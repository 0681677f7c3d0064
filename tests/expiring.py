"""Small galleries on disk, and what expire does to them."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from facebatch.config import ExpireConfig
from facebatch.gallery import snapshots
from facebatch.gallery.collect import RetentionSpec
from facebatch.gallery.snapshots import Snapshot
from facebatch.gallery.tombstones import start_of
from facebatch.index.compact import CompactSpec
from facebatch.pipelines import expire, gallery_collect
from facebatch.pipelines.expire_finds import ExpireVerification
from facebatch.pipelines.expire_report import ExpirePlan, ExpireReport
from facebatch.storage.local import LocalStore
from facebatch.storage.store import ObjectStore
from gallery.small import SEGMENTS, Shard, SmallGallery
from worlds import LOCAL, QUIET

DAY = date(2026, 3, 1)
AMPLE = CompactSpec(rows=1000)
ONE = RetentionSpec(keep_last=1, keep_days=0, grace_hours=0)
"""Keeps the head alone, and nothing for being young."""


@dataclass(frozen=True)
class Erasing:
    """A gallery, and where its deletion requests lie."""

    root: Path
    small: SmallGallery = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "small", SmallGallery(LocalStore(self.root / "gallery")))

    @property
    def store(self) -> ObjectStore:
        return self.small.store

    @property
    def head(self) -> Snapshot:
        return self.small.head

    def request(self, *lines: str) -> str:
        path = self.root / "deletions.csv"
        path.write_text("\n".join(["kind,id,reason,authority", *lines]) + "\n")
        return str(path)

    def config(self, **changes: object) -> ExpireConfig:
        config = ExpireConfig(gallery=str(self.root / "gallery"), as_of=DAY, index=SEGMENTS, run=LOCAL)
        return config.model_copy(update=changes)

    def run(self, **changes: object) -> ExpireReport:
        report = expire.run(self.config(**changes), QUIET, dry_run=False)
        assert isinstance(report, ExpireReport)
        return report

    def plan(self, **changes: object) -> ExpirePlan:
        plan = expire.run(self.config(**changes), QUIET)
        assert isinstance(plan, ExpirePlan)
        return plan

    def verify(self, **changes: object) -> ExpireVerification:
        return expire.verify(self.config(**changes), QUIET)

    def publish(self, **changes: object) -> Snapshot:
        """By hand: the head with other values, under the next number."""
        head = self.head
        return snapshots.publish(self.store, head.model_copy(update={**snapshots.next_number(head), **changes}))

    def collect(self, spec: RetentionSpec = ONE) -> None:
        gallery_collect.run(self.store, spec, QUIET, now=datetime.now(UTC) + timedelta(seconds=5))


def erasing(root: Path) -> Erasing:
    """Ten templates in three shards and two segments, two of each subject; a000002 expires on DAY."""
    gallery = Erasing(root)
    never = datetime(2099, 1, 1, tzinfo=UTC)
    gallery.small.embed(Shard("a", expires=(never, never, start_of(DAY))), Shard("b"), Shard("c", 4))
    return gallery
