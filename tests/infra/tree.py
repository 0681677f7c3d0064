"""The files under test, found by looking, so that a new one is checked from its first day."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
KUBERAY = INFRA / "kuberay"
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
MANIFESTS = sorted(KUBERAY.glob("*.yaml"))
YAML_FILES = [*CONFIGS, *sorted(INFRA.rglob("*.yaml"))]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


class UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML lets the last of two equal keys win; kubectl refuses them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"keys given twice: {sorted(twice)}", node.start_mark)
        return super().construct_mapping(node, deep)


def load(text: str) -> list[dict[str, Any]]:
    """All documents of one YAML text."""
    return list(yaml.load_all(text, Loader=UniqueKeyLoader))


def objects(path: Path) -> Iterator[dict[str, Any]]:
    """Kubernetes objects of a manifest, and those its ConfigMaps carry as YAML."""
    for document in load(path.read_text()):
        yield document
        for name, text in document.get("data", {}).items():
            if name.endswith(".yaml"):
                yield from load(text)


def find(kind: str, path: Path | None = None) -> list[dict[str, Any]]:
    """Objects of one kind, in one manifest or in all."""
    return [item for file in ([path] if path else MANIFESTS) for item in objects(file) if item["kind"] == kind]


def ray_jobs() -> dict[str, dict[str, Any]]:
    """The RayJobs by the stem of their file."""
    return {path.stem: job for path in MANIFESTS for job in find("RayJob", path)}


def ray_environment() -> dict[str, str]:
    """The environment that base.yaml gives to every Ray process."""
    maps = find("ConfigMap", KUBERAY / "base.yaml")
    return next(item["data"] for item in maps if item["metadata"]["name"] == "facebatch-ray")
