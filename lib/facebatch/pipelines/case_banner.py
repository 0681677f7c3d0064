"""What a sheet tells its readers to keep to: the rules that oblige, with citations, and what they come to together."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from facebatch.evaluate.words import plural, spoken
from facebatch.governance.obligations import Obligations
from facebatch.governance.verdict import Verdict
from facebatch.pipelines.case_words import sentence, similarity
from facebatch.review.sheet import BannerLine

_NUMBERS: Final[Mapping[str, Callable[[Any], str]]] = {
    "max_candidates": lambda most: f"A list holds at most {plural(most, 'candidate')}.",
    "max_probes": lambda most: f"A search has at most {plural(most, 'probe')}.",
    "min_score": lambda least: f"Nobody below a similarity of {similarity(least)} is listed.",
    "fpir_target": lambda most: f"The threshold is one for an FPIR of {spoken(most)} or less.",
    "reviewers": lambda least: f"At least {plural(least, 'examiner')} review each candidate, each independently.",
    "retain_probe_days": lambda most: f"Probes are kept for at most {plural(most, 'day')}.",
    "retain_candidates_days": lambda most: f"Candidate lists are kept for at most {plural(most, 'day')}.",
    "audit_keep_days": lambda least: f"The audit record is kept for at least {plural(least, 'day')}.",
}
_FLAGS: Final[Mapping[str, str]] = {
    "blind_second_review": "The second examiner does not know what the first one concluded.",
    "reviewer_not_requester": "Whoever asked for the search does not review it.",
    "hide_scores": "Examiners conclude without seeing similarities: until then they get the blind pages, not this one.",
    "hide_metadata_until_reviewed": "Examiners conclude before they see whom a candidate's record names.",
    "sole_basis_forbidden": "A lead alone supports no arrest, warrant or other adverse decision.",
    "designated_face_only": "Only the designated face of a probe is searched; bystanders are not.",
    "purge_unlawful": "If the search turns out unlawful, all that it left is deleted.",
}
_LISTS: Final[Mapping[str, str]] = {
    "notify": "To be notified: {}.",
    "disclose": "To be disclosed: {}.",
    "report_fields": "Counted for reports to the public: {}.",
}


def banner_lines(verdict: Verdict) -> tuple[BannerLine, ...]:
    """What an allowed request must keep to: the rules of policy packs with citations, what they come to together, and
    packs whose review is due.
    """
    rules = (
        BannerLine(sentence(each.rule.message), f"{found.pack.title}: {each.rule.cite}")
        for found in verdict.findings
        if found.counts
        for each in found.rules
        if each.rule.kind == "oblige" and each.takes_effect
    )
    merged = (BannerLine(words) for words in obligation_lines(verdict.obligations))
    warnings = (BannerLine(sentence(warning)) for warning in verdict.warnings)
    return (*rules, *merged, *warnings)


def obligation_lines(asked: Obligations) -> Iterator[str]:
    """A sentence for each obligation that asks for something, but for the banner itself."""
    for name, words in _NUMBERS.items():
        value = getattr(asked, name)
        if value is not None:
            yield words(value)
    for name, line in _FLAGS.items():
        if getattr(asked, name):
            yield line
    for name, line in _LISTS.items():
        values = getattr(asked, name)
        if values:
            yield line.format(", ".join(value.replace("_", " ") for value in values))
