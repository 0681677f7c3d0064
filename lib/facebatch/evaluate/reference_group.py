"""The threshold at which one group has a given FMR, to be put to all groups alike.

NISTIR 8280 compares groups at the threshold that gives FMR 0.0001 or 0.00003 within one reference group ([K]: check
the group and the rates there before quoting it).
"""

import numpy as np
from pydantic import Field

from facebatch.errors import ConfigError
from facebatch.evaluate.groups import Grouping
from facebatch.evaluate.growth import may_hide
from facebatch.evaluate.intervals import trials_to_show
from facebatch.evaluate.pair_sums import sums_by_cell
from facebatch.evaluate.searches import Searches
from facebatch.evaluate.thresholds import allowed
from facebatch.spec import Spec


class ReferenceSpec(Spec):
    """A group, and the FMR within it that sets a threshold."""

    variable: str
    """A group variable of the probes or subjects."""
    group: str
    """One of its groups."""
    fmr: float = Field(default=1e-4, gt=0, lt=1)
    """FMR within that group, at most."""

    @property
    def name(self) -> str:
        """Of the threshold."""
        return f"FMR {self.fmr:g} within {self.variable} {self.group}"


def reference_threshold(searches: Searches, grouping: Grouping, reference: ReferenceSpec) -> tuple[float | None, str]:
    """The smallest float32 T with FMR_gg(T) <= target, and "", or None and why it cannot be told.

    The rule is that of `thresholds`, over comparisons within the group. With a floor above that T it is the floor.
    ConfigError for a group that the variable lacks.
    """
    if reference.group not in grouping.names:
        raise ConfigError(f"reference group {reference.group!r}: {grouping.name} has {', '.join(grouping.names)}")
    code = grouping.names.index(reference.group)
    cell = code * grouping.size + code
    lists = searches.nonmates
    found = np.sort(lists.similarity[grouping.cells(lists.probe, lists.subject) == cell])[::-1]
    pairs = int(sums_by_cell(searches, [grouping], np.inf)[0].pairs[0, cell])
    needed = trials_to_show(reference.fmr)
    if pairs < needed:
        return None, f"{reference.name}: {pairs} comparisons cannot show it, {needed} without a match would"
    spare = int(allowed(np.array([pairs]), reference.fmr)[0])
    lowest = np.float32(-np.inf if searches.floor is None else searches.floor)
    above = np.nextafter(found[spare], np.float32(np.inf)) if spare < len(found) else lowest
    threshold = float(max(above, lowest))
    hiding = int((may_hide(searches, threshold) & (grouping.probes == code)).sum())
    if hiding:
        return None, f"{reference.name}: {hiding} lists end above it; search with longer ones"
    return threshold, ""
