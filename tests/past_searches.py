"""Certificates of past searches, without the searches."""

from datetime import UTC, datetime
from typing import Any

from facebatch.gallery.commits import PartFile
from facebatch.governance.facts import Facts
from facebatch.pipelines.search import SearchManifest
from facebatch.storage.documents import dump
from facebatch.storage.store import ObjectStore


def manifest(name: str, day: int, **changes: Any) -> SearchManifest:
    """The certificate of a search that found nothing."""
    told: dict[str, Any] = {
        "search_id": name,
        "request": Facts(purpose="missing_child", case_id=name),
        "decided_at": datetime(2026, 3, day, tzinfo=UTC),
        "gallery": "memory://gallery",
        "snapshot": 1,
        "snapshot_sha256": "ab" * 32,
        "model": "m",
        "model_name": "m",
        "length": 50,
        "floor": None,
        "images": 0,
        "outcomes": {},
        "probes": 0,
        "cells": 0,
        "rows_scanned": 0,
        "full_lists": 0,
        "candidates": (),
        "outcomes_file": PartFile(key="outcomes.parquet", sha256="ab" * 32, size=1, rows=0),
    }
    return SearchManifest.model_validate(told | changes)


def put(store: ObjectStore, *found: SearchManifest) -> None:
    for each in found:
        store.put(f"{each.search_id}/manifest.json", dump(each))
