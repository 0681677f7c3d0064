"""The nightly CronJob: nights never overlap, and its pod ends as the RayJob ended."""

import os
import subprocess
from pathlib import Path

import pytest

from infra.tree import KUBERAY, find, load, ray_jobs

PATH = KUBERAY / "nightly.yaml"
(CRON,) = find("CronJob", PATH)
(FILES,) = (item["data"] for item in find("ConfigMap", PATH))

KUBECTL = """#!/bin/sh
# Answers `get` with the lines of the file states, one by one, the last for ever; keeps a list of all other calls.
if [ "$1" = get ]; then
  head -n 1 states
  [ "$(wc -l < states)" -gt 1 ] && sed -i 1d states
  exit 0
fi
echo "$1" >> calls
"""


def test_nights_do_not_overlap() -> None:
    assert CRON["spec"]["concurrencyPolicy"] == "Forbid"
    assert CRON["spec"]["startingDeadlineSeconds"] > 0
    job = CRON["spec"]["jobTemplate"]["spec"]
    assert job["backoffLimit"] == 0
    attempts = ray_jobs()["nightly"]["spec"]["backoffLimit"] + 1
    assert attempts * ray_jobs()["nightly"]["spec"]["activeDeadlineSeconds"] < job["activeDeadlineSeconds"] < 86400


def test_one_name_throughout() -> None:
    (job,) = load(FILES["rayjob.yaml"])
    assert job["metadata"] == ray_jobs()["nightly"]["metadata"]
    assert job["metadata"]["name"] == "facebatch-nightly"
    assert "job=facebatch-nightly\n" in FILES["run.sh"]
    pod = CRON["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (binding,) = find("RoleBinding", PATH)
    assert [subject["name"] for subject in binding["subjects"]] == [pod["serviceAccountName"]]
    assert {"name": "nightly", "configMap": {"name": "facebatch-nightly"}} in pod["volumes"]


def test_the_role_reaches_ray_jobs_alone() -> None:
    (role,) = find("Role", PATH)
    for rule in role["rules"]:
        assert (rule["apiGroups"], rule["resources"]) == (["ray.io"], ["rayjobs"])
        assert rule["verbs"] == ["create"] or rule["resourceNames"] == ["facebatch-nightly"]


@pytest.mark.parametrize(
    ("states", "calls", "code", "said"),
    [
        (["", "was ", "was Running", "was Complete"], ["create"], 0, ""),
        (["was Complete", "was Running", "was Complete"], ["delete", "create"], 0, ""),
        (["was Failed", "was Running", "was Retrying", "was Failed"], ["delete", "create"], 1, "failed"),
        (["was Running"], [], 1, "not finished"),
        (["was "], [], 1, "not finished"),
        (["", "was Running", ""], ["create"], 1, "deleted"),
    ],
    ids=["first night", "after a complete one", "fails", "still running", "just created", "deleted by hand"],
)
def test_script(states: list[str], calls: list[str], code: int, said: str, tmp_path: Path) -> None:
    """The shell script against a stand-in for kubectl, since no Kubernetes can run here."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "states").write_text("".join(f"{state}\n" for state in states))
    (tmp_path / "calls").touch()
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "NIGHTLY_POLL_S": "0.01"}
    ended = subprocess.run(
        ["sh", "run.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    assert (ended.returncode, (tmp_path / "calls").read_text().split()) == (code, calls)
    assert said in ended.stderr
