"""Figures as SVG: the split of traffic, intervals with their limits, drift by feature.

They hold no style: the classes are those of `static/console.css`, which knows light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from recommender_console.markup import Child, Markup, join, tag
from recommender_console.object_details import Effect
from recommender_kubectl import text

_STRIP, _HEIGHT = 220, 26
_WIDE = 340
#: Digits of the space that a text takes, in units of the figure.
_LETTER = 6.4


@dataclass(frozen=True)
class Scale:
    """Linear map of numbers to positions, clamped to its ends."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the position of a number."""
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A measured value with its interval, its limits, and what it is compared with."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    minimum: float | None = None
    maximum: float | None = None
    stable: float | None = None
    #: It is a difference, so the figure shows where none is.
    zero: bool = False

    def numbers(self) -> list[float]:
        """Return all numbers that a figure must hold."""
        none = 0.0 if self.zero else None
        every = (self.value, self.low, self.high, self.minimum, self.maximum, self.stable, none)
        return [one for one in every if one is not None and math.isfinite(one)]

    def words(self) -> str:
        """Return the reading for those who do not see the figure."""
        parts = [f"{self.name}: {text.number(self.value)}"]
        if self.low is not None or self.high is not None:
            parts.append(f"interval {text.interval(self.low, self.high)}")
        if self.stable is not None:
            parts.append(f"stable version {text.number(self.stable)}")
        if self.minimum is not None:
            parts.append(f"at least {text.number(self.minimum)}")
        if self.maximum is not None:
            parts.append(f"at most {text.number(self.maximum)}")
        return ", ".join(parts)


def scale_around(numbers: Sequence[float], start: float, end: float) -> Scale:
    """Return a scale around all numbers, with room at both ends."""
    low, high = min(numbers), max(numbers)
    room = (high - low) * 0.08 or max(abs(high), 1e-9) * 0.05
    return Scale(low - room, high + room, start, end)


def strip(reading: Reading, class_: str) -> Markup | None:
    """Return a reading on one line: what is allowed, the interval, the values."""
    numbers = reading.numbers()
    if reading.value is None or not numbers:
        return None
    place, middle = scale_around(numbers, 6, _STRIP - 6), _HEIGHT / 2
    marks: list[Child] = [_allowed(reading, place)]
    if reading.zero:
        marks.append(_line(place(0), 1, place(0), _HEIGHT - 1, "limit"))
    if reading.low is not None or reading.high is not None:
        low = 0.0 if reading.low is None else place(reading.low)
        high = float(_STRIP) if reading.high is None else place(reading.high)
        marks.append(_line(low, middle, high, middle, f"interval {class_}"))
        ends = (
            low if reading.low is not None else None,
            high if reading.high is not None else None,
        )
        marks += [
            _line(x, middle - 5, x, middle + 5, f"interval {class_}")
            for x in ends
            if x is not None
        ]
    if reading.stable is not None:
        marks.append(tag("circle", cx=place(reading.stable), cy=middle, r=5, class_="stable"))
    marks.append(tag("circle", cx=place(reading.value), cy=middle, r=4, class_=f"dot {class_}"))
    return drawing(reading.words(), _STRIP, _HEIGHT, "strip", marks)


def course(name: str, readings: Sequence[tuple[str, Reading]]) -> Markup | None:
    """Return a metric from step to step: interval, value, stable version and limit of each."""
    numbers = [number for _, reading in readings for number in reading.numbers()]
    if not numbers:
        return None
    height, left, bottom = 176, 62, 148
    place = scale_around(numbers, bottom, 18)
    width = (_WIDE - left - 8) / len(readings)
    marks: list[Child] = []
    for value in _ticks(place):
        marks.append(_line(left, place(value), _WIDE - 8, place(value), "grid"))
        marks.append(_words(left - 6, place(value), text.number(value), "end"))
    for index, (label, reading) in enumerate(readings):
        x = left + width * (index + 0.5)
        marks.append(_words(x, bottom + 14, label, "middle"))
        marks += _candle(reading, place, x, min(width * 0.4, 40))
    return drawing(
        f"{name} by step. " + "; ".join(f"{label}: {r.words()}" for label, r in readings),
        _WIDE, height, "course", marks,
    )  # fmt: skip


def split(shares: Sequence[tuple[str, str, int]]) -> Markup:
    """Return the share of each version: (class, version, percent)."""
    x, height, marks = 0.0, 30, []
    for class_, _, percent in shares:
        width = 3.4 * percent
        marks.append(tag("rect", x=x, y=0, width=width, height=height, class_=f"share {class_}"))
        if percent >= 8:
            label = f"{percent} %"
            middle = x + width / 2
            marks.append(_words(middle, height / 2, label, "middle", f"onshare {class_}"))
        x += width
    said = "Split: " + ", ".join(f"{name} {percent} %" for _, name, percent in shares)
    return drawing(said, 340, height, "split", marks)


def effects(rows: Sequence[Effect]) -> Markup | None:
    """Return the drift of each feature as a bar, with the effect from which it counts."""
    if not rows:
        return None
    longest = max(len(_short(row.feature)) for row in rows)
    left, line = 12 + _LETTER * longest, 24
    width = left + 320
    top = max(max(row.effect, row.limit) for row in rows) * 1.1 or 1.0
    place = Scale(0, top, left, width - 60)
    marks: list[Child] = []
    for index, row in enumerate(rows):
        y = line * index + line / 2 + 2
        over = row.effect >= row.limit
        class_ = "over" if over else "under"
        marks += [
            _words(left - 8, y, _short(row.feature), "end"),
            tag("rect", x=left, y=y - 7, width=max(place(row.effect) - left, 1), height=14,
                class_=f"bar {class_}"),
            _line(place(row.limit), y - 10, place(row.limit), y + 10, "limit"),
            _words(width - 4, y, text.number(row.effect), "end"),
        ]  # fmt: skip
    said = "; ".join(
        f"{row.feature}: {text.number(row.effect)}, counts from {text.number(row.limit)}"
        for row in rows
    )
    return drawing(f"Drift by feature. {said}", width, line * len(rows) + 4, "effects", marks)


def drawing(
    title: str, width: float, height: float, class_: str, marks: Sequence[Child]
) -> Markup:
    """Return an SVG that is one image with a text for screen readers."""
    box = f"0 0 {width:.0f} {height:.0f}"
    return tag(
        "svg", join(marks), viewBox=box, width=width, height=height, role="img", aria_label=title,
        class_=class_,
    )  # fmt: skip


def _candle(reading: Reading, place: Scale, x: float, wide: float) -> list[Child]:
    limits = [one for one in (reading.minimum, reading.maximum) if one is not None]
    marks: list[Child] = [
        _line(x - wide, place(limit), x + wide, place(limit), "limit") for limit in limits
    ]
    if reading.low is not None or reading.high is not None:
        low = place.start if reading.low is None else place(reading.low)
        high = place.end if reading.high is None else place(reading.high)
        marks.append(_line(x, low, x, high, "interval candidate"))
    if reading.stable is not None:
        marks.append(tag("circle", cx=x, cy=place(reading.stable), r=5, class_="stable"))
    if reading.value is not None:
        marks.append(tag("circle", cx=x, cy=place(reading.value), r=4, class_="dot candidate"))
    return marks


def _allowed(reading: Reading, place: Scale) -> Markup | None:
    """Return the band inside the limits, and the limits themselves."""
    if reading.minimum is None and reading.maximum is None:
        return None
    low = 0.0 if reading.minimum is None else place(reading.minimum)
    high = float(_STRIP) if reading.maximum is None else place(reading.maximum)
    band = tag("rect", x=low, y=2, width=max(high - low, 0), height=_HEIGHT - 4, class_="allowed")
    lines = [
        _line(place(limit), 1, place(limit), _HEIGHT - 1, "limit")
        for limit in (reading.minimum, reading.maximum)
        if limit is not None
    ]
    return join([band, *lines])


def _ticks(scale: Scale) -> list[float]:
    rough = (scale.high - scale.low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((power * factor for factor in (1, 2, 5, 10)), key=lambda one: abs(one - rough))
    first, last = math.ceil(scale.low / step), math.floor(scale.high / step)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _short(words: str) -> str:
    return words if len(words) <= 28 else words[:27] + "…"


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def _words(x: float, y: float, words: str, anchor: str, class_: str = "") -> Markup:
    return tag("text", words, x=x, y=y + 4, text_anchor=anchor, class_=class_ or None)
