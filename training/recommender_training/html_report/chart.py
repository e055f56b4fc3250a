"""Building blocks of the figures: scales with round ticks, axes, marks, legends.

Figures are narrow (VIEW units wide), so that their text is readable on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recommender_training.html_report.markup import Markup, join, tag

#: Width of a figure in its own units; a unit is about a pixel on a phone.
VIEW = 380
_TEXT = 11


@dataclass(frozen=True)
class Scale:
    """Linear map of numbers from `low` to `high` to positions from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the position of a number, clamped to the ends."""
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, wanted: int = 5) -> list[float]:
        """Return about `wanted` round numbers inside the range."""
        step = _round_step((self.high - self.low) / wanted)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(index * step, 10) for index in range(first, last + 1)]

    @property
    def digits(self) -> int:
        """Decimals needed to distinguish the ticks."""
        return max(0, -math.floor(math.log10(_round_step((self.high - self.low) / 5)) + 1e-9))


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return min((power * factor for factor in (1, 2, 5, 10)), key=lambda step: abs(step - rough))


def around(values: Sequence[float], start: float, end: float, *, pad: float = 0.06) -> Scale:
    """Return a scale around all values, with a relative margin `pad`."""
    low, high = min(values), max(values)
    room = (high - low) * pad or max(abs(high), 1.0) * 0.05
    return Scale(low - room, high + room, start, end)


def drawing(title: str, height: float, *children: Markup) -> Markup:
    """Return an SVG with a title for screen readers."""
    return tag(
        "svg",
        tag("title", title),
        *children,
        viewBox=f"0 0 {VIEW} {height:.0f}",
        role="img",
        aria_label=title,
    )


def text(x: float, y: float, words: str, *, anchor: str = "start", class_: str = "t") -> Markup:
    """Return a line of text, vertically centred at `y`."""
    return tag("text", words, x=x, y=y + _TEXT * 0.35, text_anchor=anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """Return a straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def dot(x: float, y: float, class_: str, radius: float = 3.5) -> Markup:
    """Return a round mark."""
    return tag("circle", cx=x, cy=y, r=radius, class_=class_)


def bar(x: float, y: float, width: float, height: float, class_: str) -> Markup:
    """Return a filled rectangle."""
    return tag("rect", x=x, y=y, width=max(width, 0), height=max(height, 0), class_=class_)


def curve(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    """Return straight lines through the points."""
    return tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=class_)


def x_axis(
    scale: Scale,
    bottom: float,
    top: float,
    label: str,
    write: Callable[[float], str] | None = None,
) -> Markup:
    """Return an axis with ticks at the bottom, grid lines up to `top`, and a label below."""
    shown = write or (lambda value: f"{value:.{scale.digits}f}")
    marks = [
        join(
            line(scale(tick), bottom, scale(tick), top, "grid"),
            text(scale(tick), bottom + 10, shown(tick), anchor="middle"),
        )
        for tick in scale.ticks()
    ]
    middle = (scale.start + scale.end) / 2
    return join(*marks, text(middle, bottom + 26, label, anchor="middle", class_="t label"))


def y_axis(
    scale: Scale,
    left: float,
    right: float,
    label: str,
    write: Callable[[float], str] | None = None,
) -> Markup:
    """Return an axis with ticks on the left, grid lines to `right`, and a label above."""
    shown = write or (lambda value: f"{value:.{scale.digits}f}")
    marks = [
        join(
            line(left, scale(tick), right, scale(tick), "grid"),
            text(left - 5, scale(tick), shown(tick), anchor="end"),
        )
        for tick in scale.ticks()
    ]
    return join(*marks, text(2, scale.end - 12, label, class_="t label"))


def legend(y: float, entries: Sequence[tuple[str, str]], x: float = 4) -> Markup:
    """Return a one-line legend of entries (class of the mark, text)."""
    parts = []
    for class_, words in entries:
        parts += [dot(x + 5, y, class_, 4), text(x + 13, y, words)]
        x += 25 + 5.9 * len(words)
    return join(*parts)
