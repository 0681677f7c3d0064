"""Every error this package raises on purpose, grouped by what the caller does next.

| group | what to do next | exit code |
|---|---|---|
| RetryableError | the same call again, later | 75 |
| StaleError | read the head again and plan anew | 73 |
| StopError | a person changes an input, a config or a store first | 2 |
| ForbiddenError | nothing: the request is not allowed | 77 |

A message is one sentence that names the file, row or key, and, where one exists, the remedy.
"""


class FacebatchError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns for it."""

    exit_code = 1


class RetryableError(FacebatchError):
    """The same call may succeed later: an unavailable store, a lost worker, a passed deadline."""

    exit_code = 75


class StaleError(FacebatchError):
    """Another writer moved the head of the gallery: read it again and plan anew."""

    exit_code = 73


class StopError(FacebatchError):
    """A person must change something first; retrying cannot help."""

    exit_code = 2


class ForbiddenError(FacebatchError):
    """The request is not allowed. Carries every denial, never only the first."""

    exit_code = 77


class ConfigError(StopError):
    """A config file, key or value is wrong; names the file and the key."""


class NotFoundError(StopError):
    """A named object, bucket, folder or file does not exist."""


class AccessDeniedError(StopError):
    """The store refused the credentials."""


class CorruptError(StopError):
    """Stored bytes differ from their recorded digest, or break a rule of `schemas`."""


class UnsafeStoreError(StopError):
    """The store does not honour put-if-absent, so two writers could both win."""


class ModelPackError(StopError):
    """A model pack is missing, altered, or not of the kind or dimension asked for."""


class ShardError(StopError):
    """An input shard as a whole cannot be read: cut, empty, or not what its name says."""


class PlanError(StopError):
    """The plan cannot run as asked, for example because it does not fit in memory."""


class WorkerLostError(RetryableError):
    """A worker process died or was killed after its deadline."""


class GateError(StopError):
    """What was about to be published failed a gate; nothing was published, and all work done for it stays."""


class RunFailedError(StopError):
    """Some items of a run failed for good; what succeeded is committed, nothing was published."""


class RunLostError(RetryableError):
    """Some items of a run failed for want of a worker or a store; the same command resumes."""
