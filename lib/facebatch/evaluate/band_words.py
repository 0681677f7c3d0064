"""How figures of quality bands are written for a person."""

from facebatch.evaluate.error_rates import TargetPoint
from facebatch.evaluate.quality_bands import BandFigures
from facebatch.evaluate.words import Told, plural, similarities, similarity, whole


def tell_range(figures: BandFigures) -> str:
    """The quality of a band."""
    return f"{figures.low:g} to {'' if figures.high == 100 else 'below '}{figures.high:g}"


def tell_own(point: TargetPoint) -> Told:
    """The threshold of one band, or what it would take to have one."""
    count = f"{plural(point.searches, 'search')} of {plural(point.people, 'person')}"
    if point.threshold is None:
        need = f"make at least {whole(point.needed)}, better {whole(point.wanted)}"
        return Told("cannot be shown", "", count, f"too few non-mated searches in the band: {need}")
    rough = f"rough: {whole(point.wanted)} searches would give 30 false alarms"
    return Told(
        similarity(point.threshold),
        similarities(point.interval) if point.interval else "",
        count,
        rough if point.searches < point.wanted else "",
    )
