"""What expire --verify found, in figures and in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from facebatch.errors import StopError
from facebatch.evaluate.words import counted
from facebatch.gallery.snapshots import Snapshot
from facebatch.pipelines.expire_results import ResultNames, require_erased, scan_lines
from facebatch.pipelines.expire_scan import SegmentScan, ShardScan
from facebatch.pipelines.retention_plan import RetentionPlan
from facebatch.pipelines.retention_words import of_scan, require_judged
from facebatch.storage import layout

SHOWN = 20
"""Files told one by one for a person; `--json` has them all."""
_ERASE = "run `facebatch expire --thorough --delete` with the same deletions and day"


@dataclass(frozen=True, slots=True)
class Finds:
    """Rows that must be gone, in the head's files of one kind."""

    files: int
    rows: int
    """In these files."""
    left: int
    """Found where none may be: a search finds them, or compaction never comes to them."""
    waiting: int
    """Erased for every search, and not purged yet."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """One file of the head with rows that may not be there."""

    key: str
    rows: int
    problem: str
    """One sentence that names the file, what was found, and the remedy."""


@dataclass(frozen=True, slots=True)
class OlderSnapshot:
    """A snapshot before the head whose files hold rows that must be gone."""

    seq: int
    created_at: datetime
    """Aware UTC."""
    template_rows: int
    segment_rows: int
    kept_by: str | None
    """The pin or the reader that keeps it; None: garbage collection takes it when it is old enough."""


@dataclass(frozen=True, slots=True)
class Loose:
    """Files that no snapshot refers to and garbage collection has not removed yet."""

    template_rows: int
    """Rows that must be gone."""
    segment_rows: int
    unfinished: int
    """Segments that no run finished, whose rows nobody knows."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known or feared to be there."""
        return self == Loose(0, 0, 0)


@dataclass(frozen=True, slots=True)
class ExpireVerification:
    """What was found of templates that must be gone."""

    snapshot: int
    """The head."""
    as_of: date
    named: dict[str, int]
    """How many ids must be gone, by what names them; expired templates are not counted here."""
    templates: Finds
    ledgers: Finds
    segments: Finds
    """Rows of members; index, vectors, codes and order hold the same rows, by number."""
    replaced_rows: int
    """Masked rows of replaced or withdrawn images, which nobody asked to erase; compaction drops them too."""
    leftovers: tuple[Leftover, ...]
    older: tuple[OlderSnapshot, ...]
    """Oldest first."""
    loose: Loose
    remedies: tuple[str, ...]
    """What to do next; empty where nothing is left anywhere."""
    searches: RetentionPlan | None = None
    """What is due of past searches and still there; None: no results are configured."""
    results: ResultNames | None = None
    """Where past searches name people who were erased; None: no results are configured."""

    @property
    def left(self) -> int:
        """Rows that may not be there: must be 0."""
        return self.templates.left + self.ledgers.left + self.segments.left


def text(found: ExpireVerification) -> str:
    """What was found, as lines for a person. Pure."""
    named = [f"{_words(count)} {name}" for name, count in found.named.items()]
    lines = [
        f"snapshot {found.snapshot}: {counted(found.left, 'row')} still found of templates that must be gone",
        f"  must be gone  {', '.join(named)}, what expires by {found.as_of}",
        f"  templates     {_found(found.templates)}",
        f"  ledgers       {_found(found.ledgers)}",
        f"  segments      {_found(found.segments)}; {counted(found.replaced_rows, 'masked row')} of replaced images",
        f"  unreferenced  {_loose(found.loose)}",
        *(leftover.problem for leftover in found.leftovers[:SHOWN]),
    ]
    if len(found.leftovers) > SHOWN:
        lines.append(f"and {counted(len(found.leftovers) - SHOWN, 'more file')}")
    lines.append(f"older snapshots that still hold them: {_words(len(found.older)) if found.older else 'none'}")
    lines += [f"  {_older(snapshot)}" for snapshot in found.older]
    lines += [f"to do: {remedy}" for remedy in found.remedies]
    lines += of_scan(found.searches) if found.searches is not None else ()
    lines += scan_lines(found.results) if found.results is not None else ()
    return "\n".join(lines) + "\n"


def require_gone(found: ExpireVerification) -> None:
    """StopError when rows or objects were found that may not be there, or a search could not be judged."""
    if found.searches is not None and (found.searches.due or found.searches.folders):
        raise StopError(
            f"{counted(found.searches.objects, 'object')} of searches that must be gone "
            f"{'is' if found.searches.objects == 1 else 'are'} still there; run `facebatch expire --delete`"
        )
    require_judged(found.searches)
    require_erased(found.results)
    if found.left:
        raise StopError(
            f"{counted(found.left, 'row')} that must be gone {'is' if found.left == 1 else 'are'} still in "
            f"{counted(len(found.leftovers), 'file')} of snapshot {found.snapshot}; each is told with its remedy"
        )


def of_templates(uri: str, scans: Sequence[ShardScan]) -> tuple[Finds, list[Leftover]]:
    """From the head's template parts."""
    unmasked = [(scan.shard.templates.key, scan.unmasked) for scan in scans if scan.unmasked]
    left = sum(rows for _, rows in unmasked)
    found = Finds(
        files=len(scans),
        rows=sum(scan.shard.templates.rows for scan in scans),
        left=left,
        waiting=sum(len(scan.ids) for scan in scans) - left,
    )
    return found, [_leftover(uri, key, rows, f"without a tombstone; {_ERASE}") for key, rows in unmasked]


def of_ledgers(uri: str, scans: Sequence[ShardScan]) -> tuple[Finds, list[Leftover]]:
    """From the head's ledgers."""
    told = [(scan.shard, scan.ledger_left) for scan in scans if scan.ledger_left]
    found = Finds(
        files=len(scans),
        rows=sum(scan.shard.ledger.rows for scan in scans),
        left=sum(rows for _, rows in told),
        waiting=sum(scan.ledger_waiting for scan in scans),
    )
    leftovers = [
        _leftover(
            uri,
            shard.ledger.key,
            rows,
            f"with details of purged images; remove {layout.commit(shard.shard_key)} and embed {shard.source} again",
        )
        for shard, rows in told
    ]
    return found, leftovers


def of_segments(uri: str, scans: Sequence[SegmentScan]) -> tuple[Finds, list[Leftover]]:
    """From the head's segments."""
    found = Finds(
        files=len(scans),
        rows=sum(scan.rows for scan in scans),
        left=sum(scan.searchable for scan in scans),
        waiting=sum(scan.waiting for scan in scans),
    )
    leftovers = [
        _leftover(uri, layout.segment_manifest(scan.segment_id), scan.searchable, f"that a search finds; {_ERASE}")
        for scan in scans
        if scan.searchable
    ]
    return found, leftovers


def remedies(head: Snapshot, waiting: int, older: Iterable[OlderSnapshot], loose: Loose) -> tuple[str, ...]:
    """What to do about masked rows (`waiting` of them), older snapshots, and files that no snapshot refers to. Pure."""
    lines = []
    if waiting:
        rows = max(1, sum(segment.live_rows for segment in head.segments if segment.dead))
        lines.append(
            f"compaction purges what waits ({counted(waiting, 'row')}); run `facebatch expire --delete "
            f"--compaction.rows {rows}`, or let reindex come to them within its budget"
        )
    snapshots = list(older)
    if snapshots or not loose.is_empty:
        lines.append(
            "`facebatch gallery gc` removes older snapshots and loose files by its retention; at once: "
            "`facebatch gallery gc --keep-last 1 --keep-days 0 --grace-hours 0`, while nothing else runs; with "
            "`--unpublished-days 0` also what an unfinished change of the model has embedded"
        )
    held = [str(snapshot.seq) for snapshot in snapshots if snapshot.kept_by]
    if len(held) == 1:
        lines.append(f"snapshot {held[0]} stays until it is unpinned and nobody reads it")
    elif held:
        lines.append(f"snapshots {', '.join(held)} stay until they are unpinned and nobody reads them")
    return tuple(lines)


def _leftover(uri: str, key: str, rows: int, problem: str) -> Leftover:
    return Leftover(key, rows, f"{uri}/{key}: {counted(rows, 'row')} that must be gone, {problem}")


def _found(finds: Finds) -> str:
    scanned = f"of {counted(finds.rows, 'row')} in {counted(finds.files, 'file')}"
    return f"{_words(finds.left)} found, {_words(finds.waiting)} waiting for compaction, {scanned}"


def _older(snapshot: OlderSnapshot) -> str:
    rows = f"{counted(snapshot.template_rows, 'template row')}, {counted(snapshot.segment_rows, 'segment row')}"
    until = snapshot.kept_by or "until it is collected"
    return f"snapshot {snapshot.seq} of {snapshot.created_at:%Y-%m-%d}: {rows}; {until}"


def _loose(loose: Loose) -> str:
    known = f"{counted(loose.template_rows, 'template row')}, {counted(loose.segment_rows, 'segment row')}"
    return known + (f", {counted(loose.unfinished, 'unfinished segment')} of unknown rows" if loose.unfinished else "")


def _words(count: int) -> str:
    return f"{count:,}".replace(",", " ")
