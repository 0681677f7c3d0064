"""The example configs: complete, parsed by the job's own model, and not forgiving of a misspelt key."""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from facebatch.config import (
    CasesConfig,
    EmbedConfig,
    EvaluateConfig,
    ExpireConfig,
    IndexConfig,
    MatchConfig,
    ReindexConfig,
    load_config,
    read_yaml,
)
from facebatch.errors import ConfigError
from facebatch.spec import Spec, parse
from infra.tree import CONFIGS

MODELS: Mapping[str, type[Spec]] = {
    "cases": CasesConfig,
    "embed": EmbedConfig,
    "evaluate": EvaluateConfig,
    "expire": ExpireConfig,
    "index": IndexConfig,
    "match": MatchConfig,
    "reindex": ReindexConfig,
}


def _keys(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        yield (*path, key)
        if isinstance(value, Mapping):
            yield from _keys(value, (*path, key))


EVERY_KEY = [(config, key) for config in CONFIGS for key in _keys(read_yaml(config))]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.name)
def test_example_is_what_its_job_takes(config: Path) -> None:
    settings = load_config(MODELS[config.stem], config)
    assert settings.model_dump()["gallery"].startswith("s3://example-")
    assert settings.model_dump()["run"]["address"] == "local"
    assert settings.model_dump()["s3"]["encryption"] == "aws:kms"


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.name)
def test_example_begins_with_how_to_run_it_and_what_to_expect(config: Path) -> None:
    lines = config.read_text().splitlines()
    head = [line for line in lines[: lines.index("")] if line.startswith("#")]
    assert len(head) == lines.index("")
    for word in ("Run", "Cost", "Expected"):
        assert any(line.startswith(f"# {word:<9} ") for line in head)
    assert f"facebatch {config.stem} --config configs/{config.stem}.yaml" in "\n".join(head)


@pytest.mark.parametrize(
    ("config", "path"), EVERY_KEY, ids=lambda value: getattr(value, "stem", None) or ".".join(value)
)
def test_misspelt_key_is_refused_by_name(config: Path, path: tuple[str, ...]) -> None:
    values = copy.deepcopy(read_yaml(config))
    parent: dict[str, Any] = values
    for part in path[:-1]:
        parent = parent[part]
    wrong = path[-1][:-1] + path[-1][-1] * 2
    parent[wrong] = parent.pop(path[-1])
    with pytest.raises(ConfigError) as caught:
        parse(MODELS[config.stem], values, origin=str(config))
    dotted = ".".join((*path[:-1], wrong))
    assert f"{config}: unknown key {dotted!r}; did you mean {path[-1]!r}?" in str(caught.value).splitlines()


def test_the_request_is_plainly_an_example() -> None:
    config = load_config(MatchConfig, next(path for path in CONFIGS if path.stem == "match"))
    assert config.request.purpose == "system_test"
    assert str(config.request.case_id).startswith("EXAMPLE")
    assert str(config.request.requester.agency).startswith("Example")
    assert config.faces.keep == "only"


def test_gallery_and_probes_are_embedded_alike() -> None:
    """A search compares templates; they must come from one pack on one device."""
    found = {path.stem: load_config(MODELS[path.stem], path) for path in CONFIGS}
    embed, match, reindex, expire = found["embed"], found["match"], found["reindex"], found["expire"]
    assert isinstance(embed, EmbedConfig)
    assert isinstance(match, MatchConfig)
    assert isinstance(reindex, ReindexConfig)
    assert reindex.sources == (embed.source,)
    assert (reindex.model, reindex.faces, reindex.decode) == (embed.model, embed.faces, embed.decode)
    assert reindex.gallery == embed.gallery
    assert isinstance(expire, ExpireConfig)
    assert (expire.gallery, expire.index) == (reindex.gallery, reindex.index)
    assert embed.model == match.model
    assert embed.gallery == match.gallery
    assert embed.faces.detector_size == match.faces.detector_size
    evaluate = found["evaluate"]
    assert isinstance(evaluate, EvaluateConfig)
    assert (evaluate.gallery, evaluate.model, evaluate.faces) == (match.gallery, match.model, match.faces)


def test_a_search_ends_at_a_threshold_that_an_evaluation_publishes() -> None:
    found = {path.stem: load_config(MODELS[path.stem], path) for path in CONFIGS}
    evaluate, match = found["evaluate"], found["match"]
    assert isinstance(evaluate, EvaluateConfig)
    assert isinstance(match, MatchConfig)
    assert match.match.fpir in evaluate.figures.identification.targets
    assert evaluate.publish
    assert evaluate.limits.declared
    assert not match.match.unevaluated
