"""Templates without photos: unit float16 vectors with subjects, for tests of everything behind the models."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facebatch.schemas import templates
from facebatch.storage.digest import digest


def unit(vectors: npt.NDArray[Any]) -> npt.NDArray[np.float16]:
    """Rows scaled to norm 1, then rounded to float16."""
    wide = np.asarray(vectors, dtype=np.float64)
    return (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float16)


def template_table(
    vectors: npt.NDArray[np.float16], subjects: list[str | None], *, prefix: str = "t", shard: str = "mem://shard"
) -> pa.Table:
    """A valid templates table: row i has template_id <prefix><i> and subject_id subjects[i]."""
    n, dim = vectors.shape
    box = pa.array([[0.0, 0.0, 40.0, 50.0]] * n, pa.list_(pa.float32(), 4))
    landmarks = pa.array([[10.0] * 10] * n, pa.list_(pa.float32(), 10))
    score = pa.array([0.9] * n, pa.float32())
    columns = {
        "template_id": [f"{prefix}{row:06d}" for row in range(n)],
        "subject_id": pa.array(subjects, pa.string()),
        "image_id": [f"{prefix}/{row:06d}.jpg" for row in range(n)],
        "image_sha256": [digest(f"{prefix} {row}".encode()) for row in range(n)],
        "shard_uri": [shard] * n,
        "face_index": pa.array([0] * n, pa.int32()),
        "box": box,
        "landmarks": landmarks,
        "detector_score": score,
        "quality_inter_eye": score,
        "quality_sharpness": score,
        "quality_luminance": score,
        "quality_pose": score,
        "quality_exposure": score,
        "quality_recognizability": pa.nulls(n, pa.float32()),
        "quality": score,
        "captured_at": pa.nulls(n, pa.timestamp("us", "UTC")),
        "expires_at": pa.nulls(n, pa.timestamp("us", "UTC")),
        "groups": pa.nulls(n, pa.map_(pa.string(), pa.string())),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dim),
    }
    return pa.table(columns, schema=templates(dim))
