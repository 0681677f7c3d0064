"""People in the gallery of whom a report by groups does not know the group."""

from collections.abc import Iterator

from facebatch.evaluate.differentials import Differentials, GroupDifferentials
from facebatch.evaluate.findings import Finding

WITHOUT_LABEL = "gallery.without_group_label"


def without_label(found: Differentials) -> tuple[Finding, ...]:
    """A finding for each variable, crossed ones aside, of which people in the gallery have no label."""
    return tuple(_findings(found))


def _findings(found: Differentials) -> Iterator[Finding]:
    for group in found.groups:
        missing = group.who.missing.subjects
        if missing and len(group.variables) == 1:
            yield Finding(WITHOUT_LABEL, missing, _words(group, found.gallery), (), "note")


def _words(group: GroupDifferentials, gallery: int) -> str:
    told = f"people in the gallery have no label of {group.name}"
    remedy = "enrol them with it (source.fields.groups)"
    if group.who.missing.subjects == gallery:
        return f"{told}, that is everybody: nothing is measured of the groups of candidates; {remedy}"
    return f"{told}, of {gallery}: figures of the groups of candidates are of the others alone; {remedy}"
