"""How figures are written for a person: a rate with its interval and its count, and in words what cannot be told."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from facebatch.evaluate.growth import Bounded
from facebatch.evaluate.identification import Selectivity
from facebatch.evaluate.intervals import Rate, rule_of_three
from facebatch.evaluate.threshold_growth import SizedThreshold

SPACE: Final = "\N{NARROW NO-BREAK SPACE}"
NOT_MEASURED: Final = "not measured"
NO_THRESHOLD: Final = "none: any similarity counts"
ALIKE: Final = "all people are alike in it: Wilson's interval of as many trials as people"
"""Where a bootstrap had no spread, and `intervals.informed` mended it."""
DIGITS = 3
"""Significant ones of a rate, or of what it lacks to 100 %."""


@dataclass(frozen=True, slots=True)
class Told:
    """One figure, ready to be shown; the parts are never shown apart."""

    value: str
    interval: str
    """95 %; empty where there is none."""
    count: str
    """Of how many, and of how many people."""
    note: str = ""
    """What to think of when reading it."""

    @property
    def line(self) -> str:
        """All of it in one line of text."""
        inside = ", ".join(part for part in (self.interval and f"95 % interval {self.interval}", self.count) if part)
        return f"{self.value} ({inside})" if inside else self.value


def whole(number: int) -> str:
    """A count, with narrow spaces between thousands."""
    return f"{number:,}".replace(",", SPACE)


def plural(number: int, noun: str) -> str:
    """As in 1 search, 2 searches, 1 person, 3 people."""
    many = {"person": "people", "search": "searches"}.get(noun, f"{noun}s")
    return f"{whole(number)} {noun if number == 1 else many}"


def counted(number: int, noun: str) -> str:
    """The same for a terminal, with plain spaces between thousands."""
    return plural(number, noun).replace(SPACE, " ")


def percent(value: float) -> str:
    """A share in [0, 1] with DIGITS significant digits, counted from the nearer end."""
    distance = 100 * min(value, 1 - value)
    if distance <= 0:
        return f"{100 * value:.0f}{SPACE}%"
    decimals = DIGITS - 1 - math.floor(math.log10(distance))
    return f"{100 * value:.{max(1, decimals)}f}{SPACE}%"


def number(value: float) -> str:
    """Anything that is not a share: whole where it is, or at least 100, else with DIGITS significant digits."""
    is_whole = abs(value) >= 10 ** (DIGITS - 1) or value == int(value)
    return whole(round(value)) if is_whole else f"{value:#.{DIGITS}g}"


def similarity(threshold: float) -> str:
    """A threshold to five decimals; in files it stands with all its digits. NO_THRESHOLD where it is -inf."""
    return f"{threshold:.5f}".replace("-", "\N{MINUS SIGN}") if math.isfinite(threshold) else NO_THRESHOLD


def similarities(interval: tuple[float, float]) -> str:
    """The interval of a threshold; an end may be infinite."""
    low, high = (similarity(end) if math.isfinite(end) else "any" for end in interval)
    return f"{low} to {high}"


def spoken(fpir: float) -> str:
    """An FPIR target, as one says it."""
    one_in = 1 / fpir
    return f"1 in {whole(round(one_in))}" if math.isclose(one_in, round(one_in)) else f"{1000 * fpir:g} in 1{SPACE}000"


def tell(rate: Rate, noun: str = "search", *, few: bool = True) -> Told:
    """A rate; where no case was seen, the bound by the rule of three, over people where these are known.

    `few` marks rates of fewer than 30 cases as rough, which an event that is not an error is not.
    """
    count = f"{whole(rate.count)} of {plural(rate.n, noun)}"
    if rate.people is not None and rate.people != rate.n:
        count += f", {plural(rate.people, 'person')}"
    if rate.value is None or rate.low is None or rate.high is None:
        return Told(NOT_MEASURED, "", count, f"there was no {noun}")
    interval = f"{percent(rate.low)} to {percent(rate.high)}"
    if not rate.count:
        bound = rule_of_three(rate.n if rate.people is None else rate.people)
        return Told(f"none seen, < {percent(bound)}", interval, count, "the true rate may be as high as this bound")
    notes = ["rough: fewer than 30 cases"] if few and rate.few else []
    if rate.method == "wilson" and rate.people not in (None, rate.n):
        notes.append(ALIKE)
    return Told(percent(rate.value), interval, count, "; ".join(notes))


def tell_load(load: Selectivity) -> Told:
    """False candidates per 1 000 searches."""
    return _load(load, load.per_thousand, 1000.0)


def tell_hours(load: Selectivity, minutes: float) -> Told:
    """Reviewer hours for the false candidates of 1 000 searches, at `minutes` a candidate."""
    return _load(load, load.hours(1000, minutes), 1000 * minutes / 60)


def per_thousand(load: Bounded) -> Bounded:
    """A selectivity as false candidates per 1 000 searches."""
    interval = load.interval and (1000 * load.interval[0], 1000 * load.interval[1])
    return Bounded(1000 * load.low, 1000 * load.high, interval, load.method)


def tell_bounded(found: Bounded | None, count: str = "", say: Callable[[float], str] = percent) -> Told:
    """A mean over galleries of one size, as both bounds where lists hide something."""
    if found is None:
        return Told(NOT_MEASURED, "", count)
    interval = " to ".join(say(end) for end in found.interval) if found.interval else ""
    alike = ALIKE if interval and found.method == "wilson" and found.high else ""
    return Told(say(found.low) if found.exact else f"{say(found.low)} to {say(found.high)}", interval, count, alike)


def tell_per_thousand(load: Bounded | None) -> Told:
    """A selectivity as false candidates per 1 000 searches."""
    return tell_bounded(None if load is None else per_thousand(load), say=number)


def tell_threshold(found: SizedThreshold) -> Told:
    """The threshold that a gallery of some size needs."""
    return tell_bounded(Bounded(found.low, found.high, found.interval), say=similarity)


def _load(load: Selectivity, value: float | None, scale: float) -> Told:
    count = f"{whole(load.candidates)} in {plural(load.searches, 'search')}"
    if value is None:
        return Told(NOT_MEASURED, "", count, "there was no search of a person outside the gallery")
    notes = [f"at least: {plural(load.capped, 'search')} filled the list"] if load.capped else []
    notes += [ALIKE] if load.interval and load.method == "wilson" else []
    note = "; ".join(notes)
    if load.interval is None:
        return Told("none seen" if not load.candidates else number(value), "", count, note)
    low, high = (number(scale * end) for end in load.interval)
    return Told(number(value), f"{low} to {high}", count, note)
