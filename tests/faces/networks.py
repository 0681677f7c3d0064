"""Tiny networks with random weights, and packs made of them."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

YUNET_OUTPUTS = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)]
SFACE = {"preprocessing_version": "opencv-sface-1", "preprocessing": {"mean": 0.0, "std": 1.0}}


def write_recogniser(path: Path, *, dim: int = 128, batch: int | str = "batch", seed: int = 7) -> Path:
    """112 x 112 RGB -> dim: mean over 16 x 16 px blocks, one random linear layer, hyperbolic tangent."""
    weights = np.random.default_rng(seed).normal(size=(3 * 7 * 7, dim)).astype(np.float32) / 255
    nodes = [
        helper.make_node("AveragePool", ["data"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["pooled"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["linear"]),
        helper.make_node("Tanh", ["linear"], ["fc1"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [batch, 3, 112, 112])],
        [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [batch, dim])],
        [numpy_helper.from_array(weights, "weights")],
    )
    return _save(graph, path)


def write_detector(path: Path, outputs: list[str]) -> Path:
    """A network with these outputs and no meaning; enough for everything that happens before detection."""
    nodes = [helper.make_node("Identity", ["input"], [name]) for name in outputs]
    shape = [1, 3, 640, 640]
    graph = helper.make_graph(
        nodes,
        "outputs",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in outputs],
    )
    return _save(graph, path)


def _save(graph: onnx.GraphProto, path: Path) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_pack(
    folder: Path,
    *,
    detection: dict[str, Any] | None = None,
    recognition: dict[str, Any] | None = None,
    outputs: list[str] = YUNET_OUTPUTS,
    detector: Path | None = None,
    dim: int = 128,
    batch: int | str = "batch",
) -> Path:
    """YuNet's outputs and SFace's layout, unless the manifest entries given say otherwise.

    `detector` is a real file to take instead of one with these `outputs`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if detector is None:
        write_detector(folder / "detector.onnx", outputs)
    else:
        shutil.copyfile(detector, folder / "detector.onnx")
    recogniser = write_recogniser(folder / "recogniser.onnx", dim=dim, batch=batch)
    tasks = {
        "detection": {"preprocessing_version": "opencv-yunet-1", **(detection or {})},
        "recognition": {"embedding_dimension": dim, **SFACE, **(recognition or {})},
    }
    for task, file in (("detection", folder / "detector.onnx"), ("recognition", recogniser)):
        tasks[task] = {"file": file.name, "sha256": digest(file), **tasks[task]}
    manifest = {"manifest_version": 2, "model_id": "tiny", "license": "MODEL.LICENSE", "tasks": tasks}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "MODEL.LICENSE").write_text("MIT\n\nFor tests.\n")
    return folder


def write_card(folder: Path, **fields: Any) -> None:
    card = {"licence": "MIT", "research_only": False, "publisher": "tests", **fields}
    (folder / "card.json").write_text(json.dumps(card))
