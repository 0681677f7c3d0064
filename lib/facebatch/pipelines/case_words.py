"""How a candidate sheet puts outcomes and numbers into words."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from facebatch.evaluate.words import spoken, whole
from facebatch.pipelines.pages import PAGES
from facebatch.schemas import Outcome

NOTICE: Final = "Candidates are leads to be reviewed by people. They are not identifications."
OUTCOMES: Final[Mapping[Outcome, str]] = {
    Outcome.OK: "searched",
    Outcome.NO_FACE: "no face found",
    Outcome.FILTERED_QUALITY: "no face good enough",
    Outcome.REFUSED: "refused",
    Outcome.DECODE_ERROR: "not a readable picture",
    Outcome.TRUNCATED: "the file ends early",
    Outcome.TOO_SMALL: "too small",
    Outcome.TOO_LARGE: "too large",
    Outcome.UNSUPPORTED: "a format that is not read",
    Outcome.MISSING: "the file is missing",
    Outcome.UNSAFE_MEMBER: "an unsafe name in an archive",
    Outcome.DUPLICATE_MEMBER: "the same name twice",
    Outcome.METADATA_ERROR: "what was given with it cannot be read",
    Outcome.MODEL_ERROR: "the model gave no template",
    Outcome.POLICY_DENIED: "refused by policy",
    Outcome.SEVERAL_FACES: "several faces, none designated",
    Outcome.NOT_SEARCHABLE: "quality too low to search",
}
"""Of a probe."""
QUALITIES: Final[Mapping[str, str]] = {
    "unified": "Unified quality",
    "inter_eye": "Eye distance",
    "pose": "Pose",
    "sharpness": "Sharpness",
    "luminance": "Luminance",
    "exposure": "Exposure",
    "recognizability": "Recognizability",
}
"""Fields of `sheet.MediumQuality`."""
DIGITS: Final = 4
"""Decimals of a similarity."""
_MINUS: Final = "\N{MINUS SIGN}"
_KEPT: Final = "\n\t\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"


def visible(text: str) -> str:
    """With characters escaped that are not to be seen: controls, what turns the direction of text, half surrogates."""
    return "".join(
        each if each.isprintable() or each in _KEPT else each.encode("unicode_escape", "surrogatepass").decode("ascii")
        for each in text
    )


def quoted(text: str) -> Markup:
    """A CSS string, with its quotes, that nothing can end early, not even the style element it stands in."""
    plain = (each if each.isascii() and each.isalnum() else f"\\{ord(each):x} " for each in text)
    return Markup(f'"{"".join(plain)}"')  # noqa: S704  # letters, digits and escapes only


def sentence(text: str) -> str:
    """With a capital at its start, unless a name of a file is there, and a full stop at its end."""
    text = text.strip()
    first = text.partition(" ")[0]
    is_name = "/" in first or "." in first.rstrip(".")
    start = text[:1] if is_name else text[:1].upper()
    return start + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def similarity(value: float) -> str:
    """With DIGITS decimals; never a share of a hundred, which it is not."""
    return f"{value:.{DIGITS}f}".replace("-", _MINUS)


def moment(at: datetime) -> str:
    """In UTC, to the minute."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def into_video(at_ms: int) -> str:
    """Hours where there are any, minutes and seconds to the millisecond, as `1:02:03.450` and `2:03.450`."""
    minutes, rest = divmod(at_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 1000:02d}.{rest % 1000:03d}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def few(value: float) -> str:
    """A mean or a count of few things, with two significant digits; whole from 100 on."""
    return whole(round(value)) if value >= 100 else f"{float(f'{value:.2g}'):g}"


def expected_false(expected: float) -> str:
    """How many people of a list are not the probe's person, on average."""
    if expected <= 0:
        return "In the evaluation no such list held anybody who is not the probe's person, which is no promise."
    told = few(expected)
    who = "About 1 person who is" if told == "1" else f"About {told} people who are"
    seldom = f"; at most about 1 in {few(1 / expected)} such lists holds any" if expected <= 0.1 else ""
    return f"{who} not the probe's person {'is' if told == '1' else 'are'} expected in this list{seldom}."


def of_searches(share: float) -> str:
    """A measured share as `about 12 of 100`, of as many searches as make the number readable."""
    searches = next((size for size in (100, 1000, 10_000, 100_000) if share * size >= 1), 1_000_000)
    return f"about {few(share * searches)} of {whole(searches)}" if share > 0 else "none of those measured"


def rate(share: float) -> str:
    """A measured share as a decimal with three significant digits."""
    return f"{float(f'{share:.3g}'):.9f}".rstrip("0").rstrip(".")


PAGES.filters |= {
    filter_.__name__: filter_
    for filter_ in (
        visible,
        quoted,
        sentence,
        similarity,
        moment,
        into_video,
        expected_false,
        of_searches,
        rate,
        spoken,
    )
}
