"""What the gallery commands print for people, as lines of text. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC

from facebatch.cli_output import words
from facebatch.evaluate.words import counted
from facebatch.gallery.changes import Changes
from facebatch.gallery.history import Entry, ShardChanges
from facebatch.gallery.verdicts import Verdict
from facebatch.pipelines.gallery_collect import Collection
from facebatch.pipelines.gallery_show import Shown
from facebatch.pipelines.gallery_verify import Verification
from facebatch.pipelines.rephotograph import ADVICE, Retakes

_SHORT = 12
"""Digits shown of run ids and fingerprints."""
_UNITS = ("B", "kB", "MB", "GB", "TB")


def log(entries: Sequence[Entry]) -> str:
    """One block per snapshot, as `git log` has them."""
    return "\n".join(_lines(_heading(entry), _facts(entry)) for entry in entries)


def show(shown: Shown) -> str:
    """One snapshot in full."""
    entry = shown.entry
    facts = {
        **_facts(entry),
        "run": entry.run_id,
        "model": f"{entry.model_name} {entry.model} (dim {shown.dim})",
        "content": shown.content_sha256,
        "outcomes": words(shown.outcomes),
        "bytes": words({kind: size(count) for kind, count in shown.bytes.items()}),
    }
    sources = (
        f"  source {source.source}: {counted(source.templates, 'template')} of {counted(source.images, 'image')} "
        f"in {counted(source.shards, 'shard')}"
        + (f", and {counted(source.tombstones, 'tombstone')}\n" if source.tombstones else "\n")
        for source in shown.sources
    )
    segments = (
        f"  segment {segment.segment_id}: {segment.kind}, {words(segment.live_rows)} of {words(segment.rows)} rows "
        f"live, {size(segment.bytes)}\n"
        for segment in shown.segments
    )
    thresholds = _thresholds(entry.verdict) if entry.verdict else ()
    return _lines(_heading(entry), facts) + "".join((*thresholds, *sources, *segments))


def changes(found: Changes, *, with_ids: bool) -> str:
    """What changed, in counts, and with the ids of templates one to a line behind."""
    facts = {
        "added": words(found.added),
        "removed": f"{words(found.removed)} ({words(found.erased)} by tombstones)",
        "re-embedded": words(found.re_embedded),
        "unchanged": words(found.unchanged),
        "shards": _shard_changes(found.shards),
        "model": "the same" if found.same_model else "another",
        "read": f"{words(found.parts_read)} of {words(found.parts)} template parts",
    }
    lines = _lines(f"snapshot {found.older} to {found.newer}", facts)
    if with_ids:
        groups = (("+", found.ids.added), ("-", found.ids.removed), ("~", found.ids.re_embedded))
        lines += "".join(f"{sign} {template_id}\n" for sign, ids in groups for template_id in ids)
    return lines


def verification(found: Verification) -> str:
    """One line per fault, then what was verified."""
    lines = "".join(f"{fault.problem}\n" for fault in found.faults)
    for seq in found.not_compared:
        lines += f"snapshot {seq}: its segments were not compared with its templates, as some cannot be read\n"
    numbers = ", ".join(map(str, found.snapshots))
    return lines + (
        f"snapshot{'s' * (len(found.snapshots) != 1)} {numbers}: {counted(found.shards, 'shard')}, "
        f"{counted(found.templates, 'template')}, {counted(found.segments, 'segment')} verified, "
        f"{counted(len(found.faults), 'fault')}\n"
    )


def collection(found: Collection, *, dry_run: bool) -> str:
    """What was deleted, by kind, and what stays, and why."""
    verb = "would be deleted" if dry_run else "deleted"
    kinds = {kind: f"{words(part.objects)}, {size(part.bytes)}" for kind, part in found.deleted.items()}
    facts = {**kinds, "stay for now": f"{words(found.waiting)} objects that nothing refers to"}
    kept = "".join(f"  snapshot {seq} stays: {why}\n" for seq, why in found.kept.items())
    return _lines(f"{verb}: snapshots {_ranges(found.snapshots)}", facts) + kept


def retakes(found: Retakes) -> str:
    """A line per image, then what to do by reason, most frequent first."""
    lines = [
        f"{retake.image_id}: {', '.join(retake.reasons)}"
        + ("" if retake.quality is None else f" (enrolled, quality {retake.quality:.0f})")
        for retake in found.retakes
    ]
    counts = Counter(reason for retake in found.retakes for reason in retake.reasons)
    lines += [f"{reason}, {counted(count, 'time')}: {ADVICE[reason]}" for reason, count in counts.most_common()]
    if found.not_assessed:
        lines.append(f"{words(found.not_assessed)} templates are older than the unified quality and were not judged")
    images = len({(retake.shard_uri, retake.image_id) for retake in found.retakes})
    lines.append(f"snapshot {found.snapshot}: {words(images)} of {words(found.images)} images to take again")
    return "".join(f"{line}\n" for line in lines)


def size(count: int) -> str:
    """Bytes with a decimal unit."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def _heading(entry: Entry) -> str:
    marks = [*(["head"] if entry.is_head else []), *(f"pinned as {name}" for name in entry.pins)]
    return f"snapshot {entry.seq}" + (f" ({', '.join(marks)})" if marks else "")


def _facts(entry: Entry) -> dict[str, str]:
    change = "" if entry.templates_change is None else f" ({entry.templates_change:+,})".replace(",", " ")
    segments = f"{words(entry.segments)}{'' if entry.is_indexed else ', not indexed'}"
    facts = {
        "run": entry.run_id[:_SHORT],
        "published": f"{entry.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        "model": f"{entry.model_name} {entry.model[:_SHORT]}",
        "templates": f"{words(entry.templates)}{change}, of {words(entry.images)} images",
        "shards": words(entry.shards) + (f" ({_shard_changes(entry.shard_changes)})" if entry.shard_changes else ""),
        "segments": segments,
        "tombstones": words(entry.tombstones),
    }
    if entry.verdict is not None:
        facts["evaluation"] = _verdict(entry.verdict)
    if entry.restates is not None:
        facts["restates"] = f"snapshot {entry.restates}: {entry.reason}"
    return facts


def _verdict(found: Verdict) -> str:
    unmet = ", ".join(found.unmet) or "no limit was declared"
    told = "approved for use" if found.approved_for_use else f"not approved for use ({unmet})"
    carried = ", carried on" if found.carried_on else ""
    return f"of snapshot {found.snapshot} on {found.at.astimezone(UTC):%Y-%m-%d}{carried}: {told}"


def _thresholds(found: Verdict) -> Iterator[str]:
    for one in found.thresholds:
        band = f", band {one.band}" if one.band else ""
        yield (
            f"  threshold for FPIR {one.fpir:g}{band}: {one.threshold:.5f} ({one.low:.5f} to {one.high:.5f}), "
            f"{counted(one.searches, 'search')} of {counted(one.people, 'person')}\n"
        )
    for missing in found.without_threshold:
        yield f"  no threshold for FPIR {missing.fpir:g}: {missing.why}\n"


def _shard_changes(found: ShardChanges) -> str:
    return f"{words(found.added)} new, {words(found.changed)} changed, {words(found.removed)} gone"


def _lines(heading: str, facts: Mapping[str, str]) -> str:
    width = max(map(len, facts), default=0)
    return "".join([f"{heading}\n", *(f"  {name:<{width}}  {value}\n" for name, value in facts.items())])


def _ranges(numbers: Iterable[int]) -> str:
    """1, 2, 3, 5 as "1-3, 5"."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in spans) or "none"
