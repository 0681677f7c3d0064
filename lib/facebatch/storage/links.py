"""Links by which people without access to a bucket see one object of it."""

from facebatch.errors import ConfigError
from facebatch.storage.s3 import S3Store
from facebatch.storage.store import ObjectStore


def signed_link(store: ObjectStore, key: str, hours: float) -> str:
    """See `S3Store.signed_link`. ConfigError for a store that has none."""
    if isinstance(store, S3Store):
        return store.signed_link(key, round(hours * 3600))
    raise ConfigError(f"{store.uri}: only S3 signs links; set sheets.links to relative")
