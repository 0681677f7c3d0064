"""Every Arrow table that is stored: column, unit, range and order. Readers refuse a newer format version.

File metadata of each part: `facebatch.table`, `facebatch.format_version`, `facebatch.model` (fingerprint).
Compression and encodings are set in `storage.parquet`.
"""

from enum import StrEnum

import pyarrow as pa

FORMAT_VERSION = 1
"""Of documents, keys of work and tables. Raised when any of them changes meaning, type or order; a table with added
columns has a version of its own, see `version_of`."""


class Outcome(StrEnum):
    """What became of one input image; exactly one per ledger row."""

    OK = "ok"
    """At least one face was kept."""
    NO_FACE = "no_face"
    """Decoded; the detector found no face at or above its threshold."""
    FILTERED_QUALITY = "filtered_quality"
    """Faces were found, and each was rejected with a reason."""
    REFUSED = "refused"
    """Not to be searched: by policy, and then nothing was decoded, for a crowd, or for want of the designated face."""
    DECODE_ERROR = "decode_error"
    """The bytes are not a readable image of a supported format."""
    TRUNCATED = "truncated"
    """The image data ends early."""
    TOO_SMALL = "too_small"
    """Fewer pixels than the limit."""
    TOO_LARGE = "too_large"
    """More pixels or bytes than the limit; nothing was decoded."""
    UNSUPPORTED = "unsupported"
    """A format that is not JPEG, PNG or WebP."""
    MISSING = "missing"
    """A manifest names an object that is not there."""
    UNSAFE_MEMBER = "unsafe_member"
    """An archive member with an absolute or `..` name, a link or a device."""
    DUPLICATE_MEMBER = "duplicate_member"
    """An earlier member of the same shard has this name; the first one counts."""
    METADATA_ERROR = "metadata_error"
    """The sidecar or row beside the image cannot be read, so subject and expiry are unknown."""
    MODEL_ERROR = "model_error"
    """The model returned something that is not a template: NaN, zero norm or a wrong shape."""
    POLICY_DENIED = "policy_denied"
    """Of a probe of a case: the policy packs refuse it, and nothing of it was read."""
    SEVERAL_FACES = "several_faces_none_designated"
    """Of a probe of a case: its media show several faces, and none of them was designated."""
    NOT_SEARCHABLE = "not_searchable"
    """Of a probe of a case: a face was found, and its quality is too low to search with."""


BOX = pa.list_(pa.float32(), 4)
"""x0, y0, x1, y1 in px of the upright image; x1 and y1 exclusive."""

LANDMARKS = pa.list_(pa.float32(), 10)
"""x, y of the image-left eye, image-right eye, nose tip, image-left and image-right mouth corner, px, upright image."""

GROUPS = pa.map_(pa.string(), pa.string())
"""Given group labels by variable name. Never inferred; read only by evaluation."""


def templates(dim: int) -> pa.Schema:
    """One row per kept face. Sorted by image_id, face_index.

    `embedding` is float16[dim], unit norm within 2e-3 (the rounding of float16), checked at every load.
    """
    return pa.schema(
        [
            pa.field("template_id", pa.string(), nullable=False),  # 32 hex digits, unique in a gallery
            pa.field("subject_id", pa.string()),  # absent: unlabelled
            pa.field("image_id", pa.string(), nullable=False),
            pa.field("image_sha256", pa.string(), nullable=False),  # of the encoded bytes, 64 hex digits
            pa.field("shard_uri", pa.string(), nullable=False),
            pa.field("face_index", pa.int32(), nullable=False),  # 0-based; by box area, largest first
            pa.field("box", BOX, nullable=False),
            pa.field("landmarks", LANDMARKS, nullable=False),
            pa.field("detector_score", pa.float32(), nullable=False),  # [0, 1]
            pa.field("quality_inter_eye", pa.float32(), nullable=False),  # 0-100, higher is better
            pa.field("quality_sharpness", pa.float32(), nullable=False),  # 0-100, higher is better
            pa.field("quality_luminance", pa.float32(), nullable=False),  # 0-100, higher is better
            pa.field("quality_pose", pa.float32()),  # these 0-100, higher is better; absent: not assessed
            pa.field("quality_exposure", pa.float32()),
            pa.field("quality_recognizability", pa.float32()),  # absent also where the model has no centroid
            pa.field("quality", pa.float32()),  # of all of them, as `faces.quality.unified` says
            pa.field("captured_at", pa.timestamp("us", "UTC")),
            pa.field("expires_at", pa.timestamp("us", "UTC")),  # erased at or after this time
            pa.field("groups", GROUPS),
            pa.field("embedding", pa.list_(pa.float16(), dim), nullable=False),
        ]
    )


REJECTED = pa.list_(pa.struct([pa.field("box", BOX, nullable=False), pa.field("reason", pa.string(), nullable=False)]))
"""Faces found and not kept, with the reason: too_small, small_inter_eye, not_largest, too_many_faces, crowd,
not_designated or model_error. By the limits of `faces.gate`, of which the first that a face fails counts: low_detector,
low_inter_eye, low_pose, large_yaw, low_sharpness, low_luminance, low_exposure, low_recognizability or low_quality."""

LEDGER = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("member", pa.string(), nullable=False),  # name inside the shard
        pa.field("image_sha256", pa.string()),  # absent when no bytes were read
        pa.field("outcome", pa.string(), nullable=False),  # a value of Outcome
        pa.field("reason", pa.string()),  # words for a person; absent when there is nothing to add
        pa.field("faces_found", pa.int32(), nullable=False),
        pa.field("faces_kept", pa.int32(), nullable=False),
        pa.field("rejected", REJECTED, nullable=False),
        pa.field("width", pa.int32()),  # px, upright; absent when no header was read
        pa.field("height", pa.int32()),
    ]
)
"""One row per image of the shard, in the order of the shard. Holds no times, so that a rerun gives the same bytes."""

TIMINGS = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("decode_ms", pa.float32(), nullable=False),
        pa.field("detect_ms", pa.float32(), nullable=False),
        pa.field("embed_ms", pa.float32(), nullable=False),  # alignment, and an equal share of the batch it was in
    ]
)
"""Milliseconds per stage, beside the ledger: one row per image. The only part that differs between runs."""

CANDIDATES = pa.schema(
    [
        pa.field("probe_id", pa.string(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),  # 1 = best
        pa.field("subject_id", pa.string()),  # absent: an unlabelled template, which counts as a subject of its own
        pa.field("template_id", pa.string(), nullable=False),  # the subject's best template
        pa.field("similarity", pa.float32(), nullable=False),  # cosine in [-1, 1], higher = more alike
        pa.field("snapshot", pa.int64(), nullable=False),
    ]
)
"""Sorted by probe_id, rank; equal similarities by template_id."""

TRUTH = pa.schema(
    [
        pa.field("probe_id", pa.string(), nullable=False),  # each one once
        pa.field("subject_id", pa.string()),  # the person's in the gallery; absent: the search is non-mated
        pa.field("person_id", pa.string()),  # read where subject_id is absent; absent as well: a person per probe
        pa.field("quality", pa.float32()),  # 0-100, higher is better
        pa.field("groups", GROUPS),
    ]
)
"""Who a labelled probe shows, as evaluation reads it; in any order."""

ROWS = pa.schema(
    [
        pa.field("template_id", pa.string(), nullable=False),
        pa.field("subject_id", pa.string()),
    ]
)
"""Row i of a segment's index and vectors. Sorted by subject (template_id where absent), then template_id."""

TOMBSTONES = pa.schema(
    [
        pa.field("template_id", pa.string(), nullable=False),
        pa.field("subject_id", pa.string()),  # of the template
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),  # expired, or the words of the deletion request
        pa.field("authority", pa.string(), nullable=False),  # who ordered it: a statute, a court, the retention policy
        pa.field("erased_at", pa.timestamp("us", "UTC"), nullable=False),  # the date of the run, not its clock
    ]
)
"""Templates that no search may find any more. Sorted by template_id; each one once."""

FIGURES = pa.schema(
    [
        pa.field("figure", pa.string(), nullable=False),  # which one, e.g. fnir; `.excluded`: failures left out
        pa.field("variable", pa.string()),  # group variable, or several crossed; absent: of everyone
        pa.field("group", pa.string()),  # of the probe
        pa.field("group_b", pa.string()),  # of the subject in the gallery
        pa.field("target", pa.float64()),  # FPIR target in (0, 1] that the threshold was set for
        pa.field("threshold", pa.float64()),  # similarity >= this counts; absent: no threshold
        pa.field("threshold_name", pa.string()),  # of those by which groups are compared
        pa.field("rank", pa.int32()),  # R, 1 or more; absent: the list length L
        pa.field("gallery", pa.int64()),  # subjects, where it is not all of them
        pa.field("share", pa.float64()),  # [0, 1], of mated searches left out for their quality
        pa.field("value", pa.float64()),  # absent: not measured, for the reason in `words`
        pa.field("low", pa.float64()),  # 95 % interval
        pa.field("high", pa.float64()),
        pa.field("count", pa.int64()),  # numerator, where the value is a share or a mean
        pa.field("n", pa.int64()),  # denominator: searches, probes, subjects or comparisons
        pa.field("people", pa.int64()),  # different ones behind n
        pa.field("method", pa.string()),  # of the interval: wilson or bootstrap
        pa.field("words", pa.string()),  # what the numbers do not say
    ]
)
"""Figures of an evaluation, one per row; what none of the columns tells apart is told by the name. In the order of the
report. Finite numbers only."""

COSTS = pa.schema(
    [
        pa.field("what", pa.string(), nullable=False),  # e.g. a search; several rows of it differ by gallery and basis
        pa.field("value", pa.float64()),  # in `unit`; negative only where mates were won; absent: see `basis`
        pa.field("unit", pa.string(), nullable=False),  # ms, bytes, or what a share is of
        pa.field("basis", pa.string(), nullable=False),  # how it was obtained, in words
        pa.field("gallery", pa.int64()),  # N, subjects, 1 or more; absent: the gallery's own, or any
        pa.field("templates", pa.int64()),  # compared with each probe, 1 or more, where `gallery` is given
        pa.field("low", pa.float64()),  # of the interval that `method` names, in `unit`
        pa.field("high", pa.float64()),  # not below low
        pa.field("count", pa.int64()),  # how often it was measured, or the numerator of value
        pa.field("n", pa.int64()),  # denominator, where the value is a share
        pa.field("people", pa.int64()),  # different ones behind n
        pa.field("method", pa.string()),  # quartiles of times; 95 % by wilson or bootstrap of shares
    ]
)
"""What templates and searches of an evaluation took, in the order of the report. Finite numbers only. Times differ from
run to run, so this table does too: nothing that must be the same bytes is made of it."""

MEDIA = pa.schema(
    [
        pa.field("probe_id", pa.string(), nullable=False),
        pa.field("medium", pa.int32(), nullable=False),  # 0-based, in the order of the manifest
        pa.field("name", pa.string(), nullable=False),  # as the manifest gives it
        pa.field("at_ms", pa.int64()),  # since the start of a video; absent: a still
        pa.field("track", pa.int32()),  # 0-based, of the faces followed through a video; absent: a still
        pa.field("outcome", pa.string(), nullable=False),  # a value of Outcome
        pa.field("reason", pa.string()),  # words for a person; absent when there is nothing to add
        pa.field("box", BOX),  # absent where no face was chosen
        pa.field("landmarks", LANDMARKS),
        pa.field("detector_score", pa.float32()),  # [0, 1]
        pa.field("quality_inter_eye", pa.float32()),  # these 0-100, higher is better; absent: not assessed
        pa.field("quality_pose", pa.float32()),
        pa.field("quality_sharpness", pa.float32()),
        pa.field("quality_luminance", pa.float32()),
        pa.field("quality_exposure", pa.float32()),
        pa.field("quality_recognizability", pa.float32()),
        pa.field("quality", pa.float32()),  # of all of them, as `faces.quality` says
        pa.field("weight", pa.float32(), nullable=False),  # share of the probe's template, [0, 1]; 0: not used
        pa.field("aligned", pa.binary()),  # the crop the template was made of, JPEG
        pa.field("original", pa.binary()),  # the face with its surroundings as in the upright image, JPEG
    ]
)
"""What a probe of a case is made of: one row per still or per face used of a video, and one with the reason where a
medium gave none. Sorted by probe_id, medium, at_ms. Bystanders are neither described nor shown."""

FACES = pa.schema(
    [
        pa.field("template_id", pa.string(), nullable=False),
        pa.field("subject_id", pa.string()),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("captured_at", pa.timestamp("us", "UTC")),
        pa.field("aligned", pa.binary(), nullable=False),  # JPEG without metadata, all of one size
    ]
)
"""Pictures of candidates, for the sheets of one case. Sorted by template_id; each one once."""

STORED = {
    "ledger": LEDGER,
    "media": MEDIA,
    "faces": FACES,
    "timings": TIMINGS,
    "candidates": CANDIDATES,
    "truth": TRUTH,
    "rows": ROWS,
    "tombstones": TOMBSTONES,
    "figures": FIGURES,
    "costs": COSTS,
}
"""Tables of fixed shape by name; `templates` depends on the dimension of the model."""

ADDED = {
    "templates": dict.fromkeys(("quality_pose", "quality_exposure", "quality_recognizability", "quality"), 2),
}
"""By table, the columns that came later, nullable, each with the version it came with; read as absent where a file is
older."""


def version_of(kind: str) -> int:
    """The format version that tables of `kind` are written in; it moves no key of work, so nothing is made again."""
    return max(ADDED.get(kind, {}).values(), default=FORMAT_VERSION)
