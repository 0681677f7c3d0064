"""Settings of segments."""

from typing import Literal

from pydantic import Field

from facebatch.spec import Spec


class IndexSpec(Spec):
    """How templates are put into FAISS segments."""

    kind: Literal["IDMap2,SQ8", "Flat"] = "IDMap2,SQ8"
    """FAISS factory string, inner product. Both are exhaustive: a coarse partition would lose mates.

    IDMap2,SQ8 takes dim bytes per template, Flat 4 x dim. An id in the index is the row number in the segment.
    """
    segment_rows: int = Field(default=1_000_000, ge=1)
    """Most templates in a segment, unless one shard alone has more."""
