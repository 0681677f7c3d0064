import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from facebatch.runtime.executor import RunSpec
from facebatch.runtime.local_executor import LocalExecutor
from facebatch.runtime.open import open_executor

OPEN = """
import os, sys
from facebatch.runtime.executor import RunSpec
from facebatch.runtime.open import open_executor
early = "ray" in sys.modules
kind = type(open_executor(RunSpec(executor=sys.argv[1], address=sys.argv[2]))).__name__
print(early, kind, os.environ.get("RAY_AUTH_MODE"), len(os.environ.get("RAY_AUTH_TOKEN", "")))
"""


def opened(executor: str, address: str, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-W", "error", "-c", OPEN, executor, address]
    done = subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_local_opens_without_ray():
    assert isinstance(open_executor(RunSpec(executor="local")), LocalExecutor)
    assert opened("local", "local") == "False LocalExecutor None 0"


@pytest.mark.integration
def test_a_ray_of_its_own_is_closed_to_others():
    assert opened("ray", "local") == "False RayExecutor token 64"


@pytest.mark.integration
def test_settings_of_the_user_and_of_a_cluster_are_kept():
    assert opened("ray", "local", RAY_AUTH_MODE="disabled") == "False RayExecutor disabled 0"
    assert opened("ray", "auto") == "False RayExecutor None 0"


@pytest.mark.parametrize(
    "wrong", [{"workers": -1}, {"attempts": 0}, {"in_flight_per_worker": 0}, {"deadline_s": 0}, {"executor": "dask"}]
)
def test_a_spec_that_cannot_run_is_refused(wrong):
    with pytest.raises(ValidationError):
        RunSpec.model_validate(wrong)
