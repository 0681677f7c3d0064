"""What a browser is to take an object for."""

from pathlib import PurePosixPath

_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


def media_type(key: str) -> str:
    """By the end of the key; bytes of no kind where it tells nothing."""
    return _TYPES.get(PurePosixPath(key).suffix, "application/octet-stream")
