"""How networks are loaded: threads, device, and one kind of error for files that are not what their pack says."""

from pathlib import Path
from typing import Any

from facebatch.errors import ConfigError, ModelPackError
from facebatch.faces.settings import ModelSpec


def session_options(spec: ModelSpec) -> Any:
    """onnxruntime.SessionOptions: `spec.threads` within an operator, one between operators, errors only on stderr."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = spec.threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    return options


def providers(spec: ModelSpec) -> list[str]:
    """onnxruntime's execution providers for `spec.device`. ConfigError when the installed runtime has no CUDA."""
    import onnxruntime

    if spec.device == "cpu":
        return ["CPUExecutionProvider"]
    available = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" not in available:
        raise ConfigError(
            f"model device is cuda, but this onnxruntime offers {', '.join(available)}; "
            "install onnxruntime-gpu, or set the device to cpu"
        )
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


def check_device(session: Any, spec: ModelSpec) -> None:
    """ConfigError when onnxruntime fell back to the CPU although CUDA was asked for."""
    if spec.device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise ConfigError("onnxruntime could not start CUDA and fell back; check the driver, or set the device to cpu")


def open_session(path: Path, spec: ModelSpec) -> Any:
    """onnxruntime.InferenceSession of one file. ModelPackError when it is not a network."""
    import onnxruntime

    chosen = providers(spec)
    try:
        session = onnxruntime.InferenceSession(str(path), session_options(spec), providers=chosen)
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        raise unreadable(path, error) from error
    check_device(session, spec)
    return session


def open_insightface(descriptor: Any, spec: ModelSpec) -> Any:
    """insightface's reader of one manifest task (SCRFD or ArcFaceONNX); the digest is checked again on the way.

    `descriptor` is an insightface ModelTaskDescriptor. Opens local files only. ModelPackError when the file is not a
    network of this task.
    """
    from insightface.model_zoo import get_model

    chosen = providers(spec)
    try:
        network = get_model(
            str(descriptor.package_path),
            model_task=descriptor.task,
            model_descriptor=descriptor,
            providers=chosen,
            sess_options=session_options(spec),
        )
    except Exception as error:  # asserts, onnxruntime's own exceptions, shape errors
        raise unreadable(descriptor.path, error) from error
    check_device(network.session, spec)
    return network


def unreadable(path: Path, error: Exception) -> ModelPackError:
    """The error for a file that no reader can open, in one line."""
    first_line = (str(error).splitlines() or [""])[0] or type(error).__name__
    return ModelPackError(f"{path} cannot be opened as a network of its task ({first_line}); pull the pack again")
