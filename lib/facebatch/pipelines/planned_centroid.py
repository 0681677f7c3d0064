"""The centroid that recognizability is measured from: found where the run is planned, and the same on every worker."""

from facebatch.errors import ConfigError, CorruptError
from facebatch.faces.packs import find_pack
from facebatch.faces.recognizability import FILE, Centroid, find_centroid
from facebatch.faces.settings import FaceSpec, ModelSpec


def planned_centroid(model: ModelSpec, faces: FaceSpec, fingerprint: str) -> str | None:
    """Digest of the centroid for the model of this fingerprint, which is part of the key of a shard; None: there is
    none.

    ConfigError where a gate on recognizability cannot be kept for want of one, and as `find_centroid`.
    """
    pack = find_pack(model)
    found = find_centroid(pack, model.centroid, fingerprint)
    if found is None and faces.gate.recognizability is not None:
        raise ConfigError(
            f"faces.gate.recognizability is {faces.gate.recognizability:g}, but model pack {model.pack!r} has no "
            f"centroid; make one with: facebatch models centroid --out {pack / FILE}, or leave the limit out"
        )
    return None if found is None else found.sha256


def worker_centroid(model: ModelSpec, fingerprint: str, planned: str | None) -> Centroid | None:
    """The planned centroid as this machine has it; CorruptError where it has another, or none."""
    if planned is None:
        return None
    found = find_centroid(find_pack(model), model.centroid, fingerprint)
    if found is None or found.sha256 != planned:
        has = "no centroid" if found is None else f"the centroid {found.sha256[:12]}"
        raise CorruptError(
            f"model pack {model.pack!r} on this worker has {has}, the plan says {planned[:12]}; install the same pack "
            "on all machines"
        )
    return found
