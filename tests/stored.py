"""What lies in a gallery or a search, by content: names that differ between attempts are left out."""

import hashlib
import json
from pathlib import Path

NUMBER = "[0-9]" * 6 + ".parquet"
"""Name of a numbered file; cells have longer ones."""


def digests(root: Path) -> dict[str, str]:
    """Content digests of all committed parts, segments and candidate files below `root`, by what they are."""
    found = {}
    for path in sorted(root.rglob("commits/*.json")):
        commit = json.loads(path.read_text())
        for kind in ("templates", "ledger", "candidates"):
            if kind in commit:
                found[f"{kind} {path.stem}"] = commit[kind]["sha256"]
    for path in sorted(root.rglob("segments/*/manifest.json")):
        manifest = json.loads(path.read_text())
        for kind in ("index", "vectors", "members", "codes", "order"):
            found[f"{kind} {path.parent.name}"] = manifest[kind]["sha256"]
    for pattern in (f"candidates/{NUMBER}", f"blocks/{NUMBER}", "outcomes.parquet"):
        for path in sorted(root.rglob(pattern)):
            found[f"{path.parent.name}/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def files(root: Path, pattern: str) -> list[Path]:
    """Stored files that match, sorted."""
    return sorted(path for path in root.rglob(pattern) if path.is_file())
