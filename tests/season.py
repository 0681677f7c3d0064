"""Three nights of one source, to be played on any executor and any store: the gallery must come out the same."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from facebatch.config import ReindexConfig
from facebatch.faces.settings import ModelSpec
from facebatch.gallery import snapshots
from facebatch.images.source import FieldsSpec, SourceSpec
from facebatch.index.compact import CompactSpec
from facebatch.index.spec import IndexSpec
from facebatch.pipelines import reindex
from facebatch.pipelines.reindex import ReindexReport
from facebatch.runtime.executor import RunSpec
from facebatch.storage.open import open_store
from facebatch.storage.settings import S3Spec
from worlds import QUIET

NIGHTS = 3
ENROLLED, EXPIRING, GONE, DELETED, ADDED = 7, (1, 2), 3, 4, 2
SOON, LATER = "2024-03-02T10:00:00+00:00", "2031-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class Season:
    """Photos below `root`, listed by a manifest that is another one each night; no photo is ever overwritten.

    Night 0 enrols; night 1 has photos that are new, changed, gone, deleted and expired; night 2 compacts.
    """

    root: str
    model: ModelSpec
    s3: S3Spec

    def put_photos(self, data: Path) -> None:
        """One photo of each of ENROLLED + ADDED people, and another one of the first."""
        store = open_store(self.root, self.s3)
        photos = sorted((data / "london").glob("lon*_neutral.jpg"))[: ENROLLED + ADDED]
        for number, photo in enumerate(photos):
            store.put(f"{number}.jpg", photo.read_bytes())
        store.put("0-again.jpg", photos[0].with_name(photos[0].name.replace("neutral", "smiling")).read_bytes())

    def play(self, gallery: str, run: RunSpec, nights: tuple[int, ...] = (0, 1, 2)) -> list[str]:
        """Digests of what the gallery holds after each of these nights."""
        digests = []
        for night in nights:
            self.reindex(gallery, run, night)
            digests.append(self.digest(gallery))
        return digests

    def digest(self, gallery: str) -> str:
        """Of what the gallery holds now."""
        return snapshots.require_head(open_store(gallery, self.s3)).content_sha256

    def reindex(self, gallery: str, run: RunSpec, night: int) -> ReindexReport:
        """One night."""
        store = open_store(self.root, self.s3)
        store.put("list.csv", "\n".join(self._lines(night)).encode())
        store.put("deletions.csv", f"kind,id,reason,authority\nsubject,s{DELETED},r,a\n".encode())
        config = ReindexConfig(
            gallery=gallery,
            sources=(SourceSpec(uri=f"{self.root}/list.csv", fields=FieldsSpec(image_id="id"), images_per_shard=2),),
            model=self.model,
            run=run,
            index=IndexSpec(segment_rows=3),
            deletions=f"{self.root}/deletions.csv" if night else None,
            as_of=date(2024, 3, 1 + night),
            compaction=CompactSpec(rows=1000 if night == 2 else 0),
            s3=self.s3,
        )
        report = reindex.run(config, QUIET)
        assert isinstance(report, ReindexReport)
        return report

    def _lines(self, night: int) -> list[str]:
        people = [n for n in range(ENROLLED + ADDED * (night > 0)) if n != GONE or not night]
        files = {0: "0-again.jpg"} if night else {}
        times = dict.fromkeys(EXPIRING, SOON)
        return [
            "uri,id,subject_id,expires_at",
            *(f"{files.get(n, f'{n}.jpg')},i{n},s{n},{times.get(n, LATER)}" for n in people),
        ]
