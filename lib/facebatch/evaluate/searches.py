"""Labelled searches: what the candidate lists say of each probe, as arrays. Everything else is computed from this.

Probes are in order of probe_id, P of them. A candidate is a subject, and a similarity counts at or above a threshold.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from facebatch.evaluate.checks import check_candidates, check_groups, check_ids, check_probes, check_truth
from facebatch.evaluate.findings import Finding, located, require_usable
from facebatch.evaluate.inputs import Coded, Inputs, code, code_probes, code_subjects

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Similarities = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """One group variable over probes or subjects."""

    names: tuple[str, ...]
    """Its labels, ascending."""
    codes: npt.NDArray[np.int32]
    """(rows,): place in `names`, -1 where no label was given."""


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """All N subjects that were to be enrolled, by subject_id; unlabelled templates last."""

    subject_ids: pl.Series
    """(N,) String; null for an unlabelled template."""
    enrolled: Mask
    """(N,): False where enrolment failed. Such a subject stays in N."""
    groups: Mapping[str, Labels]

    @property
    def size(self) -> int:
        """N."""
        return len(self.enrolled)


@dataclass(frozen=True, slots=True, eq=False)
class NonMates:
    """The candidates of each probe that are not its mate, best first: those of probe p are rows starts[p] to
    starts[p + 1]."""

    starts: Rows
    """(P + 1,), from 0."""
    similarity: Similarities
    """(C,), never rising within a probe."""
    subject: Rows
    """(C,): row in `Gallery`."""

    def count(self, threshold: float) -> Rows:
        """(P,): how many have similarity >= threshold, rounded to float32."""
        reached = np.concatenate([[0], np.cumsum(self.similarity >= np.float32(threshold))])
        found: Rows = reached[self.starts[1:]] - reached[self.starts[:-1]]
        return found

    @property
    def probe(self) -> Rows:
        """(C,): the probe of each."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """P searches of one gallery."""

    probe_ids: pl.Series
    """(P,) String, ascending, each once."""
    person: Rows
    """(P,): the same number for probes of one person; what a bootstrap resamples."""
    mated: Mask
    """(P,): truth names a subject."""
    mate: Rows
    """(P,): row of that subject in `gallery`; -1 where truth names none, or one that the gallery lacks."""
    mate_enrolled: Mask
    """(P,): the mate is in the gallery and its enrolment did not fail. False for all non-mated probes."""
    failed: Mask
    """(P,): the probe gave no template, so that nothing was searched; no candidates."""
    mate_rank: npt.NDArray[np.int32]
    """(P,): 1 + listed non-mates at least as similar as the mate (pessimistic); 0 where the mate is not listed.
    Where the mate is the last of a full list, an equal non-mate may be unlisted."""
    mate_similarity: Similarities
    """(P,): NaN where the mate is not listed."""
    best_nonmate: Similarities
    """(P,): highest similarity of a non-mate; -inf where none is listed."""
    list_size: npt.NDArray[np.int32]
    """(P,): candidates, the mate among them."""
    list_end: Similarities
    """(P,): lowest similarity listed; +inf where nothing is. An unlisted subject has at most this on a full list, and
    less than `floor` on any other."""
    quality: Similarities
    """(P,): 0-100; NaN where none was given."""
    groups: Mapping[str, Labels]
    """Of the probes, by variable."""
    nonmates: NonMates
    gallery: Gallery
    length: int
    """L: longest list that the search could give."""
    floor: float | None
    """Lists hold nothing below this; None where they were not cut off."""
    findings: tuple[Finding, ...]
    """What was noticed in the tables, none of it fatal."""

    @property
    def listed(self) -> Mask:
        """(P,): the mate is on the list."""
        return self.mate_rank > 0

    @property
    def full(self) -> Mask:
        """(P,): the list has L candidates, and so may leave out subjects above the floor."""
        return self.list_size >= self.length

    def select(self, chosen: Mask) -> "Searches":
        """Only the probes of a (P,) mask, against the same gallery. `findings` stay those of all probes."""
        rows = np.flatnonzero(chosen)
        kept = np.repeat(chosen, np.diff(self.nonmates.starts))
        sizes = np.diff(self.nonmates.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return replace(
            self,
            probe_ids=self.probe_ids.gather(rows),
            person=self.person[rows],
            mated=self.mated[rows],
            mate=self.mate[rows],
            mate_enrolled=self.mate_enrolled[rows],
            failed=self.failed[rows],
            mate_rank=self.mate_rank[rows],
            mate_similarity=self.mate_similarity[rows],
            best_nonmate=self.best_nonmate[rows],
            list_size=self.list_size[rows],
            list_end=self.list_end[rows],
            quality=self.quality[rows],
            groups={name: Labels(of.names, of.codes[rows]) for name, of in self.groups.items()},
            nonmates=NonMates(starts, self.nonmates.similarity[kept], self.nonmates.subject[kept]),
        )


def collect(inputs: Inputs) -> Searches:
    """Read, check and join the tables of an evaluation. The same rows in another order give the same searches.

    StopError for tables that do not belong together and CorruptError for tables that break a rule of `schemas`, one
    line per fault with its rows and first ids; all other findings are in the result.
    """
    probes, subjects = code_probes(inputs), code_subjects(inputs)
    require_usable(located(check_ids(probes, subjects), inputs.origins))
    coded = code(inputs, probes, subjects)
    noticed = (*check_candidates(coded), *check_probes(coded), *check_truth(coded), *check_groups(coded))
    findings = located(noticed, inputs.origins)
    require_usable(findings)
    return _searches(coded, findings)


def _searches(coded: Coded, findings: tuple[Finding, ...]) -> Searches:
    probes = coded.probes
    probe, subject, similarity = (coded.candidates[name].to_numpy() for name in ("probe", "subject", "similarity"))
    gallery = _gallery(coded.subjects)
    mate = _mates(probes, coded.subjects)
    sizes = np.bincount(probe, minlength=len(mate))
    ends = np.cumsum(sizes)
    own = subject == mate[probe]
    mate_similarity = np.full(len(mate), np.nan, dtype=np.float32)
    mate_similarity[probe[own]] = similarity[own]
    nonmates = _nonmates(probe[~own], similarity[~own], subject[~own], len(mate))
    ahead = np.bincount(probe[~own & (similarity >= mate_similarity[probe])], minlength=len(mate))
    some = np.diff(nonmates.starts) > 0
    best = np.full(len(mate), -np.inf, dtype=np.float32)
    best[some] = nonmates.similarity[nonmates.starts[:-1][some]]
    end = np.full(len(mate), np.inf, dtype=np.float32)
    end[sizes > 0] = similarity[ends[sizes > 0] - 1]
    enrolled = np.zeros(len(mate), dtype=bool)
    enrolled[mate >= 0] = gallery.enrolled[mate[mate >= 0]]
    return Searches(
        probe_ids=probes["probe_id"],
        person=probes["person"].to_numpy(),
        mated=probes["subject_id"].is_not_null().to_numpy(),
        mate=mate,
        mate_enrolled=enrolled,
        failed=probes["failed"].to_numpy(),
        mate_rank=np.where(np.isnan(mate_similarity), 0, ahead + 1).astype(np.int32),
        mate_similarity=mate_similarity,
        best_nonmate=best,
        list_size=sizes.astype(np.int32),
        list_end=end,
        quality=probes["quality"].fill_null(float("nan")).to_numpy(),
        groups=_labels(probes["groups"]),
        nonmates=nonmates,
        gallery=gallery,
        length=coded.length,
        floor=coded.floor,
        findings=findings,
    )


def _gallery(subjects: pl.DataFrame) -> Gallery:
    return Gallery(subjects["subject_id"], subjects["enrolled"].to_numpy(), _labels(subjects["groups"]))


def _mates(probes: pl.DataFrame, subjects: pl.DataFrame) -> Rows:
    """(P,): row of `subjects` that truth names, -1 for none."""
    labelled = subjects.lazy().with_row_index("mate").filter(pl.col("subject_id").is_not_null())
    joined = probes.lazy().join(labelled, on="subject_id", how="left", maintain_order="left")
    return joined.select(pl.col("mate").cast(pl.Int64).fill_null(-1)).collect()["mate"].to_numpy()


def _nonmates(probe: Rows, similarity: Similarities, subject: Rows, probes: int) -> NonMates:
    starts = np.concatenate([[0], np.cumsum(np.bincount(probe, minlength=probes))]).astype(np.int64)
    return NonMates(starts, similarity, subject)


def _labels(groups: pl.Series) -> dict[str, Labels]:
    """A column of lists of key and value, as one code per row and key."""
    pairs = (
        pl.LazyFrame({"groups": groups}).with_row_index("row").explode("groups").unnest("groups")
        .drop_nulls(["key", "value"]).sort("key", "row").collect()
    )  # fmt: skip
    found = {}
    for (name,), rows in pairs.partition_by("key", as_dict=True).items():
        names = rows["value"].unique().sort()
        codes = np.full(groups.len(), -1, dtype=np.int32)
        codes[rows["row"].to_numpy()] = names.search_sorted(rows["value"]).to_numpy()
        found[str(name)] = Labels(tuple(names.to_list()), codes)
    return found
