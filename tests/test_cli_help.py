"""What --help says of each setting: words of its own, in which a person finds what to give."""

import pytest

from facebatch.cli import app


def told(command: str, prefix: str) -> dict[str, str]:
    """Help by option, of those of a command that begin so."""
    arguments = app[command].assemble_argument_collection(parse_docstring=True)
    return {each.name: each.parameter.help or "" for each in arguments if each.show and each.name.startswith(prefix)}


@pytest.mark.parametrize("command", ["match", "cases", "evaluate"])
def test_every_fact_of_a_request_has_words_of_its_own(command: str) -> None:
    facts = told(command, "--request.")
    assert len(facts) > 30
    assert [name for name, words in facts.items() if not words] == []
    shared = {name: words for name, words in facts.items() if list(facts.values()).count(words) > 1}
    assert shared == {}


def test_every_limit_says_how_it_is_given() -> None:
    limits = told("evaluate", "--limits.")
    assert [name for name, words in limits.items() if not words] == []
    assert all(key in limits["--limits.fnir-at-fpir"] for key in ("fpir", "fnir_most", "JSON"))
    assert all(key in limits["--limits.groups"] for key in ("fpir", "fnir_ratio_most", "JSON"))
