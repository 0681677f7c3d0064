"""Who decides about a search: the packs, when it is submitted, again before it is scanned, and before its lists are
certified. A pack may begin in between, and an authority may end.
"""

import logging
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from facebatch.config import EvaluateConfig, MatchConfig
from facebatch.errors import ConfigError, ForbiddenError, StaleError
from facebatch.gallery.snapshots import Snapshot
from facebatch.governance import policy, tokens
from facebatch.governance.facts import Facts
from facebatch.governance.obligations import Obligations
from facebatch.governance.policy import Decision
from facebatch.governance.settings import PolicySpec
from facebatch.governance.signing import public, read_key
from facebatch.governance.tokens import Binding, DecisionToken
from facebatch.governance.trust import trusted_keys
from facebatch.match.settings import MatchSpec
from facebatch.pipelines.auditing import refusal_recorded
from facebatch.pipelines.policy_files import read_packs
from facebatch.pipelines.probe_facts import read_probe_facts
from facebatch.storage.store import ObjectStore

_LOG = logging.getLogger(__name__)
_ACTIONS = ("search", "evaluate")
"""What probes are searched for."""


def decide(config: MatchConfig | EvaluateConfig) -> Decision:
    """The decision of this moment, by packs and facts of probes as their files are now; the log warns of packs whose
    review is due. ConfigError for a file that cannot be read.
    """
    decision = _decide(config)
    for words in decision.verdict.warnings:
        _LOG.warning("%s", words)
    return decision


def _decide(config: MatchConfig | EvaluateConfig) -> Decision:
    packs = [pack for path in config.policy.packs for pack in read_packs(Path(path))]
    stated = {} if config.probe_facts is None else read_probe_facts(config.probe_facts, config.s3).facts
    return policy.decide(config.request, packs, datetime.now(UTC), stated)


def decide_again(config: MatchConfig, gallery: ObjectStore, since: Decision, images: int | None = None) -> Decision:
    """The decision of this moment, still allowed and kept to. ForbiddenError, which is recorded, otherwise; StaleError
    where it is no longer `since`, under which the search was planned, for the facts or for the refusal of a probe.

    `images` is the number of probes where it is known.
    """
    decision = _decide(config)
    with refusal_recorded(gallery, decision):
        policy.require_allowed(decision)
        require_same_probes(decision, since)
        require_kept(decision.obligations, config.match)
        if images is not None:
            require_few(decision, images)
    return decision


def sign(decision: Decision, binding: Binding, spec: PolicySpec, gallery: ObjectStore) -> DecisionToken:
    """The token of an allowed decision. ConfigError where the gallery trusts certain keys and none of them is given."""
    return tokens.issue(decision, binding, _signer(spec, gallery), now=datetime.now(UTC))


def require_same_probes(decision: Decision, since: Decision) -> None:
    """StaleError where other facts are stated than at `since`, or more probes refused."""
    if decision.request_sha256 != since.request_sha256:
        raise StaleError("probe_facts changed since the search was planned; run the same command again")
    newly = decision.refusals.beyond(since.refusals)
    if newly:
        raise StaleError(
            f"the policy packs now refuse probes that they allowed when the search was planned: {newly}; run the same "
            "command again, which leaves them out"
        )


def require_kept(asked: Obligations, spec: MatchSpec) -> None:
    """ForbiddenError naming the key where the settings of a search go beyond what its packs oblige it to."""
    faults = []
    if asked.max_candidates is not None and spec.length > asked.max_candidates:
        faults.append(f"match.length is {spec.length}, lists of at most {asked.max_candidates} candidates are allowed")
    if asked.min_score is not None and (spec.floor is None or spec.floor < asked.min_score):
        faults.append(f"match.floor is {spec.floor}, candidates must reach {asked.min_score}")
    if asked.fpir_target is not None and (spec.fpir is None or spec.fpir > asked.fpir_target):
        faults.append(f"match.fpir is {spec.fpir}, lists must end at the threshold of {asked.fpir_target} or stricter")
    if faults:
        raise ForbiddenError(f"the policy packs oblige this search otherwise: {'; '.join(faults)}")


def require_few(decision: Decision, images: int) -> None:
    """ForbiddenError for more probes than the packs allow or the request states."""
    most, stated = decision.obligations.max_probes, decision.request.probe.count
    if most is not None and images > most:
        raise ForbiddenError(f"the search has {images} probes, and the policy packs allow {most}; divide the request")
    if stated is not None and images > stated:
        raise ForbiddenError(
            f"the search has {images} probes, and the request states {stated}; correct request.probe.count"
        )


def require_true(request: Facts, snapshot: Snapshot) -> None:
    """ForbiddenError where a request states of the work or of the gallery what can be seen to be otherwise."""
    if request.action not in (None, *_ACTIONS):
        raise ForbiddenError(f"request.action: {request.action} is not what is done here; state search or leave it out")
    evaluation = snapshot.evaluated
    if request.gallery.evaluated and not (evaluation and evaluation.approved_for_use):
        raise ForbiddenError(
            f"request.gallery.evaluated: is stated as true, and no evaluation approved snapshot {snapshot.seq}; run "
            "`facebatch evaluate --publish`, or state what is the case"
        )


def _signer(spec: PolicySpec, gallery: ObjectStore) -> Ed25519PrivateKey:
    trusted = trusted_keys(gallery)
    if spec.signing_key is None:
        if trusted is not None:
            raise ConfigError(
                f"policy.signing_key: {gallery.uri} says whose decisions it trusts; give the file of a trusted key"
            )
        return Ed25519PrivateKey.generate()
    key = read_key(Path(spec.signing_key))
    if trusted is not None and public(key) not in trusted:
        raise ConfigError(
            f"policy.signing_key: {gallery.uri} does not trust key {public(key)[:12]}; `facebatch policy trusted` "
            "lists those it does"
        )
    return key
