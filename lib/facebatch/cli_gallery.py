"""`facebatch gallery`: look at a gallery's history and pictures, verify it, go back in it, clear it."""

from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from facebatch import cli_gallery_text as text
from facebatch.cli_output import DryRun, Flag, Flat, Output, plain
from facebatch.errors import CorruptError
from facebatch.evaluate.words import counted
from facebatch.gallery import changes, history, pins, snapshots
from facebatch.gallery.collect import RetentionSpec
from facebatch.pipelines import gallery_collect, gallery_report, gallery_rollback, gallery_show, gallery_verify
from facebatch.pipelines import rephotograph as rephotograph_pipeline
from facebatch.pipelines.gallery_rollback import RollbackSpec
from facebatch.spec import Spec
from facebatch.storage.open import open_store, split_object
from facebatch.storage.settings import S3Spec
from facebatch.storage.store import ObjectStore

gallery_app = App(
    name="gallery", help="A gallery: log, show, diff, report, verify, rephotograph, rollback, pin, unpin, gc."
)


class GallerySpec(Spec):
    """Which gallery."""

    gallery: str
    """Root of the gallery: a local path or s3://bucket/prefix."""
    s3: S3Spec = S3Spec()

    def open(self) -> ObjectStore:
        """Its store."""
        return open_store(self.gallery, self.s3)


At = Annotated[GallerySpec, Flat]
Limit = Parameter(name=("--limit", "-n"), validator=Number(gte=0))


@gallery_app.command
def log(*, at: At, limit: Annotated[int, Limit] = 20, output: Output = Output()) -> None:
    """Snapshots, newest first.

    Parameters
    ----------
    limit
        How many; 0 for all.
    """
    output.start()
    entries = list(history.log(at.open(), limit))
    output.tell(text.log(entries), {"snapshots": [plain(entry) for entry in entries]})


@gallery_app.command
def show(number: int | None = None, /, *, at: At, output: Output = Output()) -> None:
    """One snapshot: counts, sources, segments, bytes.

    Parameters
    ----------
    number
        Which; absent: the head.
    """
    output.start()
    shown = gallery_show.run(at.open(), number)
    output.tell(text.show(shown), shown)


@gallery_app.command
def diff(older: int, newer: int, /, *, at: At, templates: Flag = False, output: Output = Output()) -> None:
    """What changed from one snapshot to another. Reads only parts that one of them lists and the other does not.

    Parameters
    ----------
    older
        From this snapshot.
    newer
        To this one.
    templates
        Also print the ids of the templates: + added, - removed, ~ re-embedded.
    """
    output.start()
    store = at.open()
    found = changes.compare(store, snapshots.read(store, older), snapshots.read(store, newer))
    counts = plain(found)
    ids = counts.pop("ids")
    output.tell(text.changes(found, with_ids=templates), counts | {"ids": ids} if templates else counts)


@gallery_app.command
def report(number: int | None = None, /, *, at: At, to: str, output: Output = Output()) -> None:
    """Write what a snapshot's night was like as a page and JSON: what came and went, gates and their history.

    Parameters
    ----------
    number
        Which snapshot; absent: the head.
    to
        Folder of the report: a local path or s3://bucket/prefix.
    """
    output.start()
    page = gallery_report.run(at.open(), number, open_store(to, at.s3))
    output.tell(f"{page}\n", {"page": page})


@gallery_app.command
def verify(
    number: int | None = None,
    /,
    *,
    at: At,
    every: Annotated[Flag, Parameter(name="--all")] = False,
    output: Output = Output(),
) -> None:
    """Read everything a snapshot refers to and tell each fault in one line; exit code 2 when there is one.

    Parameters
    ----------
    number
        Which snapshot; absent: the head.
    every
        All snapshots; what they share is read once.
    """
    progress = output.start()
    store = at.open()
    chosen = history.numbers(store) if every else [number] if number is not None else []
    found = gallery_verify.run(store, chosen, progress)
    output.tell(text.verification(found), found)
    if found.faults:
        raise CorruptError(f"{store.uri}: {counted(len(found.faults), 'fault')}; each is told with its remedy")


@gallery_app.command
def rephotograph(
    *,
    at: At,
    below: Annotated[float | None, Parameter(validator=Number(gte=0, lte=100))] = None,
    out: str | None = None,
    output: Output = Output(),
) -> None:
    """List the images of the head to take again: those that gave no template, each with reasons and advice.

    Parameters
    ----------
    below
        Also list templates whose unified quality is less than this, 0 to 100.
    out
        Also write the list as CSV to this file, a path or s3:// URI.
    """
    output.start()
    found = rephotograph_pipeline.run(at.open(), below)
    if out is not None:
        folder, name = split_object(out)
        open_store(folder, at.s3).put(name, found.to_csv())
    output.tell(text.retakes(found), found)


@gallery_app.command
def rollback(
    number: int,
    /,
    *,
    at: At,
    spec: Annotated[RollbackSpec, Flat],
    dry_run: DryRun = False,
    output: Output = Output(),
) -> None:
    """Publish the next snapshot with the content of an older one. Templates erased since stay erased.

    Parameters
    ----------
    number
        Which snapshot to restate.
    """
    output.start()
    report = gallery_rollback.run(at.open(), number, spec, dry_run=dry_run)
    output.show("rollback: the plan" if dry_run else "rollback", report)


@gallery_app.command
def pin(number: int, /, *, at: At, name: str, by: str | None = None, output: Output = Output()) -> None:
    """Keep a snapshot, whatever its age.

    Parameters
    ----------
    number
        Which snapshot.
    name
        Under which name it is kept.
    by
        Who wants it kept.
    """
    output.start()
    wanted = pins.Pin(name=name, snapshot=number, at=datetime.now(UTC), by=by)
    output.show("pinned", pins.pin(at.open(), wanted).model_dump(mode="json"))


@gallery_app.command
def unpin(name: str, /, *, at: At, output: Output = Output()) -> None:
    """Let a pinned snapshot grow old like others.

    Parameters
    ----------
    name
        Name of the pin.
    """
    output.start()
    output.show("unpinned", pins.unpin(at.open(), name).model_dump(mode="json"))


@gallery_app.command
def gc(
    *,
    at: At,
    retention: Annotated[RetentionSpec, Flat] = RetentionSpec(),
    dry_run: DryRun = False,
    output: Output = Output(),
) -> None:
    """Delete old snapshots, and what no snapshot refers to any more."""
    progress = output.start()
    found = gallery_collect.run(at.open(), retention, progress, dry_run=dry_run)
    output.tell(text.collection(found, dry_run=dry_run), found)
