import json
import os
import shutil

import pytest

from facebatch.errors import ModelPackError
from facebatch.faces.packs import cache_directory, find_pack, list_packs, load_card
from facebatch.faces.settings import ModelSpec
from faces.networks import digest, write_card, write_pack


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The three directories that are searched, by name."""
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path / "environment"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    named = {name: tmp_path / name for name in ("packs", "environment")}
    return {**named, "cache": tmp_path / "cache" / "facebatch" / "models"}


def change(folder, **fields):
    manifest = json.loads((folder / "manifest.json").read_text())
    for task, values in fields.items():
        manifest["tasks"][task] = values(manifest["tasks"][task])
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_search_order(places):
    spec = ModelSpec(pack="tiny", packs=str(places["packs"]))
    for name in ("cache", "environment", "packs"):
        folder = write_pack(places[name] / "tiny")
        assert find_pack(spec) == folder


def test_the_cache_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "facebatch" / "models"


def test_a_path_is_not_searched(places):
    write_pack(places["packs"] / "tiny")
    folder = write_pack(places["cache"] / "tiny")
    assert find_pack(ModelSpec(pack=str(folder), packs=str(places["packs"]))) == folder


def test_a_missing_pack_names_every_place_and_the_remedy(places):
    (places["environment"] / "tiny").mkdir(parents=True)
    with pytest.raises(ModelPackError) as caught:
        find_pack(ModelSpec(pack="tiny", packs=str(places["packs"])))
    message = str(caught.value)
    assert all(str(place / "tiny") in message for place in places.values())
    assert f"{places['environment'] / 'tiny'} (has no manifest.json)" in message
    assert message.endswith("facebatch models pull tiny")


def test_card_says_what_the_pack_is(tmp_path):
    card = load_card(write_pack(tmp_path, dim=64))
    assert (card.name, card.dim, card.input_size) == ("tiny", 64, 112)
    assert (card.detector.task, card.detector.layout) == ("detection", "yunet")
    assert (card.recogniser.task, card.recogniser.layout) == ("recognition", "sface")
    assert card.recogniser.sha256 == digest(tmp_path / "recogniser.onnx")
    assert (card.licence, card.research_only) == ("MIT", False)


def test_insightfaces_own_layouts_are_the_default(tmp_path):
    folder = write_pack(tmp_path)
    change(
        folder,
        detection=lambda task: {"file": task["file"], "sha256": task["sha256"]},
        recognition=lambda task: {"file": task["file"], "sha256": task["sha256"], "embedding_dimension": 128},
    )
    card = load_card(folder)
    assert (card.detector.layout, card.recogniser.layout) == ("scrfd", "arcface")


def test_card_json_goes_before_the_licence_file(tmp_path):
    write_card(write_pack(tmp_path), licence="Apache-2.0", research_only=True, notes="why")
    card = load_card(tmp_path)
    assert (card.licence, card.research_only) == ("Apache-2.0", True)


@pytest.mark.parametrize(
    ("text", "restricted"),
    [
        ("Models are available for non-commercial research purposes only.", True),
        ("For Noncommercial use", True),
        ("Licensed for research only", True),
        ("MIT: used in research and elsewhere", False),
    ],
)
def test_without_a_card_the_words_of_the_licence_decide(tmp_path, text, restricted):
    write_pack(tmp_path)
    (tmp_path / "MODEL.LICENSE").write_text(f"Terms\n{text}\n")
    assert load_card(tmp_path).research_only is restricted


WRAPPED = (
    "det.onnx: a detector (commit 0047ac24; the project's licence file is\nApache-2.0 in form).\n  rec.onnx: MIT.\n"
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            WRAPPED,
            "det.onnx: a detector (commit 0047ac24; the project's licence file is Apache-2.0 in form). rec.onnx: MIT.",
        ),
        ("\n\nMIT License\n\nCopyright (c) 2020\nPermission is hereby granted\n", "MIT License"),
        ("Apache License\r\nVersion 2.0\r\n \r\nTERMS\r\n", "Apache License Version 2.0"),
    ],
)
def test_without_a_card_the_licence_is_told_in_whole_sentences(tmp_path, text, told):
    write_pack(tmp_path)
    (tmp_path / "MODEL.LICENSE").write_text(text)
    assert load_card(tmp_path).licence == told


def test_a_long_licence_says_where_the_rest_is(tmp_path):
    write_pack(tmp_path)
    (tmp_path / "MODEL.LICENSE").write_text("Use is permitted. " * 500)
    told = load_card(tmp_path).licence
    assert told.startswith("Use is permitted. Use is")
    assert told.endswith("... (the rest is in MODEL.LICENSE)")
    assert len(told) <= 1000


def test_wrong_digest_names_file_expected_and_got(tmp_path):
    folder = write_pack(tmp_path)
    recorded = digest(folder / "recogniser.onnx")
    with (folder / "recogniser.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelPackError) as caught:
        load_card(folder)
    for part in (str(folder / "recogniser.onnx"), recorded, digest(folder / "recogniser.onnx"), "pull the pack again"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "manifest.json").write_text("{"), "invalid model package manifest"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "must be an object"),
        (lambda folder: (folder / "manifest.json").write_text('{"manifest_version": 1}'), "manifest_version must be 2"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest does not exist"),
        (lambda folder: (folder / "detector.onnx").unlink(), "model file does not exist"),
        (lambda folder: (folder / "MODEL.LICENSE").unlink(), "must carry its licence"),
        (lambda folder: (folder / "MODEL.LICENSE").write_text(" \n"), "is empty"),
        (lambda folder: (folder / "card.json").write_text("{"), "card.json is not readable JSON"),
        (lambda folder: (folder / "card.json").write_text("[]"), "must be a JSON object"),
        (lambda folder: write_card(folder, license="MIT"), "unknown key 'license'; did you mean 'licence'"),
        (lambda folder: write_card(folder, research_only=None), "research_only"),
        (lambda folder: change(folder, detection=lambda task: {**task, "sha256": "12"}), "64 lowercase hexadecimal"),
        (lambda folder: change(folder, detection=lambda task: {**task, "file": "../x.onnx"}), "escapes the package"),
        (
            lambda folder: change(folder, detection=lambda task: {"file": task["file"]}),
            "gives no sha256 for detection",
        ),
        (
            lambda folder: change(folder, detection=lambda task: {**task, "preprocessing_version": "x-1"}),
            "preprocessing_version 'x-1'; for detection use insightface-scrfd-1, opencv-yunet-1",
        ),
        (
            lambda folder: change(folder, recognition=lambda task: {**task, "preprocessing": {"mean": 1, "std": 1}}),
            "declared as SFace",
        ),
    ],
)
def test_a_broken_pack_is_one_clear_sentence(tmp_path, spoil, message):
    folder = write_pack(tmp_path)
    spoil(folder)
    with pytest.raises(ModelPackError) as caught:
        load_card(folder)
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pack_needs_both_tasks(tmp_path):
    folder = write_pack(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["tasks"]["detection"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelPackError, match="declares no detection model"):
        load_card(folder)


def test_fingerprint_ignores_names_and_places(tmp_path):
    first = write_pack(tmp_path / "one")
    second = tmp_path / "elsewhere" / "two"
    shutil.copytree(first, second)
    os.rename(second / "recogniser.onnx", second / "renamed.onnx")
    change(second, recognition=lambda task: {**task, "file": "renamed.onnx"})
    write_card(second, notes="other words")
    assert load_card(first).fingerprint == load_card(second).fingerprint
    assert len(load_card(first).fingerprint) == 64


@pytest.mark.parametrize(
    "changes",
    [
        {"recognition": lambda task: {**task, "preprocessing": "embedded"}},
        {"recognition": lambda task: {**task, "embedding_dimension": 64}},
        {"recognition": lambda task: {**task, "input_size": [160, 160]}},
        {"detection": lambda task: {**task, "preprocessing_version": "insightface-scrfd-1"}},
        {"detection": lambda task: {**task, "preprocessing": {"mean": 1.0, "std": 2.0}}},
    ],
)
def test_fingerprint_follows_everything_that_changes_an_embedding(tmp_path, changes):
    folder = write_pack(tmp_path)
    before = load_card(folder).fingerprint
    change(folder, **changes)
    assert load_card(folder).fingerprint != before


def test_fingerprint_follows_the_weights(tmp_path):
    assert (
        load_card(write_pack(tmp_path / "a")).fingerprint != load_card(write_pack(tmp_path / "b", dim=64)).fingerprint
    )


def test_list_shows_every_pack_once_and_what_is_wrong_with_it(places):
    write_pack(places["packs"] / "good")
    shadowed = write_pack(places["cache"] / "good")
    write_pack(places["cache"] / ".partial")
    broken = write_pack(places["environment"] / "broken")
    (broken / "detector.onnx").write_bytes(b"")
    (places["environment"] / "no_pack").mkdir()
    listed = list_packs(ModelSpec(packs=str(places["packs"])))
    assert [(pack.name, pack.path.parent) for pack in listed] == [
        ("good", places["packs"]),
        ("broken", places["environment"]),
    ]
    assert listed[0].card == load_card(places["packs"] / "good")
    assert listed[0].fault is None
    assert listed[1].card is None
    assert "SHA-256 mismatch" in listed[1].fault
    assert shadowed not in [pack.path for pack in listed]
