"""Gates before a snapshot is published: its counts reconcile, and no more images failed than usual. Pure.

Nights that failed a gate published nothing, so a history holds only nights that passed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from facebatch.gallery.figures import GateFigure, History, Proportion, earlier, tidy, wilson
from facebatch.gallery.ranges import expected_range, most_by_chance
from facebatch.gallery.snapshots import ShardEntry, Snapshot
from facebatch.schemas import Outcome
from facebatch.spec import Spec


class GateSpec(Spec):
    """What a night may look like and still be published."""

    decode_error_most: float = Field(default=0.02, ge=0, le=1)
    """Largest share of images that could not be read; among few images chance may add `sigmas`, as in all limits:
    2 % is 7 of 100."""
    no_face_most: float = Field(default=0.10, ge=0, le=1)
    """Largest share of images without a face."""
    rejected_most: float = Field(default=0.25, ge=0, le=1)
    """Largest share of images of which no face was good enough."""
    gone_most: float = Field(default=0.2, ge=0, le=1)
    """Largest share of the gallery's live templates that may leave in one night because their sources no longer have
    the images; what is erased, expires, is replaced or moves under another name does not count. Of few templates
    `sigmas` allows more."""
    gone_most_of_source: float = Field(default=0.5, ge=0, le=1)
    """The same of one source: the largest share of the templates of its own shards."""
    sigmas: float = Field(default=3.0, ge=1, le=10)
    """How far from the gallery's history a rate may be, in standard deviations; also sets the level of the impostor
    and the drift gate (3 = two-sided 0.27 %)."""
    nights_least: int = Field(default=5, ge=2)
    """Snapshots with a rate before the next one is compared with them."""
    nights_most: int = Field(default=30, ge=2)
    """Latest snapshots with a rate that count as history."""
    recall_least: float = Field(default=0.995, gt=0, le=1)
    """Least recall of mated canaries through an approximate index; an exact one must find all."""
    drift_most: float = Field(default=0.1, ge=0, le=1)
    """Distance of tonight's similarities from the recorded ones that is allowed however certain it is; 0 = none."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of images, by their outcome."""

    name: str
    outcomes: frozenset[Outcome]
    words: str
    both_sides: bool
    """Whether unusually few are as suspect as unusually many."""

    def most(self, spec: GateSpec) -> float:
        """The absolute limit."""
        limits = {"decode_error": spec.decode_error_most, "no_face": spec.no_face_most, "rejected": spec.rejected_most}
        return limits[self.name]


_REJECTED = frozenset({Outcome.FILTERED_QUALITY, Outcome.TOO_SMALL, Outcome.REFUSED})
RATES = (
    Rate("decode_error", frozenset(Outcome) - _REJECTED - {Outcome.OK, Outcome.NO_FACE}, "could not be read", False),
    Rate("no_face", frozenset({Outcome.NO_FACE}), "show no face", True),
    Rate("rejected", _REJECTED, "were rejected for what they show", False),
)
"""Every outcome but ok counts in exactly one of them. A detector that suddenly finds a face everywhere is as wrong as
one that finds none, so the share without a face is watched on both sides."""


def new_shards(snapshot: Snapshot, parent: Snapshot | None) -> tuple[ShardEntry, ...]:
    """Shards that are new or changed since `parent`."""
    known = {shard.shard_key for shard in parent.shards} if parent else set()
    return tuple(shard for shard in snapshot.shards if shard.shard_key not in known)


def reconcile(snapshot: Snapshot, faces_kept: Mapping[str, int]) -> tuple[GateFigure, ...]:
    """Whether the counts of a snapshot, not yet published, agree with one another.

    `faces_kept` is the sum of that ledger column by shard key, for the shards whose ledger was read: the new ones.
    """
    ledger = [s.shard_uri for s in snapshot.shards if s.ledger.rows != s.images]
    outcomes = [s.shard_uri for s in snapshot.shards if sum(s.outcomes.values()) != s.images]
    read = [shard for shard in snapshot.shards if shard.shard_key in faces_kept]
    faces = [s.shard_uri for s in read if not _faces_agree(s, faces_kept[s.shard_key])]
    every = len(snapshot.shards)
    return (
        _disagreeing("counts.ledger", ledger, every, "have one ledger row per image"),
        _disagreeing("counts.outcomes", outcomes, every, "have one outcome per image"),
        _disagreeing("counts.templates", faces, len(read), "have one template per face kept"),
        _segments(snapshot),
    )


def rates(snapshot: Snapshot, parent: Snapshot | None, history: History, spec: GateSpec) -> tuple[GateFigure, ...]:
    """Shares of failed images among tonight's new and changed shards, and in the whole gallery.

    Two figures per share and scope: `rate.<share>.<scope>` against the absolute limit, `history.<share>.<scope>`
    against earlier snapshots.
    """
    figures = []
    for scope, shards in (("new", new_shards(snapshot, parent)), ("whole", snapshot.shards)):
        images = sum(shard.images for shard in shards)
        for rate in RATES:
            seen = Proportion(count=_count(shards, rate.outcomes), n=images)
            figures += [_absolute(rate, scope, seen, spec), _compared(rate, scope, seen, history, spec)]
    return tuple(figures)


def within(name: str, seen: Proportion, most: float, sigmas: float, said: str) -> GateFigure:
    """Fails above what chance makes of a rate at the limit, so that one bad image of three stops no night."""
    value, highest = seen.count / seen.n, most_by_chance(most, seen.n, sigmas)
    return GateFigure(
        name=name,
        passed=tidy(value) <= highest,
        words=f"{said}; the limit is {most:.2%}, by chance {highest:.2%}",
        value=value,
        highest=highest,
        count=seen.count,
        n=seen.n,
        interval=wilson(seen.count, seen.n),
    )


def _count(shards: Iterable[ShardEntry], outcomes: frozenset[Outcome]) -> int:
    return sum(shard.outcomes.get(outcome, 0) for shard in shards for outcome in outcomes)


def _faces_agree(shard: ShardEntry, faces: int) -> bool:
    """Each image with outcome ok kept at least one face, and each face is a template."""
    return shard.templates.rows == faces >= shard.outcomes.get(Outcome.OK, 0)


def _disagreeing(name: str, faulty: Sequence[str], n: int, words: str) -> GateFigure:
    if n == 0:
        return GateFigure(name=name, passed=None, words="no shard was looked at", n=0)
    said = f"all {n} shards {words}" if not faulty else f"{len(faulty)} of {n} shards do not {words}: {faulty[0]} first"
    return GateFigure(name=name, passed=not faulty, words=said, value=len(faulty), highest=0, n=n)


def _segments(snapshot: Snapshot) -> GateFigure:
    name, live = "counts.segments", sum(segment.live_rows for segment in snapshot.segments)
    if not snapshot.segments and snapshot.templates:
        return GateFigure(name=name, passed=None, words="the gallery is not indexed", n=snapshot.templates)
    words = f"{live} live rows in segments, {snapshot.templates} templates without tombstone"
    passed = live == snapshot.templates
    return GateFigure(
        name=name, passed=passed, words=words, value=live - snapshot.templates, lowest=0, highest=0, n=live
    )


def _absolute(rate: Rate, scope: str, seen: Proportion, spec: GateSpec) -> GateFigure:
    name = f"rate.{rate.name}.{scope}"
    if seen.n == 0:
        return GateFigure(name=name, passed=None, words=_no_images(scope), count=0, n=0)
    return within(name, seen, rate.most(spec), spec.sigmas, _say(rate, scope, seen))


def _compared(rate: Rate, scope: str, seen: Proportion, history: History, spec: GateSpec) -> GateFigure:
    name = f"history.{rate.name}.{scope}"
    if seen.n == 0:
        return GateFigure(name=name, passed=None, words=_no_images(scope), count=0, n=0)
    nights = earlier(history, name)[-spec.nights_most :]
    past = [Proportion(count=night.count, n=night.n) for night in nights if night.count is not None and night.n]
    value, interval = seen.count / seen.n, wilson(seen.count, seen.n)
    figure = GateFigure(
        name=name,
        passed=None,
        words=f"{len(past)} of {spec.nights_least} earlier snapshots that are needed to compare have this rate",
        value=value,
        count=seen.count,
        n=seen.n,
        interval=interval,
    )
    if len(past) < spec.nights_least:
        return figure
    low, high = expected_range(past, seen.n, spec.sigmas)
    lowest = low if rate.both_sides else 0.0
    words = f"{_say(rate, scope, seen)}; {lowest:.2%} to {high:.2%} is usual after {len(past)} snapshots"
    verdict = {"passed": lowest <= tidy(value) <= high, "words": words, "lowest": lowest, "highest": high}
    return figure.model_copy(update=verdict)


def _no_images(scope: str) -> str:
    return "no image is new or changed" if scope == "new" else "the gallery has no images"


def _say(rate: Rate, scope: str, seen: Proportion) -> str:
    images = "new or changed images" if scope == "new" else "images of the gallery"
    return f"{seen.count} of {seen.n} {images} {rate.words} ({seen.count / seen.n:.2%})"
