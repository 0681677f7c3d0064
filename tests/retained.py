"""Small searches below a root of results on disk, with the certificate and the commits that match writes."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from facebatch.gallery.commits import PartFile
from facebatch.governance.facts import AuthorityFacts, Facts, RequesterFacts
from facebatch.governance.obligations import Obligations
from facebatch.governance.retention import RetentionSpec
from facebatch.pipelines import retention_delete, retention_plan
from facebatch.pipelines.retention_delete import RetentionReport
from facebatch.pipelines.retention_deleted import Deleted
from facebatch.pipelines.retention_holds import Hold, case_digest, put_hold
from facebatch.pipelines.retention_plan import RetentionPlan, moment_of
from facebatch.pipelines.retention_survey import Results
from facebatch.pipelines.search import SearchManifest
from facebatch.pipelines.search_request import SearchRequest
from facebatch.storage import layout
from facebatch.storage.documents import dump
from facebatch.storage.local import LocalStore
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore
from gallery.small import Shard, SmallGallery, objects
from worlds import QUIET

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CASE = "case 7 of Jo Doe"
NOBODY = PartFile(key="outcomes.parquet", sha256="0" * 64, size=1, rows=0)
RESULTS = ("cells/commits/c.json", "cells/candidates/c-1.parquet", "candidates/000000.parquet", "outcomes.parquet")
LIST_CLASS = {*RESULTS, layout.SEARCH_MANIFEST}
ACT = {"reason": "a complaint", "authority": "court 4", "by": "unit 1"}


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@dataclass(frozen=True)
class Retained:
    """Results, and the photos that probes were."""

    root: Path
    told: list[Deleted] = field(default_factory=list)
    """What was recorded before it was deleted."""
    gallery: str = "s3://g"
    """That searches say they searched, unless told otherwise."""

    @property
    def store(self) -> ObjectStore:
        return LocalStore(self.root / "results")

    @property
    def results(self) -> Results:
        return Results(self.store, S3Spec())

    def photo(self, name: str) -> Path:
        return self.root / "photos" / name

    def search(
        self,
        number: int,
        *,
        decided_at: datetime | None = None,
        pending_until: datetime | None = None,
        case: str = CASE,
        finished: bool = True,
        leads: bool = False,
        begun: bool = False,
        gallery: str | None = None,
        **obligations: int,
    ) -> str:
        """A search of the photos a/000000.jpg to a/000002.jpg; `begun`: its request was stored when it began."""
        search_id, searched = f"{number:024x}", gallery or self.gallery
        folder = LocalStore(self.root / "results" / search_id)
        probes = SmallGallery(LocalStore(self.root / "results" / search_id / "probes"))
        for row in range(3):
            self.photo("a").mkdir(parents=True, exist_ok=True)
            if not self.photo(f"a/{row:06d}.jpg").exists():
                self.photo(f"a/{row:06d}.jpg").write_bytes(b"photo")
        commit = probes.commit(Shard("a"))
        loose = commit.model_copy(update={"shard_uri": f"{self.root / 'photos'}#a/000000.jpg"})
        probes.store.put(layout.commit(commit.shard_key), dump(loose))
        for key in (*RESULTS, "blocks/000000.parquet", *(["leads/1.json"] if leads else [])):
            folder.put(key, b"x")
        request = Facts(
            purpose="criminal_investigation",
            case_id=case,
            requester=RequesterFacts(agency="unit 1"),
            authority=AuthorityFacts(pending_until=pending_until),
        )
        if begun:
            asked = {"search_id": search_id, "request": request, "packs": {}, "gallery": searched, "snapshot": 4}
            told = SearchRequest(decided_at=decided_at or NOW, obligations=Obligations(**obligations), **asked)
            folder.put(layout.REQUEST, dump(told))
        if finished:
            facts: dict[str, Any] = {"search_id": search_id, "request": request, "decided_at": decided_at or NOW}
            folder.put(layout.SEARCH_MANIFEST, dump(_certificate(Obligations(**obligations), facts, searched)))
        return search_id

    def plan(self, now: datetime = NOW, **settings: object) -> RetentionPlan:
        return retention_plan.run(self.results, RetentionSpec(**settings), moment_of(now.date(), now))

    def delete(self, now: datetime = NOW, **settings: object) -> RetentionReport:
        spec = RetentionSpec(**settings)
        return retention_delete.run(self.results, spec, moment_of(now.date(), now), self.told.append, QUIET)

    def hold(self, name: str = "h", search: str | None = None, case: str | None = None) -> Hold:
        digest = None if case is None else case_digest(case)
        return put_hold(self.store, Hold(name=name, search=search, case=digest, at=NOW, **ACT))

    def keys(self, search_id: str) -> set[str]:
        """What is left of a search."""
        return {key.partition("/")[2] for key in objects(self.store, f"{search_id}/")}


def records(*classes: str) -> set[str]:
    return {f"deleted/{name}.json" for name in classes}


def _certificate(obligations: Obligations, facts: dict[str, Any], gallery: str) -> SearchManifest:
    counts = {"images": 3, "probes": 3, "cells": 1, "rows_scanned": 9, "full_lists": 0, "outcomes": {"ok": 3}}
    names = {"gallery": gallery, "snapshot": 4, "snapshot_sha256": "0" * 64, "model": "0" * 64, "model_name": "m"}
    parts = {"candidates": (), "outcomes_file": NOBODY, "length": 50, "floor": None}
    return SearchManifest(obligations=obligations, **facts, **counts, **names, **parts)
