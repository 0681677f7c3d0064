"""Gates on what leaves a gallery because its sources no longer have the images: a listing that came back short looks
like that. Pure.
"""

import math
from collections.abc import Mapping

from facebatch.gallery.figures import GateFigure, Proportion
from facebatch.gallery.gates import GateSpec, within

WHOLE = "rate.gone.whole"
SOURCE = "rate.gone.source"
"""Of the source that is furthest above its limit, or nearest to it."""
_SOURCES_TOLD = 3


def losses(
    lost: Mapping[str, int], held: Mapping[str, int], live: int, spec: GateSpec
) -> tuple[GateFigure, GateFigure]:
    """Share of the `live` templates of a gallery that leave with their images, `lost` by URI of the source, none of
    them 0; and the largest share that one source loses of those that it `held`.

    As in all limits chance may add `sigmas`, which is what lets a small gallery change: with the default limit it may
    lose all of 3 templates, 5 of 8 and 32 of 100, but only 239 of 1 000; a source 5 of 5, 64 of 100 and 547 of 1 000.
    """
    if live == 0:
        return _nothing_before(WHOLE), _nothing_before(SOURCE)
    return _whole(lost, live, spec), _worst(lost, held, live, spec)


def _nothing_before(name: str) -> GateFigure:
    return GateFigure(name=name, passed=None, words="no template was live before", count=0, n=0)


def _whole(lost: Mapping[str, int], live: int, spec: GateSpec) -> GateFigure:
    seen = Proportion(count=sum(lost.values()), n=live)
    said = f"{seen.count} of {seen.n} live templates are of images that left their source ({seen.count / seen.n:.2%})"
    figure = within(WHOLE, seen, spec.gone_most, spec.sigmas, said)
    return figure if figure.passed else _advise(figure, _told(lost), "gone_most")


def _worst(lost: Mapping[str, int], held: Mapping[str, int], live: int, spec: GateSpec) -> GateFigure:
    if not lost:
        seen = Proportion(count=0, n=live)
        return within(SOURCE, seen, spec.gone_most_of_source, spec.sigmas, "no source lost a template with its image")
    figures = [_of_source(source, Proportion(count=lost[source], n=held[source]), spec) for source in sorted(lost)]
    worst = max(figures, key=lambda figure: (figure.value or 0.0) - (figure.highest or 0.0))
    return worst if worst.passed else _advise(worst, "", "gone_most_of_source")


def _of_source(source: str, seen: Proportion, spec: GateSpec) -> GateFigure:
    said = f"{source} lost {seen.count} of its {seen.n} templates with their images ({seen.count / seen.n:.2%})"
    return within(SOURCE, seen, spec.gone_most_of_source, spec.sigmas, said)


def _advise(figure: GateFigure, told: str, setting: str) -> GateFigure:
    enough = math.ceil(100 * (figure.value or 0.0)) / 100
    words = (
        f"{figure.words}{told}; look whether the listing is whole (prefix, mount, permissions), and if it is, set "
        f"gates.{setting} to {enough:.2f} for this night"
    )
    return figure.model_copy(update={"words": words})


def _told(lost: Mapping[str, int]) -> str:
    most = sorted(lost, key=lambda source: (-lost[source], source))
    told = ", ".join(f"{source} lost {lost[source]}" for source in most[:_SOURCES_TOLD])
    more = len(most) - _SOURCES_TOLD
    return f"; {told}" + (f" and {more} more source{'s' * (more != 1)}" if more > 0 else "")
