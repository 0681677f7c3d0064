"""Opens the executor that the settings name."""

from facebatch.runtime import ray_environment
from facebatch.runtime.executor import Executor, RunSpec
from facebatch.runtime.local_executor import LocalExecutor


def open_executor(spec: RunSpec) -> Executor:
    """The executor for `spec.executor`; enter it to start it."""
    if spec.executor == "local":
        return LocalExecutor(spec)
    if spec.address == "local":
        ray_environment.prepare()
    from facebatch.runtime.ray_executor import RayExecutor  # slow to import, and only after `prepare`

    return RayExecutor(spec)
