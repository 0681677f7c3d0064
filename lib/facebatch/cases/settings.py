"""What candidate sheets are made of."""

from typing import Literal

from pydantic import Field

from facebatch.images.source import SourceSpec
from facebatch.spec import Spec


class SheetSpec(Spec):
    """The pages of a run."""

    pictures: Literal["embedded", "linked"] = "embedded"
    """embedded: a sheet is one file; linked: its pictures are files beside it. Behind signed links a linked sheet is a
    copy that has a signed link to each of its pictures."""
    photos: tuple[SourceSpec, ...] = ()
    """Where the gallery's images are, as they were embedded: candidates are shown from there. Absent: as the gallery's
    commits name them, with default settings. What cannot be found there is not shown, and the sheet says so."""
    links: Literal["relative", "signed"] = "relative"
    """Of the index page. signed: pre-signed S3 links, for readers who may not read the bucket."""
    signed_hours: float = Field(default=24.0, gt=0, le=168)
    """For how long signed links hold, of sheets and of pictures. The run again signs anew."""
