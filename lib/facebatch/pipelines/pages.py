"""Pages from templates: one HTML file that holds everything it shows, and escapes all that it is told."""

from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from facebatch.evaluate.words import whole

PAGES: Final = Environment(
    loader=PackageLoader("facebatch.pipelines", "."),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
"""Templates of this package. Those of pages extend page.html.j2, whose policy forbids to fetch or run anything."""


def count(number: int | None) -> str:
    """With narrow spaces between thousands; a dash for what is not known. A filter of templates."""
    return "\N{EN DASH}" if number is None else whole(number)


def signed(number: int) -> str:
    """A difference of counts. A filter of templates."""
    sign = "+" if number > 0 else "\N{MINUS SIGN}" if number < 0 else "\N{PLUS-MINUS SIGN}"
    return f"{sign}{count(abs(number))}"


PAGES.filters |= {"count": count, "signed": signed}
