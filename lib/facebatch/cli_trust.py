"""`facebatch policy keygen|trust|trusted`: who signs decisions, and whose count for a gallery."""

from datetime import UTC, datetime
from pathlib import Path

from facebatch.cli_gallery import At
from facebatch.cli_output import DryRun, Flag, Output
from facebatch.errors import ConfigError
from facebatch.governance import signing
from facebatch.governance import trust as lists
from facebatch.governance.trust import TrustList
from facebatch.pipelines.auditing import record_trust


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


def trust(*keys: str, at: At, nobody: Flag = False, dry_run: DryRun = False, output: Output = Output()) -> None:
    """Say whose decisions count for a gallery, from now on these and no others. Recorded in its audit chain.

    Parameters
    ----------
    keys
        Public keys as `facebatch policy keygen` prints them: all that are to count, not only new ones.
    nobody
        Trust no key, so that nobody can search the gallery.
    """
    output.start()
    if bool(keys) == nobody:
        raise ConfigError("give the public keys that are to count, or --nobody to stop all searches")
    store = at.open()
    standing = lists.current(store)
    listed = lists.following(standing, keys, datetime.now(UTC))
    if not dry_run:
        record_trust(store, listed)
        lists.replace(store, listed)
    output.tell(_told(listed), listed.model_dump(mode="json"))


def trusted(*, at: At, output: Output = Output()) -> None:
    """Print the public keys whose decisions count for a gallery."""
    output.start()
    standing = lists.current(at.open())
    told = "any key: nobody has said whose decisions count\n" if standing is None else _told(standing)
    output.tell(told, {"trusted": None if standing is None else list(standing.keys)})


def _told(listed: TrustList) -> str:
    keys = "".join(f"{key}\n" for key in listed.keys) or "no key: nobody can search this gallery\n"
    return f"trusted since {listed.since.isoformat()} (list {listed.seq})\n{keys}"
