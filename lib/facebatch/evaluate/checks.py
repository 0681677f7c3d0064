"""Faults of truth, gallery and candidate lists: each named and counted, none mended in silence."""

import numpy as np
import numpy.typing as npt
import polars as pl

from facebatch.evaluate.findings import Finding, Weight, find
from facebatch.evaluate.inputs import Coded

Mask = npt.NDArray[np.bool_]
Fault = tuple[str, Weight, Mask, str]
"""Name, weight, the rows of candidates, words."""


def check_ids(probes: pl.DataFrame, subjects: pl.DataFrame) -> tuple[Finding, ...]:
    """What must hold before candidates can be joined. Frames as in `Coded`."""
    twice = probes.filter(pl.col("probe_id").is_duplicated())["probe_id"]
    unnamed = probes.filter(pl.col("probe_id").is_null())["probe_id"]
    labelled = subjects.filter(pl.col("subject_id").is_not_null())["subject_id"]
    unlabelled = subjects.filter(pl.col("subject_id").is_null())["template_id"]
    return (
        *find("truth.without_probe_id", "corrupt", unnamed, "rows of truth name no probe; name it or remove them"),
        *find("truth.duplicate_probe", "corrupt", twice, "rows name a probe more than once; keep one row of each"),
        *find(
            "gallery.duplicate_subject",
            "corrupt",
            labelled.filter(labelled.is_duplicated()),
            "rows name a subject more than once; keep one row of each",
        ),
        *find(
            "gallery.duplicate_template",
            "corrupt",
            unlabelled.filter(unlabelled.is_duplicated() | unlabelled.is_null()),
            "rows without subject_id share a template_id or have none; give each its own",
        ),
    )


def check_candidates(coded: Coded) -> tuple[Finding, ...]:
    """Faults of single candidates and of their order within a list."""
    probe = coded.candidates["probe"].to_numpy()
    faults = (*_disorder(coded, probe), *_membership(coded))
    return tuple(
        finding
        for name, weight, mask, words in faults
        for finding in _about(coded, f"candidates.{name}", weight, probe[mask], words)
    )


def _disorder(coded: Coded, probe: npt.NDArray[np.int64]) -> tuple[Fault, ...]:
    """What no list may have, whatever was searched."""
    rank, subject, similarity = (coded.candidates[name].to_numpy() for name in ("rank", "subject", "similarity"))
    place = np.arange(len(probe)) - np.searchsorted(probe, probe, side="left")
    rising = np.zeros(len(probe), dtype=bool)
    rising[1:] = (probe[1:] == probe[:-1]) & (similarity[1:] > similarity[:-1])
    lowest = np.float32(-np.inf if coded.floor is None else coded.floor)
    beyond = f"rows lie beyond the list length {coded.length}; correct it"
    below = f"rows lie below the floor {coded.floor}; correct it"
    return (
        ("not_a_number", "corrupt", ~np.isfinite(similarity), "rows have no finite similarity; match again"),
        ("out_of_order", "corrupt", rising, "rows are more similar than the rank before; rank by similarity"),
        ("rank_gap", "corrupt", rank != place + 1, "rows break the ranks 1, 2, 3 ... of a list; restore the lost rows"),
        (
            "duplicate_subject",
            "corrupt",
            _repeated(probe, subject),
            "rows repeat a subject of their list; keep its best",
        ),
        ("too_long", "corrupt", place >= coded.length, beyond),
        ("below_floor", "corrupt", similarity < lowest, below),
    )


def _membership(coded: Coded) -> tuple[Fault, ...]:
    """Whether candidates are subjects of the gallery. A last row stands in for those that are not."""
    subject = coded.candidates["subject"].to_numpy()
    lost = np.append(~coded.subjects["enrolled"].to_numpy(), False)[subject]
    unlabelled = np.append(coded.subjects["subject_id"].is_null().to_numpy(), False)[subject]
    return (
        ("outside_gallery", "stop", subject < 0, "rows name no subject of the gallery; give the one that was searched"),
        (
            "not_enrolled",
            "stop",
            lost,
            "rows name a subject whose enrolment is said to have failed; correct the gallery",
        ),
        ("unlabelled", "note", unlabelled, "candidates have no subject_id and count as non-mates"),
    )


def check_probes(coded: Coded) -> tuple[Finding, ...]:
    """Whether truth, lists and failures agree, probe by probe."""
    size = np.bincount(coded.candidates["probe"].to_numpy(), minlength=coded.probes.height)
    failed = coded.probes["failed"].to_numpy()
    full = min(coded.length, int(coded.subjects["enrolled"].sum()))
    empty = np.flatnonzero((size == 0) & ~failed & (full > 0))
    cut = coded.floor is not None
    unfound = "probes have no candidate at or above the floor, if they were searched at all"
    lost = "probes have neither candidates nor a recorded failure; search them or record it"
    short = f"lists hold fewer than {full} candidates" + ("" if cut else ": mates may be missing from them")
    both = "probes have candidates and a recorded failure; one of them is wrong"
    longest = size.max(initial=0)
    cut_short = f"lists, all of them, hold fewer than {full} candidates, at most {longest}, and no floor is said; "
    cut_short += "give the length or the floor that they were cut to"
    return (
        *_about(coded, "truth.without_candidates", "note" if cut else "stop", empty, unfound if cut else lost),
        *_about(coded, "failed.with_candidates", "stop", np.flatnonzero(failed & (size > 0)), both),
        *_about(coded, "lists.short", "note", np.flatnonzero((size > 0) & (size < full)), short),
        *_about(coded, "lists.never_full", "stop", _cut_short(coded, size, full), cut_short),
    )


def _cut_short(coded: Coded, size: npt.NDArray[np.int64], full: int) -> npt.NDArray[np.int64]:
    """Probes with candidates, where no list is as long as a search without a floor would make each of them."""
    made = np.flatnonzero(size > 0)
    return made if coded.floor is None and size.max(initial=0) < full else made[:0]


def check_truth(coded: Coded) -> tuple[Finding, ...]:
    """What truth knows and the other tables do not, and the reverse."""
    probes, strangers = coded.probes, coded.strangers
    named = probes.filter(pl.col("subject_id").is_not_null())["subject_id"]
    unsaid = "failed probes have no truth and are left out of all rates; give truth with a row for each"
    return (
        *find(
            "candidates.without_truth",
            "note",
            strangers["probe_id"],
            f"probes with {strangers['rows'].sum()} candidates have no truth and are left out",
        ),
        *find("failed.without_truth", "note", coded.failed_strangers, unsaid),
        *find(
            "truth.subject_not_in_gallery",
            "note",
            named.filter(~named.is_in(coded.subjects["subject_id"].drop_nulls().implode())),
            "mated probes name a subject that the gallery lacks; they count as misses, as after a failed enrolment "
            "(leave subject_id empty where the person was never to be enrolled)",
        ),
    )


def check_groups(coded: Coded) -> tuple[Finding, ...]:
    """Group labels that one person alone has."""
    labels = coded.probes.lazy().select("person", "groups").explode("groups").unnest("groups")
    lonely = (
        labels.drop_nulls(["key", "value"])
        .group_by("key", "value")
        .agg(persons=pl.col("person").n_unique())
        .filter(pl.col("persons") == 1)
        .select(pl.format("{}={}", "key", "value").alias("group"))
        .collect()
    )
    words = "groups have one person among the probes; nothing can be said about them"
    return find("truth.group_of_one", "note", lonely["group"], words)


def _repeated(probe: npt.NDArray[np.int64], subject: npt.NDArray[np.int64]) -> Mask:
    """Rows whose subject the same list has already; rows of no subject of the gallery never are."""
    order = np.lexsort((subject, probe))
    again = (probe[order][1:] == probe[order][:-1]) & (subject[order][1:] == subject[order][:-1])
    mask = np.zeros(len(probe), dtype=bool)
    mask[order[1:]] = again & (subject[order[1:]] >= 0)
    return mask


def _about(coded: Coded, name: str, weight: Weight, probe: npt.NDArray[np.int64], words: str) -> tuple[Finding, ...]:
    """A finding about as many rows as `probe` has; it names the row of `Coded.probes` that each belongs to."""
    return find(name, weight, coded.probes["probe_id"].gather(np.unique(probe)), words, rows=len(probe))
