"""`facebatch policy keygen|trust|trusted`: who signs decisions, and whose count for a gallery."""

from datetime import UTC, datetime
from pathlib import Path

from facebatch.cli_gallery import At
from facebatch.cli_output import DryRun, Flag, Output
from facebatch.errors import ConfigError, NotFoundError
from facebatch.gallery.history import numbers
from facebatch.governance import signing
from facebatch.governance import trust as lists
from facebatch.governance.trust import TrustList
from facebatch.pipelines.auditing import record_trust
from facebatch.storage.store import ObjectStore


def keygen(file: Path, /, *, output: Output = Output()) -> None:
    """Make a key that signs decisions, and print its public key. Only its owner can read the file.

    Parameters
    ----------
    file
        Where the private key goes; `policy.signing_key` of a search names it.
    """
    output.start()
    public = signing.make_key(file)
    output.tell(f"{public}\n", {"public_key": public, "file": str(file)})


def trust(
    *keys: str, at: At, nobody: Flag = False, new: Flag = False, dry_run: DryRun = False, output: Output = Output()
) -> None:
    """Say whose decisions count for a gallery, from now on these and no others. Recorded in its audit chain.

    Parameters
    ----------
    keys
        Public keys as `facebatch policy keygen` prints them: all that are to count, not only new ones.
    nobody
        Trust no key, so that nobody can search the gallery.
    new
        The gallery has no snapshot yet: say who is trusted before it gets one. Refused where it has one.
    """
    output.start()
    if bool(keys) == nobody:
        raise ConfigError("give the public keys that are to count, or --nobody to stop all searches")
    store = at.open()
    standing = lists.current(store)
    _require_gallery(store, standing, new=new)
    listed = lists.following(standing, keys, datetime.now(UTC))
    if not dry_run:
        record_trust(store, listed)
        lists.replace(store, listed)
    output.tell(_told(listed), listed.model_dump(mode="json"))


def trusted(*, at: At, output: Output = Output()) -> None:
    """Print the public keys whose decisions count for a gallery."""
    output.start()
    store = at.open()
    standing = lists.current(store)
    _require_gallery(store, standing, new=False)
    told = "any key: nobody has said whose decisions count\n" if standing is None else _told(standing)
    output.tell(told, {"trusted": None if standing is None else list(standing.keys)})


def _require_gallery(store: ObjectStore, standing: TrustList | None, *, new: bool) -> None:
    """A misspelt gallery would be a new folder that trusts these keys, while the one that was meant trusts any."""
    exists = standing is not None or bool(numbers(store))
    if not exists and not new:
        raise NotFoundError(
            f"{store.uri}: there is no gallery here; check --gallery, or give --new to `facebatch policy trust` to "
            "name the keys before its first snapshot"
        )
    if exists and new:
        raise ConfigError(f"--new: {store.uri} is a gallery already; check --gallery, or leave --new out")


def _told(listed: TrustList) -> str:
    keys = "".join(f"{key}\n" for key in listed.keys) or "no key: nobody can search this gallery\n"
    return f"trusted since {listed.since.isoformat()} (list {listed.seq})\n{keys}"
