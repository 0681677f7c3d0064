"""Leave to evaluate: the packs decide before anything of candidate lists or of probes is read, and it is recorded.

An evaluation is a use of a search of its own, whoever searched and what for. So it is decided by its own request, with
the action `evaluate`; the purpose of the search stays in its certificate and stands beside that of the evaluation in
the audit chain of the gallery.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from facebatch.config import EvaluateConfig
from facebatch.errors import ForbiddenError, NotFoundError, StopError
from facebatch.gallery import snapshots
from facebatch.gallery.history import numbers
from facebatch.gallery.snapshots import Snapshot
from facebatch.governance import policy
from facebatch.governance.facts import with_changes
from facebatch.governance.policy import Decision
from facebatch.governance.tokens import Binding
from facebatch.pipelines import authorising
from facebatch.pipelines.auditing import record_decision, record_evaluation, refusal_recorded
from facebatch.pipelines.grants import Grant, Guard, probe_set
from facebatch.pipelines.retention_deleted import require_in_time, require_undeleted
from facebatch.pipelines.search import SearchManifest, find_search
from facebatch.storage.open import open_store
from facebatch.storage.store import ObjectStore

ACTOR = "job:evaluate"
_ACTIONS = (None, "search", "evaluate")
"""What a request may state: the probes of an evaluation are searched too, where it has any."""


@dataclass(frozen=True, slots=True)
class Leave:
    """An evaluation that was decided and allowed."""

    config: EvaluateConfig
    decision: Decision
    gallery: ObjectStore

    @property
    def audited(self) -> ObjectStore | None:
        """Where it is recorded; None while there is no gallery."""
        return self.gallery if numbers(self.gallery) else None


def authorise(config: EvaluateConfig) -> Leave:
    """Decide an evaluation and record that. ForbiddenError, which is recorded, where it is not allowed; ConfigError for
    a file of the policy that cannot be read.
    """
    leave = Leave(config, _decide(config), open_store(config.gallery, config.s3))
    if leave.decision.allowed and leave.audited is not None:
        record_decision(leave.audited, leave.decision)
    return _required(leave)


def authorise_again(leave: Leave) -> Leave:
    """The same by the decision of this moment. ForbiddenError, which is recorded, where it is allowed no longer."""
    return _required(replace(leave, decision=_decide(leave.config)))


def admit(search: ObjectStore, leave: Leave) -> SearchManifest:
    """The certificate of a finished search that may be evaluated; recorded, before a list of it is read.

    NotFoundError where there is none, StopError for a search of another gallery or whose deletion has begun,
    ForbiddenError, which is recorded, where what it found must not be used.
    """
    require_undeleted(search)
    manifest = find_search(search)
    if manifest is None:
        raise NotFoundError(f"{search.uri} holds no finished search; give the folder that `facebatch match` told")
    if manifest.gallery != leave.gallery.uri:
        raise StopError(
            f"the search {search.uri} is of the gallery {manifest.gallery}, the config names {leave.gallery.uri}; give "
            "that one"
        )
    snapshot = snapshots.read(leave.gallery, manifest.snapshot)
    with refusal_recorded(leave.audited, leave.decision):
        require_in_time(search, manifest.request.authority.pending_until)
        authorising.require_true(leave.decision.request, snapshot)
    guard(leave, search.uri, snapshot)
    record_evaluation(
        leave.gallery,
        leave.decision,
        f"search:{manifest.search_id}",
        probes=manifest.images,
        search_purpose=manifest.request.purpose,
    )
    return manifest


def admit_files(uri: str, leave: Leave) -> None:
    """Candidate lists in files may be evaluated. ForbiddenError, which is recorded, where they may not."""
    head = snapshots.require_head(leave.gallery)
    with refusal_recorded(leave.audited, leave.decision):
        authorising.require_true(leave.decision.request, head)
    guard(leave, uri, head)


def guard(leave: Leave, root: str, snapshot: Snapshot, keys: Iterable[str] = ()) -> Guard:
    """What checks, by a token of this moment, each reading of what lies below `root` and of the probe shards `keys`.

    ForbiddenError, which is recorded, and ConfigError where the gallery does not trust who decided.
    """
    shards = frozenset(keys)
    binding = Binding(
        request=leave.decision.request_sha256,
        packs=tuple(sorted(leave.decision.digests.values())),
        results=open_store(root, leave.config.s3).uri,
        probe_set=probe_set(shards),
        gallery=leave.gallery.uri,
        snapshot=snapshot.seq,
    )
    token = authorising.sign(leave.decision, binding, leave.config.policy, leave.gallery)
    return Guard(Grant(token, binding, shards), (root,), leave.config.s3, actor=ACTOR)


def _decide(config: EvaluateConfig) -> Decision:
    """With the action, unless the request states another one, which `_required` refuses."""
    stated = config.request.action in _ACTIONS
    request = with_changes(config.request, {"action": "evaluate"}) if stated else config.request
    return authorising.decide(config.model_copy(update={"request": request}))


def _required(leave: Leave) -> Leave:
    with refusal_recorded(leave.audited, leave.decision):
        policy.require_allowed(leave.decision)
        action = leave.decision.request.action
        if action != "evaluate":
            raise ForbiddenError(f"request.action: {action} is not what is done here; state evaluate or leave it out")
    return leave
