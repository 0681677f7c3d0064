"""The Kubernetes manifests: no field is misspelt, and what must agree with other files agrees."""

import copy
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from facebatch.runtime import ray_environment as local
from infra.rayjob import RayJob
from infra.tree import KUBERAY, MANIFESTS, ROOT, VERSION, YAML_FILES, find, load, objects, ray_environment, ray_jobs

JOBS = ray_jobs()


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_yaml_parses(path: Path) -> None:
    documents = load(path.read_text())
    assert documents
    assert all(isinstance(document, dict) for document in documents)


def test_equal_keys_are_refused() -> None:
    with pytest.raises(yaml.YAMLError, match="given twice"):
        load("spec: {image: a, image: b}")


@pytest.mark.parametrize("name", JOBS)
def test_ray_job_has_only_known_fields(name: str) -> None:
    RayJob.model_validate(JOBS[name])


@pytest.mark.parametrize(
    ("where", "right", "wrong"),
    [
        (("spec",), "backoffLimit", "backofLimit"),
        (("spec",), "submitterPodTemplate", "submitterTemplate"),
        (("spec", "rayClusterSpec"), "authOptions", "authOption"),
        (("spec", "rayClusterSpec", "workerGroupSpecs", 0), "maxReplicas", "maxReplica"),
        (("spec", "rayClusterSpec", "headGroupSpec", "template", "spec"), "serviceAccountName", "serviceAccount"),
        (("spec", "rayClusterSpec", "headGroupSpec", "template", "spec", "containers", 0), "name", "nme"),
        (("metadata",), "namespace", "namespaces"),
    ],
)
def test_misspelt_field_is_caught(where: tuple[str | int, ...], right: str, wrong: str) -> None:
    job = copy.deepcopy(JOBS["embed"])
    parent: Any = job
    for part in where:
        parent = parent[part]
    parent[wrong] = parent.pop(right)
    with pytest.raises(ValidationError) as caught:
        RayJob.model_validate(job)
    assert (*where, wrong) in [error["loc"] for error in caught.value.errors() if error["type"] == "extra_forbidden"]


def test_number_where_ray_wants_text_is_caught() -> None:
    job = copy.deepcopy(JOBS["embed"])
    job["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0
    with pytest.raises(ValidationError, match="valid string"):
        RayJob.model_validate(job)


@pytest.mark.parametrize("name", JOBS)
def test_entrypoint_is_one_command_for_the_submitter(name: str, tmp_path: Path) -> None:
    """KubeRay pastes the entrypoint into `ray job submit -- ENTRYPOINT ;`; nothing of it may run in that shell."""
    entrypoint = JOBS[name]["spec"]["entrypoint"]
    submitted = tmp_path / "submitted"
    script = f'ray() {{ printf "%s\\0" "$@" > {submitted}; }}\npython() {{ exit 9; }}\nray job submit -- {entrypoint} ;'
    subprocess.run(["bash", "-ce", script], check=True)
    words = submitted.read_text().split("\0")[3:-1]
    assert words == shlex.split(entrypoint)
    assert entrypoint.count("python jobs/") == " ".join(words).count("python jobs/") > 0


@pytest.mark.parametrize("name", JOBS)
def test_workers_asked_for_are_those_that_fit(name: str) -> None:
    """More could never be placed, fewer would leave machines idle."""
    spec = RayJob.model_validate(JOBS[name]).spec
    (group,) = spec.rayClusterSpec.workerGroupSpecs
    cpus = int(group.template.spec.containers[0].resources.limits["cpu"])
    asked = [int(number) for number in re.findall(r"--run\.workers (\d+)", spec.entrypoint)]
    assert max(asked) == group.maxReplicas * cpus
    assert len(asked) == spec.entrypoint.count("--run.address auto") == spec.entrypoint.count("python jobs/")


@pytest.mark.parametrize("name", JOBS)
def test_versions_are_those_of_the_package(name: str) -> None:
    cluster = RayJob.model_validate(JOBS[name]).spec.rayClusterSpec
    assert f"ray=={cluster.rayVersion}\n" in (ROOT / "constraints.txt").read_text()
    images = {container["image"] for container in _containers(JOBS[name])}
    assert images == {f"facebatch:{VERSION}"}


@pytest.mark.parametrize("name", JOBS)
def test_names_refer_to_what_is_there(name: str) -> None:
    base = {(item["kind"], item["metadata"]["name"]) for item in objects(KUBERAY / "base.yaml")}
    base |= {("ConfigMap", f"facebatch-{name}") for name in ("configs", "policies")}  # made as infra/README.md says
    cluster = RayJob.model_validate(JOBS[name]).spec.rayClusterSpec
    for pod in (cluster.headGroupSpec.template.spec, cluster.workerGroupSpecs[0].template.spec):
        assert ("ServiceAccount", pod.serviceAccountName) in base
        maps = [volume.configMap for volume in pod.volumes if volume.configMap]
        maps += [source.configMap for volume in pod.volumes if volume.projected for source in volume.projected.sources]
        assert {("ConfigMap", each.name) for each in maps} <= base
        items = [item for each in maps for item in getattr(each, "items", None) or ()]
        assert all((ROOT / "configs" / item.path).is_file() for item in items)
        claims = [volume.persistentVolumeClaim for volume in pod.volumes if volume.persistentVolumeClaim]
        assert {("PersistentVolumeClaim", claim.claimName) for claim in claims} <= base
        assert all(claim.readOnly for claim in claims)


@pytest.mark.parametrize("name", JOBS)
def test_every_ray_process_gets_the_environment(name: str) -> None:
    cluster = RayJob.model_validate(JOBS[name]).spec.rayClusterSpec
    for template in (cluster.headGroupSpec.template, cluster.workerGroupSpecs[0].template):
        assert [source.configMapRef.name for source in template.spec.containers[0].envFrom] == ["facebatch-ray"]


def test_environment_agrees_with_a_local_ray() -> None:
    """What guards against endless retries and dead connections is the same on a cluster as on one machine."""
    settings = ray_environment()
    shared = {"RAY_task_oom_retries", "RAY_grpc_client_keepalive_time_ms", "RAY_grpc_client_keepalive_timeout_ms"}
    assert shared <= set(settings)
    assert {name: settings[name] for name in shared} == {name: local._SETTINGS[name] for name in shared}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_no_container_runs_as_root_or_holds_a_secret(path: Path) -> None:
    for item in objects(path):
        assert item["kind"] != "Secret"
        for container in _containers(item):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert all("AWS_" not in variable["name"] for variable in container.get("env", []))
        for pod in _pods(item):
            assert pod["securityContext"]["runAsNonRoot"] is True


def test_a_refused_search_is_not_repeated() -> None:
    assert JOBS["match"]["spec"]["backoffLimit"] == 0


def test_search_cannot_write_the_gallery() -> None:
    """match and cases run under an account of their own; only the others have the one that may write."""
    for name, job in JOBS.items():
        accounts = {pod["serviceAccountName"] for pod in _pods(job["spec"]["rayClusterSpec"])}
        assert accounts == {"facebatch-search" if name in ("match", "cases") else "facebatch-gallery"}


def test_every_kind_is_one_we_check() -> None:
    kinds = {item["kind"] for path in MANIFESTS for item in objects(path)}
    core = {
        "Namespace",
        "ServiceAccount",
        "ConfigMap",
        "PersistentVolumeClaim",
        "Role",
        "RoleBinding",
        "Job",
        "CronJob",
    }
    assert kinds == core | {"RayJob"}
    assert len(find("RayJob")) == len(JOBS)


def _pods(item: Any) -> list[dict[str, Any]]:
    """Every pod spec anywhere in an object: a mapping that has containers."""
    if isinstance(item, list):
        return [pod for part in item for pod in _pods(part)]
    if not isinstance(item, dict):
        return []
    return ([item] if "containers" in item else []) + [pod for part in item.values() for pod in _pods(part)]


def _containers(item: Any) -> list[dict[str, Any]]:
    return [container for pod in _pods(item) for container in pod["containers"]]
