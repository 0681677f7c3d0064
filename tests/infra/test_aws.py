"""The cluster launcher's YAML against the schema in Ray's own wheel, and against the manifests."""

import copy
import importlib.util
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from infra.tree import INFRA, VERSION, load, ray_environment

(CLUSTER,) = load((INFRA / "aws" / "cluster.yaml").read_text())


@pytest.fixture(scope="module")
def schema() -> Any:
    spec = importlib.util.find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    return json.loads((Path(spec.origin).parent / "autoscaler" / "ray-schema.json").read_text())


def test_ray_accepts_it(schema: Any) -> None:
    jsonschema.validate(CLUSTER, schema)


@pytest.mark.parametrize(
    ("where", "right", "wrong"),
    [
        ((), "head_node_type", "head_node"),
        (("docker",), "run_options", "run_option"),
        (("available_node_types", "cpu"), "max_workers", "max_worker"),
        (("auth",), "ssh_user", "user"),
    ],
)
def test_misspelt_key_is_caught(where: tuple[str, ...], right: str, wrong: str, schema: Any) -> None:
    cluster = copy.deepcopy(CLUSTER)
    parent = cluster
    for part in where:
        parent = parent[part]
    parent[wrong] = parent.pop(right)
    with pytest.raises(jsonschema.ValidationError, match=wrong):
        jsonschema.validate(cluster, schema)


def test_machines_have_roles_and_no_keys() -> None:
    types = CLUSTER["available_node_types"]
    assert CLUSTER["head_node_type"] in types
    for node in types.values():
        config = node["node_config"]
        assert set(config["IamInstanceProfile"]) == {"Arn"}
        assert config["MetadataOptions"] == {"HttpTokens": "required"}
        assert "KeyName" not in config
        assert all(disk["Ebs"]["Encrypted"] for disk in config["BlockDeviceMappings"])
    assert "AWS_" not in json.dumps(CLUSTER)


def test_workers_are_spot_and_the_head_is_not() -> None:
    market = {
        name: "InstanceMarketOptions" in node["node_config"] for name, node in CLUSTER["available_node_types"].items()
    }
    assert market == {"head": False, "cpu": True}
    assert CLUSTER["available_node_types"]["head"]["resources"] == {"CPU": 0}
    assert CLUSTER["available_node_types"]["cpu"]["max_workers"] <= CLUSTER["max_workers"]


def test_environment_is_that_of_kubernetes() -> None:
    options = [
        option.removeprefix("--env ") for option in CLUSTER["docker"]["run_options"] if option.startswith("--env ")
    ]
    given = dict(option.split("=", 1) for option in options)
    assert {
        name: value for name, value in ray_environment().items() if name.startswith("RAY_")
    }.items() <= given.items()
    assert given["RAY_AUTH_MODE"] == "token"
    assert given["RAY_AUTH_TOKEN_PATH"] in CLUSTER["file_mounts"]


def test_image_is_the_launcher_of_this_version() -> None:
    assert CLUSTER["docker"]["image"] == f"facebatch-launcher:{VERSION}"
    assert f"-t facebatch-launcher:{VERSION} --target launcher" in (INFRA / "docker" / "Dockerfile").read_text()
