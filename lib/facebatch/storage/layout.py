"""The only speller of object keys. Roots are `<gallery>` and `<results>`; names are as in the design, section 3."""

import re
from datetime import UTC, datetime

SNAPSHOTS = "snapshots/"
COMMITS = "commits/"
TEMPLATES = "templates/"
LEDGER = "ledger/"
TIMINGS = "timings/"
SEGMENTS = "segments/"


def snapshot(seq: int) -> str:
    """The numbered snapshot; the highest number is the head."""
    return f"{SNAPSHOTS}{seq:012d}.json"


def snapshot_seq(key: str) -> int:
    """The number in a snapshot's key."""
    return int(key.removeprefix(SNAPSHOTS).removesuffix(".json"))


def commit(work_key: str) -> str:
    """The commit of one unit of work (a shard, a cell): first writer wins."""
    return f"{COMMITS}{work_key}.json"


def part(folder: str, work_key: str, attempt: str) -> str:
    """A Parquet part under a name nobody reads until a commit names it. `folder` ends in a slash."""
    return f"{folder}{work_key}-{attempt}.parquet"


def segment_file(segment_id: str, name: str, attempt: str) -> str:
    """One file of a segment, unread until the segment's manifest names it."""
    stem, _, suffix = name.partition(".")
    return f"{SEGMENTS}{segment_id}/{stem}-{attempt}.{suffix}"


def segment_manifest(segment_id: str) -> str:
    """Names the segment's files and digests; written last, put-if-absent."""
    return f"{SEGMENTS}{segment_id}/manifest.json"


MASKS = "masks/"
TOMBSTONES = "tombstones/"
ORDERS = "orders/"
GENERATIONS = "generations/"
PREFLIGHT = "preflight/"


def mask(segment_id: str, sha256: str) -> str:
    """Rows of a segment that are not live, named by what it holds."""
    return f"{MASKS}{segment_id}-{sha256[:16]}.rows"


def tombstones(sha256: str) -> str:
    """A table of erased templates, named by what it holds."""
    return f"{TOMBSTONES}{sha256[:32]}.parquet"


def orders(sha256: str) -> str:
    """The deletions that outlive their tombstones, named by what they are."""
    return f"{ORDERS}{sha256[:32]}.json"


def generation(model: str) -> str:
    """What a change to this model has listed and not published yet."""
    return f"{GENERATIONS}{model}.json"


CANDIDATES = "candidates/"
BLOCKS = "blocks/"
SEARCH_MANIFEST = "manifest.json"
OUTCOMES = "outcomes.parquet"


def below(root: str, name: str) -> str:
    """URI of a root inside another root."""
    return f"{root.rstrip('/')}/{name}"


def numbered(folder: str, number: int) -> str:
    """A numbered Parquet file of a search: a probe block, or that block's candidate lists."""
    return f"{folder}{number:06d}.parquet"


def replaced(key: str, sha256: str) -> str:
    """A numbered file that takes the place of another, named by what it holds."""
    folder, _, name = key.rpartition("/")
    number = name.partition(".")[0].partition("-")[0]
    return f"{folder}/{number}-{sha256[:16]}.parquet"


def preflight(trial: str, name: str) -> str:
    """A trial object of a check of the store, removed at its end; in no folder of its own, which a disk would keep."""
    return f"{PREFLIGHT}{trial}-{name}"


PINS = "pins/"
LEASES = "leases/"
CONDEMNED = "condemned/"


def pin(name: str) -> str:
    """The pin of this name: its snapshot is kept."""
    return f"{PINS}{name}.json"


def lease(lease_id: str) -> str:
    """A lease: somebody is reading or changing the gallery until it expires."""
    return f"{LEASES}{lease_id}.json"


def condemned(seq: int) -> str:
    """A snapshot that is being deleted: whole until nobody holds it any more, so that it can be put back."""
    return f"{CONDEMNED}{seq:012d}.json"


def stem(key: str) -> str:
    """The last part of a key without its suffix: `<work key>-<attempt>` of a part, the name of a document."""
    return key.rpartition("/")[2].partition(".")[0]


def part_work_key(key: str) -> str:
    """The unit of work that a part was written for."""
    return stem(key).rpartition("-")[0]


def segment_id(key: str) -> str:
    """The segment that a file or a manifest belongs to."""
    return key.removeprefix(SEGMENTS).partition("/")[0]


def report(seq: int, outcome: str, at: datetime, run_id: str) -> str:
    """The report of a night in a folder of reports, without the suffix. Sorted by snapshot.

    One run of one gallery makes a snapshot, so its id keeps apart the nights that failed under one number and galleries
    that share a folder; the second keeps apart the nights that left a head as it was.
    """
    return f"reindex-{seq:012d}-{outcome}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{run_id[:8]}"


AUDIT = "audit/"
AUDIT_KEYS = "audit-keys/"
_AUDIT_EVENT = re.compile(r"audit/([0-9]{12})\.json")


def audit_event(seq: int) -> str:
    """The numbered audit event; the highest number is the end of the chain."""
    return f"{AUDIT}{seq:012d}.json"


def audit_seq(key: str) -> int | None:
    """The number in an event's key; None for any other object."""
    found = _AUDIT_EVENT.fullmatch(key)
    return int(found[1]) if found else None


def audit_key(digest: str) -> str:
    """The key of a person's pseudonym. Not below `audit/`: events are never deleted, these must be."""
    return f"{AUDIT_KEYS}{digest}.json"


TRUST = "trust/"


def trust(seq: int) -> str:
    """The numbered list of keys whose decisions count; the highest number is in force."""
    return f"{TRUST}{seq:012d}.json"


PROBES = "probes/"
MEDIA = "media/"
CELLS = "cells/"
FACES = "faces/"
FRESH = "fresh.parquet"
REQUEST = "request.json"
REFUSAL = "refusal.json"
CASE = "case.json"
SHEET = "sheet.html"
LEADS = "leads/"
AUTHORISATION = "authorisation.json"
REVOCATION = "revocation.json"
ERASED = "erased.json"
PICTURES = "pictures/"
SIGNED_SHEET = f"{PICTURES}sheet.html"
"""The sheet as a signed link opens it: the pictures beside it have signed links too. It goes when they go."""
DELETED = "deleted/"
RUNS = "runs/"
STANDING = "standing/"
_SEARCH = re.compile(r"[0-9a-f]{24}")


def deleted(object_class: str) -> str:
    """The record, in a search's folder, that its objects of this class were deleted; put before one is."""
    return f"{DELETED}{object_class}.json"


def faces(shard_key: str) -> str:
    """Pictures of candidates of one search that are from one shard of the gallery."""
    return f"{FACES}{shard_key}.parquet"


def standing(case: str) -> str:
    """Where it is recorded up to which snapshots a standing case was searched, by the digest of its id."""
    return f"{STANDING}{case}/"


def standing_record(case: str, snapshot: int, search: str) -> str:
    """One such record."""
    return f"{standing(case)}{snapshot:012d}-{search}.json"


def case_run(run: str, name: str) -> str:
    """A file about all cases of one run, in the root of the results."""
    return f"{RUNS}{run}/{name}"


def search_of(key: str) -> str | None:
    """The search whose folder a key of the results is in; None for any other object."""
    folder, slash, _ = key.partition("/")
    return folder if slash and _SEARCH.fullmatch(folder) else None


HOLDS = "holds/"
RELEASES = "releases/"
CASES = "cases/"


def hold(name: str) -> str:
    """The legal hold of this name, in the root of the results."""
    return f"{HOLDS}{name}.json"


def release(name: str) -> str:
    """Ends the legal hold of this name."""
    return f"{RELEASES}{name}.json"


def closed_case(digest: str) -> str:
    """When a case was closed, by the digest of its id."""
    return f"{CASES}{digest}.json"


REVIEWS = "reviews/"
PAIR = "pair.json"
_IN_REVIEW = re.compile(r"reviews/([0-9a-f]{32})/(?:sheets/([0-9a-f]{32})\.json)?")


def review_pair(review: str) -> str:
    """The two examiners of a review, in the root of the results; first writer wins."""
    return f"{REVIEWS}{review}/{PAIR}"


def review_third(review: str) -> str:
    """The third examiner of a review; first writer wins."""
    return f"{REVIEWS}{review}/third.json"


def review_sheets(review: str) -> str:
    """Where the finished sheets of a review are."""
    return f"{REVIEWS}{review}/sheets/"


def review_sheet(review: str, assignment: str) -> str:
    """The finished sheet of one examiner; first writer wins."""
    return f"{review_sheets(review)}{assignment}.json"


def review_of(key: str) -> str | None:
    """The review whose folder a key of the results is in; None for any other object."""
    found = _IN_REVIEW.match(key)
    return found[1] if found else None


def assignment_of(key: str) -> str | None:
    """The assignment whose finished sheet has this key; None for any other object."""
    found = _IN_REVIEW.fullmatch(key)
    return found[2] if found else None


REVIEW = "review/"


def review_lists(digest: str) -> str:
    """In a search's folder: what its lists are examined with, by the digest of the lists; first writer wins."""
    return f"{REVIEW}{digest}.json"


def review_decoys(sha256: str) -> str:
    """In a search's folder: pictures of those who may be shown as decoys, named by what they are."""
    return f"{REVIEW}decoys-{sha256[:32]}.parquet"


def lead(digest: str) -> str:
    """In a search's folder: what examiners agreed on about one probe, by the digest of its id."""
    return f"{LEADS}{digest}.json"
