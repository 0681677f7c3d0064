"""Which packs decide about searches, and who signs."""

from facebatch.spec import Spec


class PolicySpec(Spec):
    """The floor always decides: purpose, case and requester must be stated."""

    packs: tuple[str, ...] = ()
    """Files or folders of policy packs (*.yaml) that decide beside the floor."""
    signing_key: str | None = None
    """File of the private key that signs decisions, as `facebatch policy keygen` makes it; needed where the gallery
    says whose decisions it trusts. Absent: a key of this run alone."""
